"""What moves a number most, by the quick screen of the headline."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from run_folders import as_stored

import sim
from sim.analysis import drivers
from sim.analysis.drivers import find_drivers
from sim.parameters.scenario import Scenario
from sim.simulation.scores import draw_causes

MARGIN = "inference_gross_margin@2026Q4"


@pytest.fixture(scope="module")
def found(ds: xr.Dataset) -> xr.Dataset:
    return find_drivers(ds, MARGIN)


def test_shares_of_a_monotone_function_of_causes_are_squares_of_its_coefficients(
    ds: xr.Dataset,
) -> None:
    """Of exp(.6 a - .8 b), of which the ranks are normal: 36 and 64 %."""
    causes = draw_causes(ds)
    rows = dict(zip(causes.names, causes.values, strict=True))
    made = np.exp(0.6 * rows["hardware.pue"] - 0.8 * rows["prices.api_discount"])
    margins = ds.inference_gross_margin.copy()
    margins.loc[{"quarter": "2026Q4"}] = made
    result = find_drivers(ds.assign(inference_gross_margin=margins), MARGIN)
    assert result.cause.values[:2].tolist() == ["prices.api_discount", "hardware.pue"]
    off = np.abs(result.share.values[:2] - [0.64, 0.36]) / result.share_error.values[:2]
    assert off.max() < 3
    assert result.share_error.values[:2].max() < 0.02
    assert result.slope.values[:2] == pytest.approx([-0.8, 0.6], abs=0.02)
    assert np.abs(result.share.values[2:]).max() < 0.002
    assert float(result.explained) == pytest.approx(1.0, abs=0.03)


def test_shares_are_those_of_the_spread_with_errors_that_are_small(found: xr.Dataset) -> None:
    share, error = found.share.values, found.share_error.values
    assert (np.diff(share) <= 0).all()
    assert float(found.explained) == pytest.approx(share.sum())
    assert 0.9 < float(found.explained) < 1.0
    assert (error >= 0).all()
    assert error.max() < 0.015


def test_errors_are_the_spread_over_seeds(base: Scenario) -> None:
    """The sd of the largest share over twelve seeds is its mean error, within a factor of 1.6."""
    runs = [find_drivers(sim.simulate(base, draws=1_024, seed=seed), MARGIN) for seed in range(12)]
    name = str(runs[0].cause.values[0])
    shares = [float(run.share.sel(cause=name)) for run in runs]
    errors = [float(run.share_error.sel(cause=name)) for run in runs]
    assert 0.62 < np.std(shares, ddof=1) / np.mean(errors) < 1.6


def test_judgement_is_the_sum_of_the_shares_of_inputs_without_a_source(
    base: Scenario, found: xr.Dataset
) -> None:
    judged = [
        name
        for name in found.cause.values
        if name in base.quantities and base.quantities[name].source == "judgement"
    ]
    assert len(judged) > 20
    assert float(found.judgement) == pytest.approx(float(found.share.sel(cause=judged).sum()))


def test_a_run_that_is_read_has_the_drivers_of_the_run_that_was_made(
    ds: xr.Dataset, found: xr.Dataset
) -> None:
    xr.testing.assert_identical(find_drivers(as_stored(ds), MARGIN), found)


def test_only_the_first_draws_are_looked_at(
    ds: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "MOST_DRAWS", 1_024)
    xr.testing.assert_identical(
        find_drivers(ds, MARGIN), find_drivers(ds.isel(draw=slice(1_024)), MARGIN)
    )


@pytest.mark.parametrize(
    ("draws", "uncertainty", "why"),
    [(256, 1.0, r"256 draws are too few \(\d+ are needed\)"), (512, 0.0, "the same in every draw")],
)
def test_drivers_that_cannot_be_known_are_refused(
    base: Scenario, draws: int, uncertainty: float, why: str
) -> None:
    ds = sim.simulate(base, draws=draws, uncertainty=uncertainty)
    with pytest.raises(sim.InputError, match=why):
        find_drivers(ds, MARGIN)
