"""What must be true for an event: boxes of a few inputs, or of the scores behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom, rankdata

from sim.analysis.nearest import Nearest, find_nearest
from sim.analysis.peel import Box, choose, peel
from sim.analysis.targets import target_error
from sim.common.threads import with_one_blas_thread
from sim.expressions.parse import parse_event
from sim.expressions.tree import ExpressionError, Tree
from sim.simulation.origin import run_of
from sim.simulation.redraw import redraw
from sim.simulation.scores import CAUSES, draw_causes, draw_input_scores
from sim.statistics.names import read_in, text_with_ids
from sim.statistics.replicates import Replicates, replicates_of, standard_error
from sim.statistics.values import draw_value, names_needed

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
SETS = ("inputs", "factors")
CANDIDATES = 12  # inputs that tell the event apart best, among which is searched
RESAMPLES, STABLE = 32, 0.8
RESAMPLE_DRAWS = 2_048
BINS = 12  # of a percentile, in the frontier


@dataclass(frozen=True)
class Condition:
    """A bound on an input: `low` and `high` are percentiles in 0 to 1, of 0 and 1 without one.

    `low_value` and `high_value` are in `unit`, NaN without a bound. `returns` is the share of 32
    halves of the draws in which the input has a bound again; `p` is the binomial probability of
    so many hits or more if the bound were of no use.
    """

    name: str
    low: float
    high: float
    low_value: float
    high_value: float
    unit: str
    returns: float
    p: float


@dataclass(frozen=True)
class Frontier:
    """The share of an event over the percentiles of two inputs, and the box on both.

    `share` [bin, bin] and its standard `error` are in bins of equal width, NaN in an empty one;
    `box` are the bounds on both.
    """

    names: tuple[str, str]
    share: Array
    error: Array
    box: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Discovery:
    """A box for an event, from one half of the draws, and how it does in the other.

    `probability` is of the event, `density` its share in the box, `coverage` the share of the event
    that lies in the box, `mass` the box's share of all draws; each is (value, Monte Carlo standard
    error) of held-out draws. `density_fitted` is that of the draws that gave the box. `path`
    holds mass, density and coverage [step, 3] of the peel in held-out draws, and their errors.
    `dropped` are inputs whose bound did not return often enough; `frontier` is over the two inputs
    with a bound that tell the event apart best. `nearest` is the nearest world at which the event
    begins or ends to happen, of inputs.
    """

    event: str
    on: str
    conditions: tuple[Condition, ...]
    probability: tuple[float, float]
    density: tuple[float, float]
    coverage: tuple[float, float]
    mass: tuple[float, float]
    density_fitted: tuple[float, float]
    path: Array
    path_errors: Array
    dropped: tuple[str, ...]
    frontier: Frontier | None
    nearest: Nearest | None
    draws: int
    scenario: str


@with_one_blas_thread
def discover(
    ds: xr.Dataset, when: str, *, on: str = "inputs", conditions: int = 4,
    threads: int | None = None,
) -> Discovery:  # fmt: skip
    """Find the bounds on a few inputs within which an event is frequent.

    Half of the replicates give the box (`analysis.peel`), the other half its density.

    Args:
        ds: What `simulate`, `open_run` or `sample` gives.
        when: The event.
        on: "inputs", percentiles of inputs, or "factors", of the independent common factors.
        conditions: The largest number of inputs with a bound.
        threads: All processors unless given; changes no number.

    Raises:
        InputError: For an unknown event, one that holds in no draw or in all, a Dataset without
            factors, or other arguments.
    """
    for name, message in argument_faults(on, conditions).items():
        raise target_error(name, message)
    ds, event, text, tree = _event(ds, when, threads)
    names, ranks = _ranks(ds, on, threads)
    replicates = replicates_of(ds)
    fitted = _halves(replicates)
    strength = _strength(ranks[:, fitted], event[fitted])
    kept = np.sort(np.argsort(-strength, kind="stable")[:CANDIDATES])
    names, ranks = [names[i] for i in kept], ranks[kept]
    returns = _returns(ranks[:, fitted], event[fitted], conditions)
    path = peel(ranks[:, fitted], event[fitted], conditions)
    box = choose(path, ranks[:, fitted], event[fitted])
    dropped = [i for i in box.restricted if returns[i] <= STABLE]
    for i in dropped:
        box.low[i], box.high[i] = 0.0, 1.0
    found = [_condition(ds, i, names, ranks, box, event, ~fitted, returns) for i in box.restricted]
    pair = sorted(box.restricted, key=lambda i: (-strength[kept[i]], i))
    pair += [i for i in np.argsort(-strength[kept], kind="stable").tolist() if i not in pair]
    frontier = _frontier(names, ranks, event, pair[:2], box) if len(pair) > 1 else None
    steps = [_shares(of.contains(ranks), event, ~fitted, replicates) for of in path]
    held = _shares(box.contains(ranks), event, ~fitted, replicates)
    return Discovery(
        event=text, on=on, conditions=tuple(found),
        probability=_ratio(event, np.ones_like(event), ~fitted, replicates),
        mass=held[0], density=held[1], coverage=held[2],
        density_fitted=_shares(box.contains(ranks), event, fitted, replicates)[1],
        path=np.array([[of[0] for of in step] for step in steps]),
        path_errors=np.array([[of[1] for of in step] for step in steps]),
        dropped=tuple(names[i] for i in dropped), frontier=frontier,
        nearest=find_nearest(ds, tree) if on == "inputs" else None, draws=event.size,
        scenario=str(ds.attrs.get("scenario", "")),
    )  # fmt: skip


def _strength(ranks: Array, event: Flags) -> Array:
    """How well the percentile of each input tells the event apart: the size of its correlation."""
    apart = (ranks - ranks.mean(axis=1, keepdims=True)) @ (event - event.mean())
    return np.asarray(np.abs(apart) / np.maximum(ranks.std(axis=1), 1e-12))


def _frontier(names: list[str], ranks: Array, event: Flags, pair: list[int], box: Box) -> Frontier:
    """The share of the event over the percentiles of two inputs."""
    at = [np.minimum((ranks[i] * BINS).astype(np.int64), BINS - 1) for i in pair]
    cell = at[0] * BINS + at[1]
    count = np.bincount(cell, minlength=BINS * BINS).reshape(BINS, BINS)
    hits = np.bincount(cell, event, BINS * BINS).reshape(BINS, BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / count
        error = np.sqrt(share * (1 - share) / count)
    ends = [(float(box.low[i]), float(box.high[i])) for i in pair]
    return Frontier((names[pair[0]], names[pair[1]]), share, error, (ends[0], ends[1]))


def argument_faults(on: str, conditions: int) -> dict[str, str]:
    """What is wrong with arguments of `discover`, by name."""
    faults = {}
    if on not in SETS:
        faults["on"] = f"expected {' or '.join(SETS)}, got '{on}'"
    if not 1 <= conditions <= CANDIDATES:
        faults["conditions"] = f"expected 1 to {CANDIDATES}, got {conditions}"
    return faults


def _event(ds: xr.Dataset, when: str, threads: int | None) -> tuple[xr.Dataset, Flags, str, Tree]:
    """The Dataset with what the event needs, whether it holds [draw], its text and its tree."""
    try:
        tree = read_in(ds, when, parse_event)
    except ExpressionError as error:
        raise target_error("when", str(error), when) from None
    if "parameters" in ds.attrs:
        ds = redraw(ds, names_needed([tree]), threads)
    found = draw_value(tree, ds)
    event = np.array(np.broadcast_to(found.draws & found.known, (ds.sizes["draw"],)), bool)
    if event.all() or not event.any():
        holds = "every draw" if event.all() else "no draw"
        raise target_error("when", f"holds in {holds}: there is nothing to discover", when)
    return ds, event, text_with_ids(when, tree), tree


def _ranks(ds: xr.Dataset, on: str, threads: int | None) -> tuple[list[str], Array]:
    """Names and percentiles [input, draw] of what is searched."""
    if on == "inputs" and CAUSES not in ds.attrs:
        scores = draw_input_scores(ds, threads)
        scenario, _ = run_of(ds)
        ranks = np.asarray(ndtr(scores.values))
        for i, name in enumerate(scores.names):
            held = scenario.quantities.get(name)
            if held is not None and held.distribution.point_masses.size:
                # Equal values share a percentile.
                values = held.distribution.quantile(scores.values[i])
                ranks[i] = (rankdata(values) - 0.5) / values.size
        return list(scores.names), ranks
    causes = draw_causes(ds, threads)
    if on == "inputs":  # of `sample`: the inputs are variables of the Dataset
        names = [name for name in causes.names if name in ds and ds[name].dims == ("draw",)]
        values = np.array([ds[name].values for name in names], float)
        return names, (rankdata(values, axis=1) - 0.5) / values.shape[1]
    factors = [i for i, name in enumerate(causes.names) if name.startswith("factor.")]
    if not factors:
        raise target_error("on", "these draws have no common factors")
    return [causes.names[i] for i in factors], np.asarray(ndtr(causes.values[factors]))


def _halves(replicates: Replicates) -> Flags:
    """The draws of every other replicate."""
    return np.asarray(replicates.of_draws() % 2 == 0)


def _returns(ranks: Array, event: Flags, conditions: int) -> Array:
    """The share of 32 random subsets of the draws in which each input has a bound."""
    generator = np.random.default_rng(0)
    size, counts = min(RESAMPLE_DRAWS, event.size // 2), np.zeros(len(ranks))
    for _ in range(RESAMPLES):
        at = generator.choice(event.size, size, replace=False)
        if event[at].any():
            box = choose(peel(ranks[:, at], event[at], conditions), ranks[:, at], event[at])
            counts[list(box.restricted)] += 1
    return counts / RESAMPLES


def _ratio(part: Flags, whole: Flags, among: Flags, replicates: Replicates) -> tuple[float, float]:
    """The share of `whole` that is in `part`, of the draws `among`, and its standard error."""
    base = whole & among
    share = float((part & base).sum() / max(base.sum(), 1))
    deviation = np.where(base, part - share, 0.0) / max(base.mean(), 1e-12)
    return share, float(standard_error(replicates.means(deviation), replicates))


def _shares(
    inside: Flags, event: Flags, among: Flags, replicates: Replicates
) -> list[tuple[float, float]]:
    """Mass, density and coverage of a box."""
    everywhere = np.ones_like(event)
    pairs = ((inside, everywhere), (event, inside), (inside, event))
    return [_ratio(part, whole, among, replicates) for part, whole in pairs]


def _condition(
    ds: xr.Dataset, i: int, names: list[str], ranks: Array, box: Box, event: Flags, held: Flags,
    returns: Array,
) -> Condition:  # fmt: skip
    """A bound of a box in the unit of its input, and how sure it is."""
    low, high, name = float(box.low[i]), float(box.high[i]), names[i]
    values, unit = [np.nan, np.nan], "sd"
    bounds = [low if low > 0 else np.nan, high if high < 1 else np.nan]
    if CAUSES in ds.attrs and name in ds:
        unit = str(ds[name].attrs.get("units", "1"))
        values = [np.nan if np.isnan(b) else float(np.quantile(ds[name], b)) for b in bounds]
    elif CAUSES not in ds.attrs and name in (quantities := run_of(ds)[0].quantities):
        unit = quantities[name].field.unit
        law = quantities[name].distribution
        values = [float(law.quantile(np.array([ndtri(b)]))[0]) for b in bounds]
    else:
        values = [float(ndtri(b)) for b in bounds]
    wider = Box(box.low.copy(), box.high.copy())
    wider.low[i], wider.high[i] = 0.0, 1.0
    without, within = wider.contains(ranks) & held, box.contains(ranks) & held
    chance = event[without].mean() if without.any() else 1.0
    p = float(binom.sf(int((event & within).sum()) - 1, int(within.sum()), chance))
    return Condition(name, low, high, values[0], values[1], unit, float(returns[i]), p)
