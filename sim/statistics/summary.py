"""Statistics over the draws of a Dataset, each with its Monte Carlo standard error."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.text import nearest
from sim.common.threads import map_in_threads
from sim.model.catalogue import OUTPUTS, probability_dims
from sim.model.outputs import PROBABILITIES
from sim.statistics import estimators, scenarios
from sim.statistics.datasets import (
    HAPPENS,
    REPLICATE_M2,
    REPLICATE_MEAN,
    VALID,
    indicated,
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
from sim.statistics.histogram_estimators import HistogramEstimator, has_histogram, share_with_error
from sim.statistics.replicates import (
    Replicates,
    full_replicates_of,
    mean_of_replicates,
    replicates_of,
    sampler_of,
    weighted_sum,
)

Array = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.05, 0.95)
Levels = tuple[Sequence[float], Sequence[float], Sequence[float]]  # quantiles, tails, at_least


def summarise(
    ds: xr.Dataset,
    names: Sequence[str] | None = None,
    quantiles: Sequence[float] = QUANTILES,
    tails: Sequence[float] = TAILS,
    at_least: Sequence[float] = (),
    dims: Sequence[str] = ("draw",),
    threads: int | None = None,
) -> xr.Dataset:
    """Statistics over the draws of a Dataset, each with its Monte Carlo standard error.

    Args:
        ds: What `simulate` gives, or any Dataset with a dim `draw`. Its attribute `sampler` says
            how draws depend on one another; without it they are taken to be independent.
        names: Variables to summarise. Unless given, every output of the model of which draws or
            moments are there; in a Dataset without any, every float variable with a dim `draw`.
        quantiles: Levels of the `quantile` dim.
        tails: Levels of the `tail` dim. A level below 0.5 is the low tail, of the draws up to that
            quantile; one above it is the high tail, of the draws from that quantile on.
        at_least: Levels of the `at_least` dim, in the units of the variables.
        dims: Dims over whose values together statistics are taken; `draw` is one of them.
        threads: All processors unless given; changes no number.

    Returns:
        `<name>_mean`, `<name>_sd`, `<name>_quantile`, `<name>_var` (value at risk: the quantile at
        which a tail begins), `<name>_cvar` (the mean of a tail) and, where levels are given,
        `<name>_exceedance` (the probability of at least that level), without the pooled dims. Of
        the model also the probabilities of model.md 9.4. For each `..._error`, its standard error
        (NaN where there are too few draws to tell). Outputs of which a run keeps only moments
        have mean and sd. Ratios that are unbounded have no mean, sd and CVaR; they have
        `<name>_finite`, the share of draws in which they are finite, if they may be infinite.
        A draw that is NaN makes every statistic of its variable NaN but for the probabilities,
        which are shares of the other draws. Where the Dataset holds a sketch of more draws than
        are kept, statistics are of all of them (`sim.binned` says how exactly). Of what
        `simulate_many` gives, all of this with a leading dim `scenario`, each scenario's of the
        draws that count there.

    Raises:
        KeyError: For a name or a dim that the Dataset does not hold.
        ValueError: For a level that is none, dims without `draw` or with `scenario`, a Dataset of
            no draws, one name in place of several, or levels over several columns of a sketch
            together.
    """
    _check(ds, names, (quantiles, tails, at_least), dims)
    if scenarios.is_batch(ds):
        each = {name: scenarios.of_scenario(ds, name) for name in ds[scenarios.DIM].values.tolist()}
        return scenarios.concat_scenarios(
            {
                name: summarise(one, names, quantiles, tails, at_least, dims, threads)
                for name, one in each.items()
            }
        )
    replicates = replicates_of(ds)
    probabilities = indicated(ds)
    levels = quantiles, tails, at_least
    tasks: list[Callable[[], Iterable[tuple[str, Any]]]] = []
    for name in _chosen(ds) if names is None else names:
        if has_histogram(ds, name):
            tasks.append(partial(_of_histogram, ds, name, levels, dims))
        elif name in ds and "draw" in ds.variables[name].dims:
            tasks.append(partial(_of_draws, ds, name, replicates, levels, dims))
        elif name + REPLICATE_MEAN in ds:
            tasks.append(partial(_of_moments, ds, name, dims))
        elif name not in probabilities:
            known = list(dict.fromkeys([*_chosen(ds), *probabilities, *_floats(ds)]))
            raise KeyError(f"'{name}' has no draws in this Dataset{nearest(name, known)}")
    for name in probabilities:
        if names is None or name in names:
            tasks.append(partial(_of_probability, ds, name, replicates, dims))
    found = map_in_threads(lambda task: list(task()), tasks, threads)
    made = dict(itertools.chain.from_iterable(found))
    coords = {
        name: c
        for name, c in ds.coords.items()
        if "draw" not in c.dims and "replicate" not in c.dims
    }
    coords |= {"quantile": list(quantiles), "tail": list(tails), "at_least": list(at_least)}
    used = {dim for dims, *_ in made.values() for dim in dims}
    coords = {n: c for n, c in coords.items() if set(getattr(c, "dims", (n,))) <= used}
    return xr.Dataset(made, coords, ds.attrs)


def without_value_at_risk(summary: xr.Dataset) -> xr.Dataset:
    """A summary without the values at risk, which repeat quantiles that it holds."""
    return summary.drop_vars(
        [name for name, v in summary.data_vars.items() if v.attrs.get("statistic") == "var"]
    )


def _check(
    ds: xr.Dataset, names: Sequence[str] | None, levels: Levels, dims: Sequence[str]
) -> None:
    for key, said in (("names", names), ("dims", dims)):
        if isinstance(said, str):
            raise ValueError(f"{key}: expected a list of names, got '{said}'")
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
    for (key, expected, holds), given in zip(rules, levels, strict=True):
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise ValueError(f"{key}: expected a list of {expected}, got {given!r}")
        for level in given:
            if isinstance(level, bool) or not isinstance(level, Real) or not holds(float(level)):
                raise ValueError(f"{key}: expected {expected}, got {level!r}")


def _chosen(ds: xr.Dataset) -> list[str]:
    outputs = [
        name
        for name in OUTPUTS
        if (name in ds and "draw" in ds.variables[name].dims) or name + REPLICATE_MEAN in ds
    ]
    return outputs or _floats(ds)


def _floats(ds: xr.Dataset) -> list[str]:
    return [
        str(name) for name, v in ds.data_vars.items() if "draw" in v.dims and v.dtype.kind == "f"
    ]


def _pooled_last(
    values: NDArray[Any], named: Iterable[str], dims: Sequence[str]
) -> tuple[NDArray[Any], list[str], int]:
    """Draws [..., draw] with the pooled dims moved next to `draw`; the dims left; how many are not.

    `named` are the dims but `draw`.
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
) -> Iterator[tuple[str, Any]]:
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
) -> Iterator[tuple[str, Any]]:
    """`with_error` of a statistic of an output, named `<output>_<statistic>`."""
    return with_error(f"{output}_{statistic}", dims, value, error, about, output, statistic)


def _of_draws(
    ds: xr.Dataset, name: str, replicates: Replicates, levels: Levels, pool: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    variable = ds.variables[name]
    quantiles, tails, at_least = levels
    otherwise = {"units": "", "long_name": name}
    about = {key: str(variable.attrs.get(key) or said) for key, said in otherwise.items()}
    named = [str(dim) for dim in variable.dims if dim != "draw"]
    drawn, dims, pooled = _pooled_last(last(ds, name), named, pool)
    # One order in memory, so that sums do not depend on where the draws come from.
    drawn = np.ascontiguousarray(drawn, dtype=np.float64)
    unbounded = name in OUTPUTS and OUTPUTS[name].unbounded
    if not unbounded:
        value, error = estimators.mean_with_error(drawn, replicates, pooled)
        yield from _statistic(name, "mean", dims, value, error, about)
        value, error = sd_with_error(drawn, replicates, pooled)
        yield from _statistic(name, "sd", dims, value, error, about)
    elif OUTPUTS[name].may_be_infinite:
        finite = np.isfinite(drawn), ~np.isnan(drawn)
        share_finite, error = probability_with_error(*finite, replicates, pooled)
        said = {"units": "1", "long_name": f"P(finite): {about['long_name']}"}
        yield from _statistic(name, "finite", dims, share_finite, error, said)
    if variable.dtype == bool:
        return
    if len(at_least):
        valid = ~np.isnan(drawn)
        found = [
            probability_with_error(drawn >= level, valid, replicates, pooled) for level in at_least
        ]
        value, error = np.stack([v for v, _ in found]), np.stack([e for _, e in found])
        said = {"units": "1", "long_name": f"P(at least so much): {about['long_name']}"}
        yield from _statistic(name, "exceedance", ["at_least", *dims], value, error, said)
    ordered = np.sort(flattened(drawn, pooled), axis=-1)
    ordered[np.isnan(ordered[..., -1])] = math.nan  # a draw that is NaN has no place among others
    needed = list(dict.fromkeys([*quantiles, *tails]))  # by default the tails are among them
    if not needed:
        return
    value, error = quantiles_with_error(ordered, drawn, replicates, needed, pooled)
    for kind, dim, at in (("quantile", "quantile", quantiles), ("var", "tail", tails)):
        chosen = [needed.index(level) for level in at]
        if not chosen:
            continue
        yield from _statistic(name, kind, [dim, *dims], value[chosen], error[chosen], about)
    if not unbounded and len(tails):
        value, error = tail_means_with_error(ordered, drawn, replicates, tails, pooled)
        yield from _statistic(name, "cvar", ["tail", *dims], value, error, about)


def _of_probability(
    ds: xr.Dataset, name: str, replicates: Replicates, pool: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    about = {"units": "1", "long_name": PROBABILITIES[name].meaning}
    if name + HAPPENS in ds:
        yield from _counted(ds, name, pool, about)
        return
    happens, valid = indicators(ds, [name])[name]
    happens, left, pooled = _pooled_last(happens, probability_dims(name), pool)
    valid = _pooled_last(valid, probability_dims(name), pool)[0]
    value, error = probability_with_error(happens, valid, replicates, pooled)
    yield from with_error(name, left, value, error, about, name, "probability")


def _of_histogram(
    ds: xr.Dataset, name: str, levels: Levels, pool: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """The statistics of `_of_draws`, of all draws that a sketch tells of."""
    quantiles, tails, at_least = levels
    attributes = ds.variables[name].attrs if name in ds else {}
    otherwise = {"units": "", "long_name": name}
    about = {key: str(attributes.get(key) or said) for key, said in otherwise.items()}
    binned = HistogramEstimator(ds, name)
    dims = binned.dims
    pooled = [dim for dim in dims if dim in pool]
    unbounded = name in OUTPUTS and OUTPUTS[name].unbounded
    if not unbounded:
        yield from _of_moments(ds, name, pool)
    if name in OUTPUTS and OUTPUTS[name].kind == "bool":
        return
    if pooled and (any(levels) or unbounded):
        raise ValueError(
            f"dims: '{name}' holds {binned.draws:,} draws in bins, of which no statistics over"
            f" {' and '.join(pooled)} together are known; keep its draws, or ask for fewer"
        )
    if unbounded and OUTPUTS[name].may_be_infinite:
        said = {"units": "1", "long_name": f"P(finite): {about['long_name']}"}
        yield from _statistic(name, "finite", dims, *binned.finite_with_error(), said)
    if len(at_least):
        found = [binned.probability_with_error(">=", level) for level in at_least]
        value, error = np.stack([v for v, _ in found]), np.stack([e for _, e in found])
        said = {"units": "1", "long_name": f"P(at least so much): {about['long_name']}"}
        yield from _statistic(name, "exceedance", ["at_least", *dims], value, error, said)
    needed = list(dict.fromkeys([*quantiles, *tails]))
    if not needed:
        return
    value, error = binned.quantiles_with_error(needed)
    for kind, dim, at in (("quantile", "quantile", quantiles), ("var", "tail", tails)):
        chosen = [needed.index(level) for level in at]
        if chosen:
            yield from _statistic(name, kind, [dim, *dims], value[chosen], error[chosen], about)
    if not unbounded and len(tails):
        value, error = binned.tail_means_with_error(tails)
        yield from _statistic(name, "cvar", ["tail", *dims], value, error, about)


def _counted(
    ds: xr.Dataset, name: str, pool: Sequence[str], about: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    """A declared probability, of which a sketch has counted all draws."""
    variable = ds.variables[name + HAPPENS]
    named = [str(dim) for dim in variable.dims if dim != "replicate"]
    happens, valid = (
        ds.variables[name + suffix].transpose(*named, "replicate") for suffix in (HAPPENS, VALID)
    )
    pooled = [dim for dim in named if dim in pool]
    each = math.prod(ds.sizes[dim] for dim in pooled)
    events, known = (counts.sum(pooled).values for counts in (happens, valid))
    full, count = full_replicates_of(ds), ds.variables["replicate_count"].values
    how = Replicates(count[full], int(count.sum()), sampler_of(ds))
    value, error = share_with_error(
        events[..., full], known[..., full], events.sum(axis=-1), known.sum(axis=-1), how, each=each
    )
    left = [dim for dim in named if dim not in pool]
    yield from with_error(name, left, value, error, about, name, "probability")


def mean_with_error(ds: xr.Dataset, name: str) -> tuple[Array, Array]:
    """Mean of an output over all draws and its standard error, from its draws or its moments.

    Raises:
        KeyError: If the Dataset holds neither.
    """
    if name + REPLICATE_MEAN in ds:
        means = ds.variables[name + REPLICATE_MEAN].values
        count = ds.variables["replicate_count"].values
        return mean_of_replicates(means, count, full_replicates_of(ds), sampler_of(ds))
    values = np.ascontiguousarray(last(ds, name), dtype=np.float64)
    return estimators.mean_with_error(values, replicates_of(ds))


def _of_moments(ds: xr.Dataset, name: str, pool: Sequence[str]) -> Iterator[tuple[str, Any]]:
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
        how = Replicates(values[full], n, sampler_of(ds))
        sd_error = estimators.sd_error(sd, np.moveaxis(squares, 0, -1), how)
    yield from _statistic(name, "mean", dims, mean, error, about)
    yield from _statistic(name, "sd", dims, sd, sd_error, about)
