"""Memory that a run needs is known before it is taken."""

from __future__ import annotations

import pytest
from conftest import ROOT

import sim
from sim.common import memory
from sim.model.dims import QUARTERS

BASE = ROOT / "params" / "base.toml"


def test_thresholds_count_in_the_memory_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (
        sim.load(BASE, set={"model.thresholds_gw": [float(i) for i in range(1, count + 1)]})
        for count in (1, 50)
    )
    monkeypatch.setattr("sim.common.memory.available_memory", lambda: 0.0)
    needed = []
    for scenario in (few, many):
        with pytest.raises(sim.InputError) as caught:
            sim.simulate(scenario, draws=1024)
        needed.append(int(str(caught.value).split("draws of ")[1].split()[0]))
    measured = 49 * len(many.labs) * len(QUARTERS) * 2  # bytes of a draw in `summarise`
    assert needed[1] - needed[0] >= measured / (8 * memory.MEMORY_PER_KEPT)
