"""The cache of machine code knows what it was compiled from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CODE = """
import numpy as np
from sim.kernels.jit import cache_folder
from sim.kernels.sampling.samplers import fill_random
compiled = any(cache_folder().rglob("*.nbc"))
u = np.empty(32)
fill_random(np.uint64(1), np.uint64(2), 0, u, u.view(np.uint64), np.empty(32, np.uint64))
print(compiled, repr(float(u[0])))
"""


def result(folder: Path) -> tuple[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    compiled, value = done.stdout.split()
    return compiled, float(value)


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
def test_an_edited_formula_gives_new_numbers_in_the_next_process(tmp_path: Path) -> None:
    """Also where the edit is in another file than the function that is called."""
    shutil.copytree(ROOT / "sim", tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    compiled, before = result(tmp_path)
    assert compiled == "False"
    assert result(tmp_path) == ("True", before)
    formula = tmp_path / "sim" / "kernels" / "sampling" / "philox.py"
    text = formula.read_text()
    assert text.count("(w0 << _SHIFT) | w1") == 1
    formula.write_text(text.replace("(w0 << _SHIFT) | w1", "(w1 << _SHIFT) | w0"))
    compiled, after = result(tmp_path)
    assert compiled == "False"
    assert after != before
