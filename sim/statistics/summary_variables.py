"""Variables of a summary: statistics of an output with standard errors."""

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
    share_with_error,
    tail_means_with_error,
)
from sim.statistics.histogram_estimators import HistogramEstimator
from sim.statistics.moments import (
    mean_of_moments,
    mean_of_replicates,
    replicates_of_moments,
    weighted_sum,
)
from sim.statistics.replicates import Replicates, sampler_of
from sim.statistics.tails import WORST, WORST_SHARE, worst_share

Array = NDArray[np.float64]
Pair = tuple[Array, Array]  # values and their standard errors
Variables = Iterator[tuple[str, Any]]  # name, and (dims, values, attributes)
Levels = tuple[Sequence[float], Sequence[float], Sequence[float]]  # quantiles, tails, at_least


def _pooled_last(
    values: NDArray[Any], dims: Iterable[str], pool: Sequence[str]
) -> tuple[NDArray[Any], list[str], int]:
    """Move the dims to pool next to `draw`, the last dim.

    `dims` are the dims of `values` without `draw`.

    Returns:
        The draws [..., pooled dims, draw], the dims that remain, and the number of pooled dims.
    """
    names = list(dims)
    remaining = [dim for dim in names if dim not in pool]
    pooled = [dim for dim in names if dim in pool]
    order = [names.index(dim) for dim in (*remaining, *pooled)]
    return values.transpose(*order, len(names)), remaining, len(pooled)


def with_error(
    name: str,
    dims: Sequence[str],
    value: Any,
    error: Any,
    attrs: Mapping[str, str],
    output: str | None = None,
    statistic: str = "expression",
) -> Variables:
    """Yield a statistic and its standard error `<name>_error` as variables.

    The attributes of both name their output and statistic; those of the statistic name its error
    as `ancillary_variables` (CF conventions).
    """
    identity = {"output": output or name, "statistic": statistic}
    error_name = f"{name}_error"
    yield name, (tuple(dims), value, {**attrs, **identity, "ancillary_variables": error_name})
    long_name = f"Monte Carlo standard error of: {attrs['long_name']}"
    yield error_name, (tuple(dims), error, {**attrs, **identity, "long_name": long_name})


def _statistic(
    output: str,
    statistic: str,
    dims: Sequence[str],
    value: Array,
    error: Array,
    attrs: Mapping[str, str],
    worst: Array | None = None,
) -> Variables:
    """Yield `<output>_<statistic>` and its error, see `with_error`.

    `worst` is the share of the worst draws in it (`tails.worst_share`), where that is known.
    """
    name = f"{output}_{statistic}"
    yield from with_error(name, dims, value, error, attrs, output, statistic)
    if worst is not None:
        long_name = f"Share of the worst {WORST:.2%} of draws in: {attrs['long_name']}"
        identity = {"output": output, "statistic": statistic}
        yield (
            name + WORST_SHARE,
            (tuple(dims), worst, {"units": "1", **identity, "long_name": long_name}),
        )


class _DrawsEstimator:
    """Statistics of draws [..., pooled dims, draw]; same methods as `HistogramEstimator`."""

    def __init__(self, draws: Array, replicates: Replicates, pooled: int) -> None:
        self.draws, self.replicates, self.pooled = draws, replicates, pooled

    @cached_property
    def ordered(self) -> Array:
        """The draws [..., value] sorted; all NaN where one is NaN."""
        ordered = np.sort(flattened(self.draws, self.pooled), axis=-1)
        ordered[np.isnan(ordered[..., -1])] = math.nan
        return np.asarray(ordered)

    def worst_share(self, power: int = 1, tail: float | None = None) -> Array:
        middle = self.ordered[..., self.ordered.shape[-1] // 2]
        return worst_share(self.ordered, middle, power, tail)

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
    """Statistics of a variable from its draws.

    The dims of `pool` are pooled with `draw`.

    Yields pairs of a name and (dims, values, attributes), for each statistic and its error.
    """
    variable = ds.variables[name]
    attrs = _attrs(name, variable.attrs)
    all_dims = [str(dim) for dim in variable.dims if dim != "draw"]
    draws, dims, pooled = _pooled_last(last(ds, name), all_dims, pool)
    # One order in memory, so that sums do not depend on the source of the draws.
    draws = np.ascontiguousarray(draws, dtype=np.float64)
    estimator = _DrawsEstimator(draws, replicates, pooled)
    flag = variable.dtype == bool
    if not _is_unbounded(name):
        shares = (None, None) if flag else (estimator.worst_share(1), estimator.worst_share(2))
        value, error = estimators.mean_with_error(draws, replicates, pooled)
        yield from _statistic(name, "mean", dims, value, error, attrs, shares[0])
        value, error = sd_with_error(draws, replicates, pooled)
        yield from _statistic(name, "sd", dims, value, error, attrs, shares[1])
    yield from _order_statistics(name, dims, estimator, levels, attrs, flag)


def statistics_of_histogram(
    ds: xr.Dataset, name: str, levels: Levels, pool: Sequence[str]
) -> Variables:
    """Statistics of a variable from its histograms; yields as `statistics_of_draws`.

    Raises:
        ValueError: For quantiles, tails or levels over pooled dims.
    """
    attrs = _attrs(name, ds.variables[name].attrs if name in ds else {})
    estimator = HistogramEstimator(ds, name)
    pooled = [dim for dim in estimator.dims if dim in pool]
    flag = name in OUTPUTS and OUTPUTS[name].kind == "bool"
    if not _is_unbounded(name):
        shares: tuple[Array | None, Array | None] = (None, None)
        if not flag and not pooled:
            shares = (estimator.worst_share(1), estimator.worst_share(2))
        yield from statistics_of_moments(ds, name, pool, shares)
    if pooled and not flag and (any(levels) or _is_unbounded(name)):
        raise ValueError(
            f"dims: '{name}' holds {estimator.draws:,} draws in bins, of which no statistics over"
            f" {' and '.join(pooled)} together are known; keep its draws, or ask for fewer"
        )
    yield from _order_statistics(name, estimator.dims, estimator, levels, attrs, flag)


def _order_statistics(
    name: str,
    dims: Sequence[str],
    estimator: _DrawsEstimator | HistogramEstimator,
    levels: Levels,
    attrs: Mapping[str, str],
    flag: bool,
) -> Variables:
    """Probabilities, quantiles and tail means; none of a Boolean `flag`.

    Yields as `statistics_of_draws`; value at risk repeats the quantiles at which tails begin.
    """
    quantiles, tails, at_least = levels
    unbounded = _is_unbounded(name)
    if unbounded and OUTPUTS[name].may_be_infinite:
        finite = {"units": "1", "long_name": f"P(finite): {attrs['long_name']}"}
        yield from _statistic(name, "finite", dims, *estimator.finite_with_error(), finite)
    if flag:
        return
    if len(at_least):
        pairs = [estimator.probability_with_error(">=", level) for level in at_least]
        value, error = (np.stack(part) for part in zip(*pairs, strict=True))
        exceeds = {"units": "1", "long_name": f"P(at least this level): {attrs['long_name']}"}
        yield from _statistic(name, "exceedance", ["at_least", *dims], value, error, exceeds)
    needed = list(dict.fromkeys([*quantiles, *tails]))  # the default tails are among the quantiles
    if not needed:
        return
    value, error = estimator.quantiles_with_error(needed)
    for statistic, dim, chosen_levels in (
        ("quantile", "quantile", quantiles),
        ("var", "tail", tails),
    ):
        chosen = [needed.index(level) for level in chosen_levels]
        if chosen:
            yield from _statistic(
                name, statistic, [dim, *dims], value[chosen], error[chosen], attrs
            )
    if not unbounded and len(tails):
        value, error = estimator.tail_means_with_error(tails)
        worst = np.stack([estimator.worst_share(1, level) for level in tails])
        yield from _statistic(name, "cvar", ["tail", *dims], value, error, attrs, worst)


def _is_unbounded(name: str) -> bool:
    return name in OUTPUTS and OUTPUTS[name].unbounded


def _attrs(name: str, attributes: Mapping[Any, Any]) -> dict[str, str]:
    """Attributes `units` and `long_name`, the name where that is missing."""
    defaults = {"units": "", "long_name": name}
    return {key: str(attributes.get(key) or default) for key, default in defaults.items()}


def statistics_of_probability(
    ds: xr.Dataset, name: str, replicates: Replicates, pool: Sequence[str]
) -> Variables:
    """A declared probability and its error, from draws or counts.

    Yields as `statistics_of_draws`.
    """
    attrs = {"units": "1", "long_name": PROBABILITIES[name].meaning}
    if name + HAPPENS in ds:
        yield from _counted_probability(ds, name, pool, attrs)
        return
    happens, valid = indicators(ds, [name])[name]
    happens, dims, pooled = _pooled_last(happens, probability_dims(name), pool)
    valid = _pooled_last(valid, probability_dims(name), pool)[0]
    value, error = probability_with_error(happens, valid, replicates, pooled)
    yield from with_error(name, dims, value, error, attrs, name, "probability")


def _counted_probability(
    ds: xr.Dataset, name: str, pool: Sequence[str], attrs: dict[str, str]
) -> Variables:
    """A declared probability and its error, from counts by replicate.

    Yields as `statistics_of_draws`.
    """
    variable = ds.variables[name + HAPPENS]
    all_dims = [str(dim) for dim in variable.dims if dim != "replicate"]
    happens, valid = (
        ds.variables[name + suffix].transpose(*all_dims, "replicate") for suffix in (HAPPENS, VALID)
    )
    pooled = [dim for dim in all_dims if dim in pool]
    events, known = (counts.sum(pooled).values for counts in (happens, valid))
    replicates, held = replicates_of_moments(ds)
    value, error = share_with_error(
        events[..., held], known[..., held], replicates,
        values_per_draw=math.prod(ds.sizes[dim] for dim in pooled),
    )  # fmt: skip
    dims = [dim for dim in all_dims if dim not in pool]
    yield from with_error(name, dims, value, error, attrs, name, "probability")


def statistics_of_moments(
    ds: xr.Dataset,
    name: str,
    pool: Sequence[str],
    shares: tuple[Array | None, Array | None] = (None, None),
) -> Variables:
    """Mean and sd of a variable with errors, from moments by replicate.

    Yields as `statistics_of_draws`; values along the dims of `pool` are treated as draws. `shares`
    are those of the worst draws in mean and sd.
    """
    variable = ds.variables[name + REPLICATE_MEAN]
    means, m2 = variable.values, ds.variables[name + REPLICATE_M2].values
    if name in OUTPUTS:
        attrs = {"units": OUTPUTS[name].unit, "long_name": OUTPUTS[name].meaning}
    else:
        attrs = {key: str(variable.attrs[key]) for key in ("units", "long_name")}
    held = replicates_of_moments(ds)[1]
    count = ds.variables["replicate_count"].values[held]
    means, m2 = means[held], m2[held]
    axes = tuple(i for i, dim in enumerate(variable.dims) if dim in pool)
    dims = [str(dim) for i, dim in enumerate(variable.dims) if i and i not in axes]
    shape = (-1,) + (1,) * len(dims)
    values = count  # number of values in each replicate
    mean, error = mean_of_moments(ds, name)
    with np.errstate(invalid="ignore", divide="ignore"):
        if axes:
            pooled_means = means.mean(axis=axes, keepdims=True)
            within = count.reshape(-1, *(1,) * (means.ndim - 1)) * (means - pooled_means) ** 2
            m2 = (m2 + within).sum(axis=axes)
            values = count * math.prod(means.shape[axis] for axis in axes)
            means = pooled_means.squeeze(axes)
            mean, error = mean_of_replicates(
                ds.variables[name + REPLICATE_MEAN].values.mean(axis=axes), ds
            )
        n = int(values.sum())
        between = weighted_sum(values, (means - mean) ** 2)
        sd = np.full(mean.shape, math.nan)
        if n > 1:
            sd = np.sqrt((m2.sum(axis=0) + between) / (n - 1))
        squares = m2 / values.reshape(shape) + (means - mean) ** 2
        replicates = Replicates(values, sampler_of(ds))
        sd_error = estimators.sd_error(sd, np.moveaxis(squares, 0, -1), replicates)
    yield from _statistic(name, "mean", dims, mean, error, attrs, shares[0])
    yield from _statistic(name, "sd", dims, sd, sd_error, attrs, shares[1])
