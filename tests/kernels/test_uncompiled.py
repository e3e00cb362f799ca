"""Without a compiler the kernels are plain Python, and give the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from agreement import assert_agree
from conftest import ROOT

from sim.model.catalogue import OUTPUTS
from sim.model.outputs import PROBABILITIES

CODE = """
import sys

import numpy as np

import sim

ds = sim.simulate(sim.load("params/base.toml"), draws=64, seed=3, keep="all", threads=1)
np.savez(sys.argv[1], **{name: ds[name].values for name in ds})
"""


def results(path: Path, **environment: str) -> dict[str, np.ndarray]:
    """Every input and output of 64 draws of the base case, in a process of its own."""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE, str(path)],
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=300,
        check=True,
    )
    with np.load(path) as saved:
        return dict(saved)


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
def test_plain_python_gives_the_numbers_of_the_compiled_kernels(tmp_path: Path) -> None:
    compiled = results(tmp_path / "compiled.npz")
    plain = results(tmp_path / "plain.npz", NUMBA_DISABLE_JIT="1")
    assert set(plain) == set(compiled)
    inputs = {name for name in compiled if name not in OUTPUTS and name not in PROBABILITIES}
    for name in inputs:
        np.testing.assert_allclose(plain[name], compiled[name], rtol=1e-12, err_msg=name)
    integers = [name for name in compiled if compiled[name].dtype.kind in "bi"]
    assert {"instance_grown", "speed_unreachable", "power_binds"} <= set(integers)
    for name in [*integers, "capital_crunch", *PROBABILITIES]:
        np.testing.assert_array_equal(plain[name], compiled[name], err_msg=name)
    assert_agree(
        {name: plain[name] for name in OUTPUTS},
        {name: compiled[name] for name in OUTPUTS},
        {name: compiled[name] for name in inputs},
    )
