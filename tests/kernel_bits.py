"""Digests of draws and statistics, from processes in which kernels are made in different ways."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import ROOT

DRAWS = """
import hashlib
import sim
from sim.kernels.shipped.entries import lanes

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
print(lanes())
for view, mode in (("accounting", "market"), ("economic", "market")):
    changed = sim.load("params/base.toml", set={"model.view": view, "model.rental_mode": mode})
    ds = sim.simulate(changed, draws=1_100, seed=3, keep="all", bad_draws="keep")
    print(view, mode, digest(ds))
for sampler in ("stratified", "random", "sobol"):
    kept = sim.simulate(base, draws=3_333, seed=3, sampler=sampler, keep="all", bad_draws="keep")
    print(sampler, "all outputs of every draw", digest(kept))
    print(sampler, "statistics", digest(sim.summarise(sim.simulate(base, draws=9_000, seed=3))))
    dropped = sim.simulate(base, draws=3_333, seed=3, sampler=sampler, drop_questionable=True)
    print(sampler, "moments of draws that count", digest(dropped))
    beyond = sim.simulate(base, draws=10_000, seed=3, sampler=sampler, kept_draws=8_192)
    print(sampler, "histograms", digest(beyond), digest(sim.summarise(beyond)))
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
