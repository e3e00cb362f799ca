"""What must be true for an event: known answers, a user's own model, refusals."""

from __future__ import annotations

import pytest

import sim
from sim.analysis.discover import discover

UNIFORM = {"family": "uniform", "min": 0, "max": 1}


def test_the_box_of_a_users_own_model_is_found() -> None:
    ds = sim.sample(dict.fromkeys("abcde", UNIFORM), draws=20_000)
    found = discover(ds, "a > 0.7 and b < 0.5")
    assert [of.name for of in found.conditions] == ["a", "b"]
    first, second = found.conditions
    assert first.low_value == pytest.approx(0.7, abs=0.02)
    assert second.high_value == pytest.approx(0.5, abs=0.02)
    assert found.density[0] > 0.97
    assert found.coverage[0] > 0.97
    error = (found.density[1] ** 2 + found.density_fitted[1] ** 2) ** 0.5
    assert abs(found.density[0] - found.density_fitted[0]) <= 3 * error + 1e-9


def test_an_event_of_no_draw_is_refused() -> None:
    ds = sim.sample(dict.fromkeys("ab", UNIFORM), draws=2048)
    with pytest.raises(sim.InputError, match="holds in no draw"):
        discover(ds, "a > 2")
    with pytest.raises(sim.InputError, match="holds in every draw"):
        discover(ds, "a < 2")
