"""Variables of a summary: statistics of an output with standard errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.catalogue import OUTPUTS, probability_dims
from sim.model.outputs import PROBABILITIES
from sim.statistics import estimators
from sim.statistics.columns import Estimate, Kind, Statistics, pooled_last
from sim.statistics.datasets import (
    HAPPENS,
    REPLICATE_M2,
    REPLICATE_MEAN,
    VALID,
    indicators,
)
from sim.statistics.draws_estimator import DrawsEstimator, Levels
from sim.statistics.estimators import probability_with_error, share_with_error
from sim.statistics.histogram_estimators import HistogramEstimator
from sim.statistics.moments import (
    mean_of_moments,
    mean_of_replicates,
    replicates_of_moments,
    weighted_sum,
)
from sim.statistics.replicates import Replicates, sampler_of
from sim.statistics.tails import WORST, WORST_SHARE

Array = NDArray[np.float64]
Variables = Iterator[tuple[str, Any]]  # name, and (dims, values, attributes)


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


def kind_of(ds: xr.Dataset, name: str) -> Kind:
    """What decides which statistics a variable has.

    Whether it is Boolean, whether it is an unbounded ratio, and whether it may be infinite then.
    """
    flag = name in OUTPUTS and OUTPUTS[name].kind == "bool"
    if name in ds.variables:
        flag = ds.variables[name].dtype == bool
    unbounded = _is_unbounded(name)
    return flag, unbounded, unbounded and OUTPUTS[name].may_be_infinite


def statistics_of_draws(
    draws: Array, pooled: int, kind: Kind, replicates: Replicates, levels: Levels
) -> Statistics:
    """Statistics [..., column] of draws [column, pooled dims, draw], see `variables_of`."""
    flag, unbounded, _ = kind
    estimator = DrawsEstimator(draws, replicates, pooled, levels)
    statistics: Statistics = {}
    if not unbounded:
        shares = (None, None) if flag else (estimator.worst_share(1), estimator.worst_share(2))
        statistics["mean"] = Estimate(*estimator.mean_with_error(), shares[0])
        statistics["sd"] = Estimate(*estimator.sd_with_error(), shares[1])
    return statistics | _order_statistics(estimator, levels, kind)


def statistics_of_histogram(
    ds: xr.Dataset, name: str, levels: Levels, pool: Sequence[str]
) -> Variables:
    """Statistics of a variable from its histograms; yields as `variables_of`.

    Raises:
        ValueError: For quantiles, tails or levels over pooled dims.
    """
    attrs = ds.variables[name].attrs if name in ds else {}
    estimator = HistogramEstimator(ds, name)
    pooled = [dim for dim in estimator.dims if dim in pool]
    kind = flag, unbounded, _ = kind_of(ds, name)
    if not unbounded:
        shares: tuple[Array | None, Array | None] = (None, None)
        if not flag and not pooled:
            shares = (estimator.worst_share(1), estimator.worst_share(2))
        yield from statistics_of_moments(ds, name, pool, shares)
    if pooled and not flag and (any(levels) or unbounded):
        raise ValueError(
            f"dims: '{name}' holds {estimator.draws:,} draws in bins, of which no statistics over"
            f" {' and '.join(pooled)} together are known; keep its draws, or ask for fewer"
        )
    statistics = _order_statistics(estimator, levels, kind)
    yield from variables_of(name, estimator.dims, statistics, levels, attrs)


def _order_statistics(
    estimator: DrawsEstimator | HistogramEstimator, levels: Levels, kind: Kind
) -> Statistics:
    """Probabilities, quantiles and tail means; none but P(finite) of a Boolean.

    Quantiles are those of all levels at which quantiles are asked for or tails begin.
    """
    _, tails, at_least = levels
    flag, unbounded, may_be_infinite = kind
    statistics: Statistics = {}
    if may_be_infinite:
        statistics["finite"] = Estimate(*estimator.finite_with_error())
    if flag:
        return statistics
    if len(at_least):
        pairs = [estimator.probability_with_error(">=", level) for level in at_least]
        stacked = (np.stack(part) for part in zip(*pairs, strict=True))
        statistics["exceedance"] = Estimate(*stacked)
    needed = _quantiles_needed(levels)
    if needed:
        statistics["quantile"] = Estimate(*estimator.quantiles_with_error(needed))
    if not unbounded and len(tails):
        worst = np.stack([estimator.worst_share(1, level) for level in tails])
        statistics["cvar"] = Estimate(*estimator.tail_means_with_error(tails), worst)
    return statistics


def _quantiles_needed(levels: Levels) -> list[float]:
    """The levels of quantiles, then those of tails that are not among them."""
    return list(dict.fromkeys([*levels[0], *levels[1]]))


def variables_of(
    name: str,
    dims: Sequence[str],
    statistics: Statistics,
    levels: Levels,
    attributes: Mapping[Any, Any],
) -> Variables:
    """Variables of statistics of draws or histograms, in the shape of `dims`.

    Value at risk repeats the quantiles at which tails begin.

    Yields pairs of a name and (dims, values, attributes), for each statistic and its error.
    """
    attrs = _attrs(name, attributes)
    meaning = attrs["long_name"]
    needed = _quantiles_needed(levels)
    for statistic, (value, error, worst) in statistics.items():
        if statistic == "quantile":
            for part, dim, chosen_levels in (
                ("quantile", "quantile", levels[0]),
                ("var", "tail", levels[1]),
            ):
                rows = [needed.index(level) for level in chosen_levels]
                if rows:
                    pair = value[rows], error[rows]
                    yield from _statistic(name, part, [dim, *dims], *pair, attrs)
            continue
        lead = {"exceedance": ["at_least"], "cvar": ["tail"]}.get(statistic, [])
        own = attrs
        if statistic in ("finite", "exceedance"):
            event = "finite" if statistic == "finite" else "at least this level"
            own = {"units": "1", "long_name": f"P({event}): {meaning}"}
        yield from _statistic(name, statistic, [*lead, *dims], value, error, own, worst)


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

    Yields as `variables_of`.
    """
    attrs = {"units": "1", "long_name": PROBABILITIES[name].meaning}
    if name + HAPPENS in ds:
        yield from _counted_probability(ds, name, pool, attrs)
        return
    happens, valid = indicators(ds, [name])[name]
    happens, dims, pooled = pooled_last(happens, probability_dims(name), pool)
    valid = pooled_last(valid, probability_dims(name), pool).draws
    value, error = probability_with_error(happens, valid, replicates, pooled)
    yield from with_error(name, dims, value, error, attrs, name, "probability")


def _counted_probability(
    ds: xr.Dataset, name: str, pool: Sequence[str], attrs: dict[str, str]
) -> Variables:
    """A declared probability and its error, from counts by replicate.

    Yields as `variables_of`.
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

    Yields as `variables_of`; values along the dims of `pool` are treated as draws. `shares`
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
