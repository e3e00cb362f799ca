from __future__ import annotations

import numpy as np
import xarray as xr

from sim.model.outputs import PROBABILITIES
from sim.statistics.datasets import (
    available_probabilities,
    indicators,
    json_attribute,
    last,
    named_labs,
    share,
)


def test_last_moves_draws_to_the_last_axis(ds: xr.Dataset) -> None:
    draws = last(ds, "gw")
    assert draws.shape == (ds.sizes["lab"], ds.sizes["quarter"], ds.sizes["draw"])
    np.testing.assert_array_equal(draws[1, 2], ds.gw.isel(lab=1, quarter=2))
    assert last(ds, "hurdle_margin").shape == (1,)  # fixed in the base case


def test_available_probabilities_need_their_outputs_labs_and_dims(ds: xr.Dataset) -> None:
    assert set(available_probabilities(ds)) == set(PROBABILITIES)
    without_gw = available_probabilities(ds.drop_vars("gw"))
    assert without_gw == [name for name in PROBABILITIES if PROBABILITIES[name].of != "gw"]
    one_lab = available_probabilities(ds.sel(lab=["openai"]))
    assert {"p_both_named", "p_top_two"}.isdisjoint(one_lab)
    assert "p_gw_above" in one_lab
    assert "p_gw_above" not in available_probabilities(ds.isel(quarter=0))


def test_indicators_are_true_where_the_event_happens(ds: xr.Dataset) -> None:
    happens, valid = indicators(ds, ["p_both_named"])["p_both_named"]
    both = (ds.gw.sel(lab=named_labs(ds)) > ds.threshold[0]).all("lab")
    np.testing.assert_array_equal(happens, both.transpose("quarter", "draw"))
    assert valid.all()


def test_indicators_of_draws_that_are_nan_are_not_valid(ds: xr.Dataset) -> None:
    _, valid = indicators(ds, ["p_lab_margin_above_hurdle"])["p_lab_margin_above_hurdle"]
    np.testing.assert_array_equal(valid, ~np.isnan(last(ds, "lab_paid_margin")))


def test_share_is_over_valid_draws_and_nan_without_any() -> None:
    happens = np.array([[True, True, False, False], [True, False, False, False]])
    valid = np.array([[True, False, True, True], [False, False, False, False]])
    np.testing.assert_array_equal(share(happens, valid), [1 / 3, np.nan])
    np.testing.assert_array_equal(share(np.array([[1, 2]]), np.array([[4, 2]])), [0.5])


def test_attributes_are_decoded_from_text() -> None:
    ds = xr.Dataset(attrs={"named_labs": "openai", "until": "[1, 2]"})
    assert named_labs(ds) == ["openai"]  # netCDF returns a list of length one as text
    assert json_attribute(ds, "until") == [1, 2]
    assert json_attribute(ds, "correlation", []) == []


def test_indicators_of_every_threshold_are_those_of_each(ds: xr.Dataset) -> None:
    of_draws = [name for name in available_probabilities(ds) if PROBABILITIES[name].of in ds]
    assert list(indicators(ds)) == of_draws
    happens, valid = indicators(ds, ["p_gw_above"])["p_gw_above"]
    gw = ds.gw.transpose("lab", "quarter", "draw")
    assert happens.shape == valid.shape == (ds.sizes["threshold"], *gw.shape)
    for above, threshold in zip(happens, ds.threshold.values, strict=True):
        np.testing.assert_array_equal(above, gw > threshold)
