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
import sim
from sim.kernels.jit import is_compiled
compiled = is_compiled()
ds = sim.simulate(sim.load("params/base.toml"), draws=32, uncertainty=0.0)
print(compiled, float(ds.tps_decode[0]))
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
    for part in ("sim", "params"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    assert result(tmp_path) == ("False", pytest.approx(1108.106, abs=1e-3))
    assert result(tmp_path) == ("True", pytest.approx(1108.106, abs=1e-3))
    formula = tmp_path / "sim" / "kernels" / "throughput.py"
    text = formula.read_text()
    assert text.count("a.throughput_multiplier * d.tokens_per_step * batch") == 1
    formula.write_text(
        text.replace(
            "a.throughput_multiplier * d.tokens_per_step * batch",
            "2.0 * a.throughput_multiplier * d.tokens_per_step * batch",
        )
    )
    assert result(tmp_path) == ("False", pytest.approx(2 * 1108.106, abs=2e-3))
