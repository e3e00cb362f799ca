"""Statistics over draws, each with its Monte Carlo standard error.

Errors come from independent replicates (design: 32 interleaved ones; below 1,024 draws every full
block of 32 is one, and below 8 of those no error is given). Where fewer than 10 draws a replicate
lie beyond a quantile or threshold, the pooled order statistics, or for a probability Wilson's
interval, give the error instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.kernels.loops import REPLICATES
from sim.kernels.samplers import BLOCK
from sim.outputs import PROBABILITIES
from sim.results import OUTPUTS, REPLICATE_M2, REPLICATE_MEAN, indicators, last, share

Array = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.05, 0.95)
FEWEST_REPLICATES = 8
FEWEST_BEYOND = 10


def summarise(
    ds: xr.Dataset,
    names: Sequence[str] | None = None,
    quantiles: Sequence[float] = QUANTILES,
    tails: Sequence[float] = TAILS,
) -> xr.Dataset:
    """Mean, sd, quantiles and tail means of every output, and the probabilities.

    Args:
        ds: What `simulate` gives.
        names: Variables to summarise; every output of which draws or moments are there, unless
            given (then inputs may be among them).
        quantiles: Levels of the `quantile` dim.
        tails: Levels of the `tail` dim: below 0.5 the mean of the draws up to that quantile,
            above it of those from it on (CVaR).

    Returns:
        `<name>_mean`, `<name>_sd`, `<name>_quantile`, `<name>_cvar` without the dim `draw`, the
        probabilities of model.md 9.4, and for each `..._error`, its Monte Carlo standard error
        (NaN where there are too few draws to tell). Outputs of which a run keeps only moments
        have mean and sd. Ratios that are unbounded have quantiles alone, and `<name>_finite`, the
        share of draws in which they are finite, if they may be infinite.

    Raises:
        KeyError: For a name that the Dataset does not hold.
    """
    made: dict[str, Any] = {}
    chosen = _chosen(ds) if names is None else list(names)
    for name in chosen:
        if name in PROBABILITIES:
            continue
        if name in ds and "draw" in ds.variables[name].dims:
            made.update(_of_draws(ds, name, quantiles, tails))
        elif name + REPLICATE_MEAN in ds:
            made.update(_of_moments(ds, name))
        else:
            raise KeyError(f"'{name}' has neither draws nor moments in this Dataset")
    for name, (happens, valid) in indicators(ds).items():
        if names is None or name in names:
            about = {"units": "1", "long_name": PROBABILITIES[name].meaning}
            value, error = probability_with_error(happens, valid)
            made.update(_pair(name, PROBABILITIES[name].dims, value, error, about))
    coords = {
        name: c
        for name, c in ds.coords.items()
        if "draw" not in c.dims and "replicate" not in c.dims
    }
    coords |= {"quantile": list(quantiles), "tail": list(tails)}
    used = {dim for dims, *_ in made.values() for dim in dims}
    coords = {n: c for n, c in coords.items() if set(getattr(c, "dims", (n,))) <= used}
    return xr.Dataset(made, coords, ds.attrs)


def _chosen(ds: xr.Dataset) -> list[str]:
    return [
        name
        for name in OUTPUTS
        if (name in ds and "draw" in ds.variables[name].dims) or name + REPLICATE_MEAN in ds
    ]


def _pair(
    name: str, dims: Sequence[str], value: Array, error: Array, about: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    yield name, (tuple(dims), value, about)
    long_name = f"Monte Carlo standard error of: {about['long_name']}"
    yield f"{name}_error", (tuple(dims), error, {"units": about["units"], "long_name": long_name})


def replicated(values: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """Draws [..., draw] cut into replicates [..., replicate, draw], and the share of draws in them.

    Replicate r of draw i is (i div 32) mod 32; below 1,024 draws it is i div 32. Incomplete ends
    are left out, for which the error is scaled by the share.
    """
    n = values.shape[-1]
    tiles = n // (BLOCK * REPLICATES)
    if tiles:
        used = tiles * BLOCK * REPLICATES
        cut = values[..., :used].reshape(*values.shape[:-1], tiles, REPLICATES, BLOCK)
        cut = cut.swapaxes(-3, -2).reshape(*values.shape[:-1], REPLICATES, tiles * BLOCK)
    else:
        blocks = n // BLOCK
        used = blocks * BLOCK
        cut = values[..., :used].reshape(*values.shape[:-1], blocks, BLOCK)
    return cut, used / n


def standard_error(by_replicate: Array, used: float = 1.0) -> Array:
    """Standard error of a statistic from its values in equal replicates [..., replicate]."""
    count = by_replicate.shape[-1]
    if count < FEWEST_REPLICATES:
        return np.full(by_replicate.shape[:-1], math.nan)
    with np.errstate(invalid="ignore"):
        return np.asarray(by_replicate.std(axis=-1, ddof=1) * math.sqrt(used / count))


def _quantiles(ordered: Array, levels: Sequence[float]) -> Array:
    """Quantiles [level, ...] of sorted draws, linear between order statistics, infinities kept."""
    n = ordered.shape[-1]
    found = []
    for level in levels:
        place = level * (n - 1)
        low = math.floor(place)
        weight = place - low
        below, above = ordered[..., low], ordered[..., min(low + 1, n - 1)]
        with np.errstate(invalid="ignore"):
            between = below + weight * (above - below)
        settled = (below == above) | np.isneginf(below)
        found.append(np.where(settled, below, between) if weight else below)
    return np.stack(found)


def _tail_means(ordered: Array, levels: Sequence[float]) -> Array:
    n = ordered.shape[-1]
    found = []
    for level in levels:
        if level <= 0.5:
            found.append(ordered[..., : max(1, math.ceil(level * n))].mean(axis=-1))
        else:
            found.append(ordered[..., min(n - 1, math.floor(level * n)) :].mean(axis=-1))
    return np.stack(found)


def quantiles_with_error(
    ordered: Array, by_replicate: Array, used: float, levels: Sequence[float]
) -> tuple[Array, Array]:
    """Quantiles [level, ...] of sorted draws, and their standard errors."""
    n, replicates = ordered.shape[-1], by_replicate.shape[-2]
    value = _quantiles(ordered, levels)
    error = np.stack(
        [standard_error(_quantiles(by_replicate, [level])[0], used) for level in levels]
    )
    for i, level in enumerate(levels):
        if replicates < FEWEST_REPLICATES:
            continue
        few = n * min(level, 1 - level) < FEWEST_BEYOND * replicates
        # Where some replicates have an infinite quantile, the order statistics tell what is known.
        pooled = np.full(value[i].shape, few) | (np.isnan(error[i]) & ~np.isnan(value[i]))
        if pooled.any():
            spread = math.sqrt(n * level * (1 - level))
            ends = np.clip([level * (n - 1) - spread, level * (n - 1) + spread], 0, n - 1) / max(
                n - 1, 1
            )
            low, high = _quantiles(ordered, list(ends))
            with np.errstate(invalid="ignore"):
                between = np.where(low == high, 0.0, (high - low) / 2)
            error[i] = np.where(pooled, between, error[i])
    return value, error


def probability_with_error(
    happens: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Share of the valid draws [...] in which something happens, and its standard error."""
    value, n = share(happens, valid), valid.sum(axis=-1)
    cut, used = replicated(happens)
    if cut.shape[-2] < FEWEST_REPLICATES:
        return value, np.full(value.shape, math.nan)
    error = standard_error(share(cut, replicated(valid)[0]), used)
    few = n * np.minimum(value, 1 - value) < FEWEST_BEYOND * cut.shape[-2]
    with np.errstate(invalid="ignore", divide="ignore"):
        wilson = np.sqrt(value * (1 - value) / n + 1 / (4.0 * n * n)) / (1 + 1 / n)
    return value, np.where(few, wilson, error)


def _of_draws(
    ds: xr.Dataset, name: str, quantiles: Sequence[float], tails: Sequence[float]
) -> Iterator[tuple[str, Any]]:
    variable = ds.variables[name]
    about = {key: str(variable.attrs.get(key, "")) for key in ("units", "long_name")}
    dims = [str(dim) for dim in variable.dims if dim != "draw"]
    # One order in memory, so that sums do not depend on where the draws come from.
    values = np.ascontiguousarray(last(ds, name), dtype=np.float64)
    cut, used = replicated(values)
    unbounded = name in OUTPUTS and OUTPUTS[name].unbounded
    if not unbounded:
        with np.errstate(invalid="ignore"):
            mean, error = values.mean(axis=-1), standard_error(cut.mean(axis=-1), used)
            sd = np.full(mean.shape, math.nan)
            if values.shape[-1] > 1:
                sd = values.std(axis=-1, ddof=1)
            sd_error = standard_error(cut.std(axis=-1, ddof=1), used)
        yield from _pair(f"{name}_mean", dims, mean, error, about)
        yield from _pair(f"{name}_sd", dims, sd, sd_error, about)
    elif OUTPUTS[name].may_be_infinite:
        share_finite, error = probability_with_error(np.isfinite(values), ~np.isnan(values))
        finite = {"units": "1", "long_name": f"P(finite): {about['long_name']}"}
        yield from _pair(f"{name}_finite", dims, share_finite, error, finite)
    if variable.dtype == bool:
        return
    ordered, by_replicate = np.sort(values, axis=-1), np.sort(cut, axis=-1)
    unknown = np.isnan(ordered[..., -1])  # a draw that is NaN has no place among the others
    ordered[unknown] = math.nan
    by_replicate[unknown] = math.nan
    value, error = quantiles_with_error(ordered, by_replicate, used, quantiles)
    yield from _pair(f"{name}_quantile", ["quantile", *dims], value, error, about)
    if unbounded:
        return
    with np.errstate(invalid="ignore"):
        value = _tail_means(ordered, tails)
        error = np.stack(
            [standard_error(_tail_means(by_replicate, [tail])[0], used) for tail in tails]
        )
    yield from _pair(f"{name}_cvar", ["tail", *dims], value, error, about)


def _weighted_sum(weight: Array, values: Array) -> Array:
    """Sum of weight [replicate] times values [replicate, ...], in an order of its own.

    A product of matrices would sum in an order that depends on where the values stand in memory.
    """
    products = weight.reshape(-1, *(1,) * (values.ndim - 1)) * np.ascontiguousarray(values)
    return np.asarray(products.sum(axis=0))


def mean_of_replicates(means: Array, count: NDArray[np.int64]) -> tuple[Array, Array]:
    """Mean over all draws and its standard error, from the means [replicate, ...] of replicates.

    Their sizes differ by up to a block where the draws fill no whole tile, so they are weighed.
    """
    n = int(count.sum())
    weight = count / n
    value = _weighted_sum(weight, means)
    full = count > 0 if n >= BLOCK * REPLICATES else count == BLOCK
    if full.sum() < FEWEST_REPLICATES:
        return np.asarray(value), np.full(value.shape, math.nan)
    weight = count[full] / count[full].sum()
    deviation = means[full] - _weighted_sum(weight, means[full])
    variance = _weighted_sum(weight**2, deviation**2) * full.sum() / (full.sum() - 1)
    return np.asarray(value), np.sqrt(variance * count[full].sum() / n)


def mean_with_error(ds: xr.Dataset, name: str) -> tuple[Array, Array]:
    """Mean of an output over all draws and its standard error, from its draws or its moments.

    Raises:
        KeyError: If the Dataset holds neither.
    """
    if name + REPLICATE_MEAN in ds:
        means = ds.variables[name + REPLICATE_MEAN].values
        return mean_of_replicates(means, ds["replicate_count"].values)
    values = np.ascontiguousarray(last(ds, name), dtype=np.float64)
    cut, used = replicated(values)
    return values.mean(axis=-1), standard_error(cut.mean(axis=-1), used)


def _of_moments(ds: xr.Dataset, name: str) -> Iterator[tuple[str, Any]]:
    means, m2 = ds.variables[name + REPLICATE_MEAN], ds.variables[name + REPLICATE_M2].values
    output = OUTPUTS[name]
    about = {"units": output.unit, "long_name": output.meaning}
    dims = [str(dim) for dim in means.dims[1:]]
    count = ds["replicate_count"].values
    mean, error = mean_of_replicates(means.values, count)
    yield from _pair(f"{name}_mean", dims, mean, error, about)
    n = int(count.sum())
    between = _weighted_sum(count, (means.values - mean) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = (
            np.sqrt((m2.sum(axis=0) + between) / (n - 1))
            if n > 1
            else np.full(mean.shape, math.nan)
        )
        full = count > 1 if n >= BLOCK * REPLICATES else count == BLOCK
        shape = (-1,) + (1,) * (m2.ndim - 1)
        by_replicate = np.sqrt(m2[full] / (count[full].reshape(shape) - 1))
    yield from _pair(
        f"{name}_sd", dims, sd, standard_error(np.moveaxis(by_replicate, 0, -1)), about
    )


def significant(value: float, digits: int) -> str:
    """A number to so many significant digits, large ones written out."""
    if abs(value) < 10.0**digits:
        return f"{value:.{digits}g}"
    return f"{round(value, digits - 1 - math.floor(math.log10(abs(value)))):.0f}"


def rounded_by(value: float, error: float) -> tuple[str, str]:
    """A value to the digits that its error leaves, and the error to one digit.

    Three significant digits where there is no error to go by; four where the error is nil.
    """
    if not math.isfinite(value):
        return str(value), ""
    if not math.isfinite(error):
        return significant(value, 3), ""
    if error <= abs(value) * 1e-12:
        return significant(value, 4), "0"
    digits = -int(f"{error:.0e}".split("e")[1])
    if digits < 0:
        return f"{round(value, digits):.0f}", f"{round(error, digits):.0f}"
    return f"{value:.{digits}f}", f"{error:.{digits}f}"


def percentage(share: float, error: float, draws: int) -> tuple[str, str]:
    """A share of draws in percent, and its error; `< 3/n` where none shows it, `> 1 - 3/n` if all.

    Three in n, rounded up, is the upper end of a 95 % interval (rule of three).
    """
    if share not in (0.0, 1.0):
        return rounded_by(100 * share, 100 * error)
    bound = min(100.0, 300 / draws)
    digits = -math.floor(math.log10(bound))
    bound = math.ceil(round(bound * 10**digits, 9)) / 10**digits
    sign, limit = ("<", bound) if share == 0.0 else (">", 100 - bound)
    return f"{sign} {limit:.{max(0, digits)}f}", ""
