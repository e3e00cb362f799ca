"""No draw of the base case is impossible, and no headline rests on a handful of draws."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario
from sim.statistics.tails import WORST_SHARE
from sim.tables.headline import make_headline
from sim.tables.table import OWNED

SEEDS = range(1, 11)  # of 100,000 draws each
MARGINS = ("inference_gross_margin", "loaded_gross_margin", "fine_tune_gross_margin")


@pytest.fixture(scope="module")
def worst(base: Scenario) -> dict[str, float]:
    """The worst margin of a million draws, in any quarter."""
    found = dict.fromkeys(MARGINS, np.inf)
    for seed in SEEDS:
        ds = sim.simulate(base, draws=100_000, seed=seed, keep=[*MARGINS, "speed_unreachable"])
        for name in MARGINS:
            assert bool(np.isfinite(ds[name]).all()), name
            found[name] = min(found[name], float(ds[name].min()))
        assert ds.attrs["draws_not_finite"] == 0
        assert not bool(ds["speed_unreachable"].any())
    return found


def test_the_worst_margin_of_a_million_draws_is_that_of_a_bad_year(
    worst: dict[str, float],
) -> None:
    """A model that fitted no instance once left 64 accelerators to one user: below -10,000 %."""
    assert worst["inference_gross_margin"] > -10
    assert worst["fine_tune_gross_margin"] > -10


@pytest.mark.long  # a million draws with all that a run keeps
def test_numbers_that_the_worst_draws_own_are_marked(base: Scenario) -> None:
    """Headline margins are not among them; a table marks those that are."""
    ds = sim.simulate(base, draws=1_000_000, seed=1)
    summary = sim.summarise(ds)
    for name in ("inference_gross_margin", "fine_tune_gross_margin"):
        for statistic in ("mean", "cvar"):
            share = summary[f"{name}_{statistic}{WORST_SHARE}"]
            assert float(share.max()) <= OWNED, (name, statistic)
    means = tuple(f"_{statistic}{WORST_SHARE}" for statistic in ("mean", "cvar"))
    owned = [name for name in summary if str(name).endswith(means) and _owned(summary[name])]
    remarks = make_headline(ds, summary).remarks
    marked = any("such means are marked by *" in line for line in remarks)
    assert marked == bool(owned), owned


def _owned(share: xr.DataArray) -> bool:
    return bool((share > OWNED).any())
