"""Statistics over the draws of a Dataset, with Monte Carlo standard errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.text import nearest
from sim.common.threads import map_in_threads
from sim.model.catalogue import OUTPUTS
from sim.statistics import estimators, scenarios
from sim.statistics.columns import DrawnVariables, Kind
from sim.statistics.datasets import (
    BIN_COUNT,
    PRECISION,
    REPLICATE_MEAN,
    available_probabilities,
    has_histogram,
    last,
)
from sim.statistics.draws_estimator import Levels
from sim.statistics.moments import mean_of_moments
from sim.statistics.replicates import replicates_of
from sim.statistics.summary_variables import (
    kind_of,
    statistics_of_draws,
    statistics_of_histogram,
    statistics_of_moments,
    statistics_of_probability,
    variables_of,
)

Array = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.05, 0.95)
OF_DRAWS = ("parameters", "keep", PRECISION)  # attributes by which draws are made again


def summarise(
    ds: xr.Dataset | xr.DataArray,
    names: Sequence[str] | None = None,
    quantiles: Sequence[float] = QUANTILES,
    tails: Sequence[float] = TAILS,
    at_least: Sequence[float] = (),
    dims: Sequence[str] = ("draw",),
    threads: int | None = None,
) -> xr.Dataset:
    """Statistics over the draws of a Dataset, with Monte Carlo standard errors.

    Args:
        ds: What `simulate` gives, or any Dataset or DataArray with a dim `draw`. Its attribute
            `sampler` says how draws depend on one another; without it they are treated as
            independent. Runs of several seeds may be joined along `draw` (`sim help python`).
        names: Variables to summarise. Unless given, every output of the model with draws or
            moments; in a Dataset without any, every variable of floats with a dim `draw`, or of
            other numbers where there are none of floats.
        quantiles: Levels of the `quantile` dim.
        tails: Levels of the `tail` dim. A level below 0.5 is the low tail, of the draws up to that
            quantile; one above it is the high tail, of the draws from that quantile on.
        at_least: Levels of the `at_least` dim, in the units of the variables.
        dims: Dims to pool; `draw` is one of them.
        threads: All processors unless given; changes no number.

    Returns:
        `<name>_mean`, `<name>_sd`, `<name>_quantile`, `<name>_var` (value at risk: the quantile at
        which a tail begins), `<name>_cvar` (the mean of a tail) and, where levels are given,
        `<name>_exceedance` (the probability of at least that level), without the pooled dims. Of
        the model also the "Probabilities" of `sim help model`. For each `..._error`, its standard
        error (NaN where there are too few draws). Outputs of which a run keeps only moments have
        mean and sd. Ratios that are unbounded have no mean, sd and CVaR; they have
        `<name>_finite`, the share of draws in which they are finite, if they may be infinite.
        A draw that is NaN makes every statistic of its variable NaN but for the probabilities,
        which are shares of the other draws. Where the Dataset holds histograms of more draws than
        are kept, statistics are of all of them (`sim.statistics.histogram_estimators` says how
        accurate they are). Of what `simulate_many` gives, all of this with a leading dim
        `scenario`, each scenario's over the draws that count in it.

    Raises:
        TypeError: For what is no Dataset or DataArray.
        KeyError: For a name or a dim that the Dataset does not hold.
        ValueError: For an invalid level, dims without `draw` or with `scenario`, a Dataset without
            draws, a text in place of a list of names, or levels over pooled dims of a histogram.
    """
    ds = _as_dataset(ds)
    _check(ds, names, (quantiles, tails, at_least), dims)
    if scenarios.is_batch(ds):
        parts = {}
        for scenario in ds[scenarios.DIM].values.tolist():
            part = scenarios.of_scenario(ds, scenario)
            parts[scenario] = summarise(part, names, quantiles, tails, at_least, dims, threads)
        return scenarios.concat_scenarios(parts)
    variables = _variables(ds, names, (quantiles, tails, at_least), dims, threads)
    coords = {
        name: c
        for name, c in ds.coords.items()
        if "draw" not in c.dims and "replicate" not in c.dims
    }
    coords |= {"quantile": list(quantiles), "tail": list(tails), "at_least": list(at_least)}
    used = {dim for dims, *_ in variables.values() for dim in dims}
    coords = {n: c for n, c in coords.items() if set(getattr(c, "dims", (n,))) <= used}
    attrs = {name: value for name, value in ds.attrs.items() if name not in OF_DRAWS}
    return xr.Dataset(variables, coords, attrs)


def _variables(
    ds: xr.Dataset,
    names: Sequence[str] | None,
    levels: Levels,
    dims: Sequence[str],
    threads: int | None,
) -> dict[str, Any]:
    """The variables of a summary: name -> (dims, values, attributes).

    Raises:
        KeyError, ValueError: As `summarise`.
    """
    replicates = replicates_of(ds)
    probabilities = available_probabilities(ds)
    drawn: dict[str, Kind] = {}
    others: dict[str, Callable[[], Iterable[tuple[str, Any]]]] = {}
    chosen = _default_names(ds) if names is None else names
    for name in chosen:
        if has_histogram(ds, name):
            others[name] = partial(statistics_of_histogram, ds, name, levels, dims)
        elif name in ds and "draw" in ds.variables[name].dims:
            drawn[name] = kind_of(ds, name)
        elif name + REPLICATE_MEAN in ds:
            others[name] = partial(statistics_of_moments, ds, name, dims)
        elif name not in probabilities:
            known = list(dict.fromkeys([*_default_names(ds), *probabilities, *_numeric_names(ds)]))
            raise KeyError(f"'{name}' has no draws in this Dataset{nearest(name, known)}")
    for name in probabilities:
        if names is None or name in names:
            others[name] = partial(statistics_of_probability, ds, name, replicates, dims)
    columns = DrawnVariables(ds, drawn, dims)
    evaluate = partial(statistics_of_draws, replicates=replicates, levels=levels)
    listed = dict(
        zip(
            others, map_in_threads(lambda task: list(task()), others.values(), threads), strict=True
        )
    )
    for name, statistics in columns.evaluate(evaluate, threads).items():
        own_dims, attrs = columns.columns[name].dims, ds.variables[name].attrs
        listed[name] = list(variables_of(name, own_dims, statistics, levels, attrs))
    order = dict.fromkeys([*chosen, *probabilities])
    return dict(itertools.chain.from_iterable(listed[name] for name in order if name in listed))


def without_value_at_risk(summary: xr.Dataset) -> xr.Dataset:
    """Drop the values at risk of a summary, which repeat its quantiles."""
    variables = summary.variables
    return summary.drop_vars([n for n, v in variables.items() if v.attrs.get("statistic") == "var"])


def _as_dataset(ds: Any) -> xr.Dataset:
    """What is to be summarised as a Dataset, without moments of other draws.

    Raises:
        TypeError: For what is no Dataset or DataArray.
        ValueError: If it has no dim `draw`, or runs were joined with what holds for one of them.
    """
    if isinstance(ds, xr.DataArray):
        ds = ds.to_dataset(name=ds.name or "value", promote_attrs=True)
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"ds: expected a Dataset or DataArray, got {type(ds).__name__}")
    if "replicate_count" not in ds.variables:
        if "draw" not in ds.dims:
            other = next((str(dim) for dim in ds.dims), "")
            hint = f"; rename one, such as ds.rename({other}='draw')" if other else ""
            raise ValueError(f"ds: expected a dim 'draw', got dims {[*map(str, ds.dims)]}{hint}")
        return ds
    counts = ds.variables["replicate_count"]
    if "draw" in counts.dims:
        raise ValueError(
            "ds: moments of each run are repeated for every draw; join runs by xr.concat(runs,"
            " 'draw', data_vars='minimal', coords='minimal', compat='override')"
        )
    if ds.sizes.get("draw", 0) <= int(counts.sum()):
        return ds
    if any(str(name).endswith(BIN_COUNT) for name in ds.data_vars):
        raise ValueError("ds: runs with histograms cannot be joined; ask for fewer draws")
    return ds.drop_dims("replicate")  # moments of the first of several runs


def _check(
    ds: xr.Dataset, names: Sequence[str] | None, levels: Levels, dims: Sequence[str]
) -> None:
    """Check the arguments of `summarise`.

    Raises:
        KeyError: For an unknown dim.
        ValueError: As `summarise`, except for what only statistics of pooled dims show.
    """
    for key, value in (("names", names), ("dims", dims)):
        if isinstance(value, str):
            raise ValueError(f"{key}: expected a list of names, got '{value}'")
    if ds.sizes.get("draw") == 0:
        raise ValueError("ds: expected draws, got none")
    known = [str(dim) for dim in {**ds.sizes, "draw": 0}]  # moments alone have no draws
    for dim in dims:
        if dim not in known:
            raise KeyError(f"'{dim}' is no dim of this Dataset{nearest(dim, known)}")
    if scenarios.is_batch(ds) and scenarios.DIM in dims:
        raise ValueError(f"dims: scenarios are no draws of one another, got {list(dims)}")
    if "draw" not in dims:
        raise ValueError(f"dims: expected 'draw' among them, got {list(dims)}")
    rules: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
        ("quantiles", "levels from 0 to 1", lambda level: 0 <= level <= 1),
        ("tails", "levels between 0 and 1", lambda level: 0 < level < 1),
        ("at_least", "numbers", lambda level: not math.isnan(level)),
    )
    for (key, expected, holds), values in zip(rules, levels, strict=True):
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise ValueError(f"{key}: expected a list of {expected}, got {values!r}")
        for level in values:
            if isinstance(level, bool) or not isinstance(level, Real) or not holds(float(level)):
                raise ValueError(f"{key}: expected {expected}, got {level!r}")


def _default_names(ds: xr.Dataset) -> list[str]:
    """Outputs with draws or moments; without any, other variables with draws."""
    outputs = [
        name
        for name in OUTPUTS
        if (name in ds and "draw" in ds.variables[name].dims) or name + REPLICATE_MEAN in ds
    ]
    return outputs or _numeric_names(ds)


def _numeric_names(ds: xr.Dataset) -> list[str]:
    """Float variables with draws; if there are none, those of other numbers."""
    drawn = {str(name): v.dtype.kind for name, v in ds.data_vars.items() if "draw" in v.dims}
    floats = [name for name, kind in drawn.items() if kind == "f"]
    return floats or [name for name, kind in drawn.items() if kind in "biu"]


def mean_with_error(ds: xr.Dataset, name: str) -> tuple[Array, Array]:
    """Mean [...] of an output and its error, from draws or moments.

    Raises:
        KeyError: If the Dataset holds neither.
    """
    if name + REPLICATE_MEAN in ds:
        return mean_of_moments(ds, name)
    values = np.ascontiguousarray(last(ds, name), dtype=np.float64)
    return estimators.mean_with_error(values, replicates_of(ds))
