"""Where numba's vector extension cannot be built, kernels compute one draw at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

# Without its names that numba does not publish, the extension fails as with another release.
WITHOUT_VECTORS = """
import sys
sys.modules["sim.kernels.numba_vectors.internals"] = None
"""
DRAWS = """
import hashlib
import sim
from sim.kernels.simd.vectors import LANES

INPUTS = {
    "price": {"family": "lognormal", "p10": 2, "p90": 5},
    "volume": {"family": "pert", "min": 1, "mode": 4, "max": 10},
    "share": {"family": "beta", "mean": 0.3, "sd": 0.1},
    "count": {"family": "discrete", "values": [1, 2, 3], "weights": [0.2, 0.3, 0.5]},
}
TIED = {
    "inputs": ["price", "volume"], "kind": "copula", "copula": "t", "nu": 4,
    "matrix": [[1, 0.5], [0.5, 1]],
}

def digest(ds):
    bits = hashlib.sha256()
    for name in sorted(ds.variables):
        values = ds.variables[name].values
        bits.update(f"{name} {values.dtype} {values.shape}".encode())
        text = values.dtype.kind in "OU"
        bits.update(repr(values.tolist()).encode() if text else values.tobytes())
    bits.update(repr(sorted(ds.attrs.items())).encode())
    return bits.hexdigest()

base = sim.load("params/base.toml")
print(LANES)
for sampler in ("stratified", "random", "sobol"):
    kept = sim.simulate(base, draws=3_333, seed=3, sampler=sampler, keep="all", bad_draws="keep")
    print(sampler, "all outputs of every draw", digest(kept))
    dropped = sim.simulate(base, draws=3_333, seed=3, sampler=sampler, drop_questionable=True)
    print(sampler, "moments of draws that count", digest(dropped))
    beyond = sim.simulate(base, draws=10_000, seed=3, sampler=sampler, kept_draws=8_192)
    print(sampler, "histograms", digest(beyond))
    print(sampler, "inputs", digest(sim.sample(INPUTS, 3_333, sampler=sampler, correlation=TIED)))
"""


def run(code: str, **environment: str) -> list[str]:
    """The lines that a Python process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.long  # it compiles the kernels anew
@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
def test_one_lane_gives_the_bits_of_eight() -> None:
    lanes, *digests = run(DRAWS)
    single, *digests_of_one = run(WITHOUT_VECTORS + DRAWS)
    assert (lanes, single) == ("8", "1")
    assert len(digests) == 12
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
    *_, line = run(code)
    assert line == "numba's vector extension is unavailable: the same bits, about 6 times slower"
    assert not any("vector extension" in line for line in run(code.replace(WITHOUT_VECTORS, "")))
