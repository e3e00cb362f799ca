"""Columns of draws of every kind, and Datasets with their histograms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from sim.engine.events import NO_EVENTS, IndicatorSet, indicator_set
from sim.engine.histograms import CHUNK, Histograms
from sim.model.blocks import replicate_of
from sim.model.declarations import Output
from sim.model.record_layout import Variable, layout_of
from sim.parameters.scenario import Scenario
from sim.simulation.histogram_variables import variables
from sim.statistics.datasets import REPLICATE_M2, REPLICATE_MEAN

Values = Callable[[np.random.Generator, int], np.ndarray]
COLUMNS: dict[str, Values] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "heavy tails": lambda rng, n: rng.standard_t(1.5, size=n),
    "many decades": lambda rng, n: np.exp(30 * rng.normal(size=n)),
    "an atom at its lower end": lambda rng, n: np.maximum(rng.normal(size=n), 0.3),
    "whole numbers": lambda rng, n: rng.poisson(3.0, size=n).astype(float),
    "infinity": lambda rng, n: np.where(rng.random(n) < 0.2, np.inf, rng.normal(size=n)),
    "infinities": lambda rng, n: 1 / np.round(rng.normal(size=n), 1),
    "not reported": lambda rng, n: np.full(n, np.nan),
    "constant": lambda rng, n: np.full(n, -7.25),
}


def make_draws(n: int, seed: int = 1) -> np.ndarray:
    """Draws [column, draw] of every column of COLUMNS."""
    rng = np.random.default_rng(seed)
    with np.errstate(divide="ignore"):
        return np.array([draw(rng, n) for draw in COLUMNS.values()])


def histograms_of(
    values: np.ndarray, kept: int, indicators: IndicatorSet = NO_EVENTS, closed: bool = True
) -> Histograms:
    """Histograms of draws [column, draw], with bins from the first `kept`.

    Unless `closed`, more draws can follow those after the kept ones, as of the same span.
    """
    counted = np.ones(values.shape[1], bool)
    histograms = Histograms.begin(values[:, :kept], counted[:kept], "stratified", indicators)
    part = histograms.empty_part()
    for first in range(kept, values.shape[1], CHUNK):
        chunk = slice(first, first + CHUNK)
        histograms.fold(part.add(values[:, chunk], counted[chunk], first))
    histograms.merge(part)
    if closed:
        histograms.close_span()
    return histograms


def with_histograms(ds: xr.Dataset, scenario: Scenario, kept: int) -> xr.Dataset:
    """The first `kept` draws of a Dataset, and histograms of all."""
    layout = layout_of(len(scenario.labs), len(scenario.landlords))
    declared = {**layout.inputs, **layout.outputs}
    varying = [v for v in declared.values() if v.name in ds and "draw" in ds[v.name].dims]
    store = np.concatenate(
        [np.moveaxis(ds[v.name].values, 0, -1).reshape(v.columns.size, -1) for v in varying]
    )
    ends = np.cumsum([0, *(v.columns.size for v in varying)])
    columns = {
        v.name: np.arange(end - v.columns.size, end).reshape(v.columns.shape)
        for v, end in zip(varying, ends[1:], strict=True)
    }
    fixed = {str(name): v.values for name, v in ds.data_vars.items() if "draw" not in v.dims}
    indicators = indicator_set(
        columns,
        fixed,
        [lab.id for lab in scenario.labs],
        scenario.settings.named_labs,
        scenario.settings.thresholds_gw,
    )
    histograms = histograms_of(store, kept, indicators=indicators)
    data = {**variables(histograms, varying), **replicate_moments(store, varying)}
    return ds.isel(draw=slice(kept)).drop_vars("replicate_count", errors="ignore").assign(data)


def columns_with_histograms(values: np.ndarray, kept: int) -> xr.Dataset:
    """A Dataset of x [column, draw]: `kept` draws, and histograms of all."""
    variable = Variable("x", "x", Output("1", "X"), ("column",), np.arange(len(values)))
    histograms = histograms_of(values, kept)
    data = {**variables(histograms, [variable]), **replicate_moments(values, [variable])}
    data["x"] = ("draw", "column"), values[:, :kept].T, {"units": "1", "long_name": "X"}
    return xr.Dataset(data, attrs={"draws": values.shape[1], "sampler": "stratified"})


def replicate_moments(store: np.ndarray, varying: list[Variable]) -> dict[str, Any]:
    """Moments by replicate of draws [column, draw], as variables of a Dataset."""
    replicate = replicate_of(np.arange(store.shape[1]), "stratified")
    parts = [store[:, replicate == r] for r in range(32)]
    count = [part.shape[1] for part in parts]
    data: dict[str, Any] = {"replicate_count": ("replicate", count)}
    begin = 0
    for variable in varying:
        rows = slice(begin, begin + variable.columns.size)
        begin = rows.stop
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            mean = np.array([part[rows].sum(axis=1) / np.array(part.shape[1]) for part in parts])
            m2 = [
                ((p[rows] - m[:, None]) ** 2).sum(axis=1) for p, m in zip(parts, mean, strict=True)
            ]
        attributes = {"units": variable.declaration.unit, "long_name": variable.name}
        for suffix, values in ((REPLICATE_MEAN, mean), (REPLICATE_M2, np.array(m2))):
            shaped = values.reshape(32, *variable.columns.shape)
            data[variable.name + suffix] = ("replicate", *variable.dims), shaped, attributes
    return data
