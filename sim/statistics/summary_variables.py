"""The variables of a summary: statistics of one output, each with its standard error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.catalogue import OUTPUTS, probability_dims
from sim.model.outputs import PROBABILITIES
from sim.statistics import estimators
from sim.statistics.datasets import (
    HAPPENS,
    RELATIONS,
    REPLICATE_M2,
    REPLICATE_MEAN,
    VALID,
    indicators,
    last,
)
from sim.statistics.estimators import (
    flattened,
    probability_with_error,
    quantiles_with_error,
    sd_with_error,
    tail_means_with_error,
)
from sim.statistics.histogram_estimators import HistogramEstimator, share_with_error
from sim.statistics.replicates import (
    Replicates,
    full_replicates_of,
    mean_of_replicates,
    sampler_of,
    weighted_sum,
)

Array = NDArray[np.float64]
Pair = tuple[Array, Array]  # values and their standard errors
Variables = Iterator[tuple[str, Any]]  # name, and (dims, values, attributes)
Levels = tuple[Sequence[float], Sequence[float], Sequence[float]]  # quantiles, tails, at_least


def _pooled_last(
    values: NDArray[Any], named: Iterable[str], dims: Sequence[str]
) -> tuple[NDArray[Any], list[str], int]:
    """Move the pooled dims of draws [..., draw] next to `draw`; `named` are the other dims.

    Returns:
        The draws, the dims that are left, and how many are pooled.
    """
    names = list(named)
    left = [dim for dim in names if dim not in dims]
    pooled = [dim for dim in names if dim in dims]
    order = [names.index(dim) for dim in (*left, *pooled)]
    return values.transpose(*order, len(names)), left, len(pooled)


def with_error(
    name: str,
    dims: Sequence[str],
    value: Any,
    error: Any,
    about: Mapping[str, str],
    output: str | None = None,
    statistic: str = "expression",
) -> Variables:
    """Two variables of a summary: a statistic, and `<name>_error`, its standard error.

    Both say in their attributes of which output and statistic they are; the value names its error
    as `ancillary_variables`, as the CF conventions have it.
    """
    of = {"output": output or name, "statistic": statistic}
    error_name = f"{name}_error"
    yield name, (tuple(dims), value, {**about, **of, "ancillary_variables": error_name})
    long_name = f"Monte Carlo standard error of: {about['long_name']}"
    yield error_name, (tuple(dims), error, {**about, **of, "long_name": long_name})


def _statistic(
    output: str,
    statistic: str,
    dims: Sequence[str],
    value: Array,
    error: Array,
    about: Mapping[str, str],
) -> Variables:
    """`with_error` of a statistic of an output, named `<output>_<statistic>`."""
    return with_error(f"{output}_{statistic}", dims, value, error, about, output, statistic)


class _DrawsEstimator:
    """Statistics of draws [..., pooled dims, draw] that are in memory; as `HistogramEstimator`."""

    def __init__(self, draws: Array, replicates: Replicates, pooled: int) -> None:
        self.draws, self.replicates, self.pooled = draws, replicates, pooled

    @cached_property
    def ordered(self) -> Array:
        """The draws, sorted; NaN where one of them is, which has no place among others."""
        ordered = np.sort(flattened(self.draws, self.pooled), axis=-1)
        ordered[np.isnan(ordered[..., -1])] = math.nan
        return np.asarray(ordered)

    def quantiles_with_error(self, levels: Sequence[float]) -> Pair:
        return quantiles_with_error(self.ordered, self.draws, self.replicates, levels, self.pooled)

    def tail_means_with_error(self, levels: Sequence[float]) -> Pair:
        return tail_means_with_error(self.ordered, self.draws, self.replicates, levels, self.pooled)

    def probability_with_error(self, relation: str, number: float) -> Pair:
        return self._share(RELATIONS[relation](self.draws, number))

    def finite_with_error(self) -> Pair:
        return self._share(np.isfinite(self.draws))

    def _share(self, happens: NDArray[np.bool_]) -> Pair:
        valid = ~np.isnan(self.draws)
        return probability_with_error(happens, valid, self.replicates, self.pooled)


def statistics_of_draws(
    ds: xr.Dataset, name: str, replicates: Replicates, levels: Levels, pool: Sequence[str]
) -> Variables:
    """Statistics of a variable whose draws are all there; the dims of `pool` are pooled.

    Yields name -> (dims, values, attributes), for each statistic and its error.
    """
    variable = ds.variables[name]
    about = _about(name, variable.attrs)
    named = [str(dim) for dim in variable.dims if dim != "draw"]
    draws, dims, pooled = _pooled_last(last(ds, name), named, pool)
    # One order in memory, so that sums do not depend on where the draws come from.
    draws = np.ascontiguousarray(draws, dtype=np.float64)
    if not _is_unbounded(name):
        value, error = estimators.mean_with_error(draws, replicates, pooled)
        yield from _statistic(name, "mean", dims, value, error, about)
        value, error = sd_with_error(draws, replicates, pooled)
        yield from _statistic(name, "sd", dims, value, error, about)
    estimator = _DrawsEstimator(draws, replicates, pooled)
    flag = variable.dtype == bool
    yield from _order_statistics(name, dims, estimator, levels, about, flag)


def statistics_of_histogram(
    ds: xr.Dataset, name: str, levels: Levels, pool: Sequence[str]
) -> Variables:
    """As `statistics_of_draws`, of all draws that were counted in bins.

    Raises:
        ValueError: If levels are asked for over dims that are pooled.
    """
    about = _about(name, ds.variables[name].attrs if name in ds else {})
    estimator = HistogramEstimator(ds, name)
    pooled = [dim for dim in estimator.dims if dim in pool]
    if not _is_unbounded(name):
        yield from statistics_of_moments(ds, name, pool)
    flag = name in OUTPUTS and OUTPUTS[name].kind == "bool"
    if pooled and not flag and (any(levels) or _is_unbounded(name)):
        raise ValueError(
            f"dims: '{name}' holds {estimator.draws:,} draws in bins, of which no statistics over"
            f" {' and '.join(pooled)} together are known; keep its draws, or ask for fewer"
        )
    yield from _order_statistics(name, estimator.dims, estimator, levels, about, flag)


def _order_statistics(
    name: str,
    dims: Sequence[str],
    estimator: _DrawsEstimator | HistogramEstimator,
    levels: Levels,
    about: Mapping[str, str],
    flag: bool,
) -> Variables:
    """Probabilities, quantiles and tail means of an output; none of them of a `flag`."""
    quantiles, tails, at_least = levels
    unbounded = _is_unbounded(name)
    if unbounded and OUTPUTS[name].may_be_infinite:
        finite = {"units": "1", "long_name": f"P(finite): {about['long_name']}"}
        yield from _statistic(name, "finite", dims, *estimator.finite_with_error(), finite)
    if flag:
        return
    if len(at_least):
        pairs = [estimator.probability_with_error(">=", level) for level in at_least]
        value, error = (np.stack(part) for part in zip(*pairs, strict=True))
        exceeds = {"units": "1", "long_name": f"P(at least this level): {about['long_name']}"}
        yield from _statistic(name, "exceedance", ["at_least", *dims], value, error, exceeds)
    needed = list(dict.fromkeys([*quantiles, *tails]))  # by default the tails are among them
    if not needed:
        return
    value, error = estimator.quantiles_with_error(needed)
    for statistic, dim, at in (("quantile", "quantile", quantiles), ("var", "tail", tails)):
        chosen = [needed.index(level) for level in at]
        if chosen:
            yield from _statistic(
                name, statistic, [dim, *dims], value[chosen], error[chosen], about
            )
    if not unbounded and len(tails):
        value, error = estimator.tail_means_with_error(tails)
        yield from _statistic(name, "cvar", ["tail", *dims], value, error, about)


def _is_unbounded(name: str) -> bool:
    return name in OUTPUTS and OUTPUTS[name].unbounded


def _about(name: str, attributes: Mapping[Any, Any]) -> dict[str, str]:
    """Unit and meaning of a variable; its name where it says no meaning."""
    defaults = {"units": "", "long_name": name}
    return {key: str(attributes.get(key) or default) for key, default in defaults.items()}


def statistics_of_probability(
    ds: xr.Dataset, name: str, replicates: Replicates, pool: Sequence[str]
) -> Variables:
    """A declared probability and its error, from draws or their counts; yields as above."""
    about = {"units": "1", "long_name": PROBABILITIES[name].meaning}
    if name + HAPPENS in ds:
        yield from _counted_probability(ds, name, pool, about)
        return
    happens, valid = indicators(ds, [name])[name]
    happens, left, pooled = _pooled_last(happens, probability_dims(name), pool)
    valid = _pooled_last(valid, probability_dims(name), pool)[0]
    value, error = probability_with_error(happens, valid, replicates, pooled)
    yield from with_error(name, left, value, error, about, name, "probability")


def _counted_probability(
    ds: xr.Dataset, name: str, pool: Sequence[str], about: dict[str, str]
) -> Variables:
    """A declared probability whose events were counted in all draws, by replicate."""
    variable = ds.variables[name + HAPPENS]
    named = [str(dim) for dim in variable.dims if dim != "replicate"]
    happens, valid = (
        ds.variables[name + suffix].transpose(*named, "replicate") for suffix in (HAPPENS, VALID)
    )
    pooled = [dim for dim in named if dim in pool]
    each = math.prod(ds.sizes[dim] for dim in pooled)
    events, known = (counts.sum(pooled).values for counts in (happens, valid))
    full, count = full_replicates_of(ds), ds.variables["replicate_count"].values
    replicates = Replicates(count[full], int(count.sum()), sampler_of(ds))
    value, error = share_with_error(
        events[..., full], known[..., full], events.sum(axis=-1), known.sum(axis=-1), replicates,
        each=each,
    )  # fmt: skip
    left = [dim for dim in named if dim not in pool]
    yield from with_error(name, left, value, error, about, name, "probability")


def statistics_of_moments(ds: xr.Dataset, name: str, pool: Sequence[str]) -> Variables:
    """Mean and sd of a variable from its moments by replicate, and their errors.

    Yields as `statistics_of_draws`; dims of `pool` are pooled as if their values were draws.
    """
    variable = ds.variables[name + REPLICATE_MEAN]
    means, m2 = variable.values, ds.variables[name + REPLICATE_M2].values
    if name in OUTPUTS:
        about = {"units": OUTPUTS[name].unit, "long_name": OUTPUTS[name].meaning}
    else:
        about = {key: str(variable.attrs[key]) for key in ("units", "long_name")}
    count, full = ds.variables["replicate_count"].values, full_replicates_of(ds)
    axes = tuple(i for i, dim in enumerate(variable.dims) if dim in pool)
    dims = [str(dim) for i, dim in enumerate(variable.dims) if i and i not in axes]
    shape = (-1,) + (1,) * len(dims)
    values = count  # in each replicate
    with np.errstate(invalid="ignore", divide="ignore"):
        if axes:
            together = means.mean(axis=axes, keepdims=True)
            within = count.reshape(-1, *(1,) * (means.ndim - 1)) * (means - together) ** 2
            m2 = (m2 + within).sum(axis=axes)
            values = count * math.prod(means.shape[axis] for axis in axes)
            means = together.squeeze(axes)
        mean, error = mean_of_replicates(means, count, full, sampler_of(ds))
        n = int(values.sum())
        between = weighted_sum(values, (means - mean) ** 2)
        sd = np.full(mean.shape, math.nan)
        if n > 1:
            sd = np.sqrt((m2.sum(axis=0) + between) / (n - 1))
        squares = m2[full] / values[full].reshape(shape) + (means[full] - mean) ** 2
        replicates = Replicates(values[full], n, sampler_of(ds))
        sd_error = estimators.sd_error(sd, np.moveaxis(squares, 0, -1), replicates)
    yield from _statistic(name, "mean", dims, mean, error, about)
    yield from _statistic(name, "sd", dims, sd, sd_error, about)
