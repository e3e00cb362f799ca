"""Where numba's vector extension cannot be built, kernels compute one draw at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kernel_bits import DRAWS, run

# Without its names that numba does not publish, the extension fails as with another release.
WITHOUT_VECTORS = """
import sys
sys.modules["sim.kernels.numba_vectors.internals"] = None
"""


@pytest.mark.long  # it compiles the kernels anew
@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
def test_one_lane_gives_the_bits_of_eight() -> None:
    lanes, *digests = run(DRAWS)
    single, *digests_of_one = run(WITHOUT_VECTORS + DRAWS, SIM_KERNELS="numba")
    assert (lanes, single) == ("8", "1")
    assert len(digests) == 17
    assert digests_of_one == digests


@pytest.mark.long  # plain Python
def test_one_lane_without_a_compiler_gives_the_same_bits() -> None:
    code = """
import sim
print(sim.simulate(sim.load("params/base.toml"), draws=8, keep="all", threads=1).to_dict())
"""
    assert run(WITHOUT_VECTORS + code, NUMBA_DISABLE_JIT="1") == run(code)


def test_the_self_test_says_that_kernels_are_slower(tmp_path: Path) -> None:
    code = (
        WITHOUT_VECTORS
        + """
from sim.cli.selftest import _machine
print("\\n".join(_machine()))
"""
    )
    _, kernels, _, line = run(code, SIM_KERNELS="numba")
    assert kernels.startswith("kernels compiled by numba ")
    assert kernels.endswith(" (SIM_KERNELS is set)")
    assert line == "numba's vector extension is unavailable: the same bits, about 6 times slower"
    _, line = run(code)
    assert line.startswith("kernels shipped, numpy ")
