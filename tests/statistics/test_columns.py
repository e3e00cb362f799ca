from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sim.statistics import columns
from sim.statistics.columns import DrawnVariables, Estimate, Statistics
from sim.statistics.summary import summarise


def make_dataset(draws: int = 500) -> xr.Dataset:
    """Draws of two variables that share a column, one of which has another that is NaN."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, draws))
    x[1] = np.nan
    y = np.stack([x[2], x[0] + 1.0])
    return xr.Dataset({"x": (("draw", "k"), x.T), "y": (("draw", "j"), y.T)})


def test_columns_with_the_same_bits_are_evaluated_once() -> None:
    ds = make_dataset()
    seen: list[int] = []

    def evaluate(draws: np.ndarray, pooled: int, kind: tuple[bool, ...]) -> Statistics:
        seen.append(len(draws))
        return {"first": Estimate(draws[:, 0], draws[:, 1])}

    results = DrawnVariables(ds, {"x": (False,), "y": (False,)}, ["draw"]).evaluate(evaluate, 1)
    assert sum(seen) == 4
    for name in ("x", "y"):
        np.testing.assert_array_equal(results[name]["first"].value, ds[name].values[0])
        np.testing.assert_array_equal(results[name]["first"].error, ds[name].values[1])
    seen.clear()
    DrawnVariables(ds, {"x": (False,), "y": (True,)}, ["draw"]).evaluate(evaluate, 1)
    assert sum(seen) == 5  # of another kind, of which there are other statistics


def test_columns_that_differ_in_one_bit_are_no_copies() -> None:
    ds = make_dataset()
    ds["z"] = ds["x"].copy(deep=True)
    ds["z"][333, 0] = np.nextafter(float(ds["x"][333, 0]), 9.0)
    results = DrawnVariables(ds, {"x": (), "z": ()}, ["draw"]).evaluate(
        lambda draws, pooled, kind: {"last": Estimate(draws[:, 333], draws[:, 333])}, 1
    )
    assert float(results["x"]["last"].value[0]) == float(ds["x"][333, 0])
    assert float(results["z"]["last"].value[0]) == float(ds["z"][333, 0])


@pytest.mark.parametrize("part_bytes", [1, 9_000, 2**30])
def test_parts_and_threads_change_no_bit(part_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = make_dataset()
    expected = summarise(ds, threads=1)
    monkeypatch.setattr(columns, "PART_BYTES", part_bytes)
    for threads in (1, 2):
        xr.testing.assert_identical(summarise(ds, threads=threads), expected)


def test_statistics_of_a_copy_are_those_of_the_column_alone() -> None:
    ds = make_dataset()
    together = summarise(ds)
    for name in ("x", "y"):
        alone = summarise(ds, [name])
        for variable in alone.data_vars:
            xr.testing.assert_identical(together[variable], alone[variable])


def test_a_dim_without_labels_has_statistics_without_numbers() -> None:
    summary = summarise(make_dataset().isel(k=slice(0, 0)))
    assert summary.x_quantile.shape == (5, 0)
    assert summary.y_mean.shape == (2,)
