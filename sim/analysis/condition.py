"""What follows from a new fact: draws weighted by the likelihood of evidence.

A statistic of weighted draws is self-normalised; its error is from 32 groups of draws, each left
out in turn (`analysis.weighted`). Few draws carry the weight where evidence is sharp or far out:
the effective number of draws says how many (Kish 1965), and below `FEWEST` the answer is refused.
How much an answer follows evidence rather than the prior is shown by likelihoods to the powers 0.8
and 1.25 (Kallioinen et al. 2024). Of common causes and where evidence is rare, draws are moved
towards it first (`analysis.shifted`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.curves import curves_of
from sim.analysis.evidence import log_constant, surprise_of
from sim.analysis.evidence_lines import LEVELS, WEIGHT, On, read_lines, read_measures_of, trees_of
from sim.analysis.measures import Measure
from sim.analysis.sampled import Sampled, draw_numbers, scale_of, unit_of_tree
from sim.analysis.weighted import Sorted, Weighted, Weights, combine, estimate
from sim.common.errors import Fault, InputError, Location
from sim.common.threads import with_one_blas_thread
from sim.expressions.tree import Statistic, Tree
from sim.parameters.evidence import Line
from sim.simulation.redraw import redraw
from sim.statistics.replicates import EVIDENCE, replicates_of
from sim.statistics.values import names_needed

Array = NDArray[np.float64]
FEWEST, FEW = 400, 2_000  # effective draws, below which an answer is refused, or is warned of
POWERS = (0.8, 1.25)
APART = 0.01  # probability of a line given another alone, below which the two disagree


@dataclass(frozen=True)
class Conditioned:
    """What follows from evidence.

    `statistics` has dims `measure`, `line`, `power`, `curve` and `bin`: see `condition`. `dataset`
    are the draws, with their `weight` (sum 1).
    """

    statistics: xr.Dataset
    dataset: xr.Dataset
    lines: tuple[Line, ...]
    measures: tuple[Measure, ...]

    def _repr_html_(self) -> str:
        return str(self.statistics._repr_html_())


@with_one_blas_thread
def condition(
    ds: xr.Dataset,
    on: Sequence[On],
    outputs: Sequence[str] = (),
    *,
    labs: Sequence[str] = (),
    quarters: Sequence[str] = (),
    landlords: Sequence[str] = (),
    threads: int | None = None,
    fewest: float = FEWEST,
    shift: Callable[..., Sampled | None] | None = None,
) -> Conditioned:
    """Weigh draws by evidence, and set statistics of the posterior beside those of the prior.

    Args:
        ds: What `simulate`, `open_run` or `sample` gives; variables may have been added to it.
        on: Evidence: texts such as `gw[openai]@2026Q4 = 2.2 +- 0.2`, the keyword `routes`
            (agreement of the two routes to the margin, equation 8.7), or tables with the keys of
            `[[evidence]]`. Errors of lines are independent of one another.
        outputs: Further statistics; a value alone stands for its 5, 50 and 95 % quantiles.
        labs: Labs of the headline, by id; the named ones unless given.
        quarters: Quarters of the headline; the reference quarter and the last unless given.
        landlords: Landlords whose rows are added.
        threads: All processors unless given; changes no number.
        fewest: Effective draws, below which the answer is refused.
        shift: Draws that are moved towards the evidence, where the effective number is small.

    Returns:
        Statistics, and the draws with their weights. Of each `measure` there are `prior`,
        `posterior` and `change`; `effective_beyond`, the effective draws beyond a quantile;
        `without` [line, measure], the posterior without a line; `scaled` [power, measure]. Of each
        `line` `surprise` (the two-sided prior probability of a figure as far out, of a range or
        bound its probability), `effective_without`, quantiles of its value, and `given` [line,
        other], its surprise once the other line alone is known. `curve_prior` and
        `curve_posterior` are shares by bin. Each has an `..._error`. Attributes: `effective`,
        `largest_weight`, `log_evidence`, `method`, `disagree`.

    Raises:
        InputError: For evidence that cannot be read, is on what is the same in every draw or not
            known in all, or that leaves fewer than `fewest` effective draws.
    """
    lines = read_lines(ds, on)
    measures = read_measures_of(ds, outputs, labs, quarters, landlords, lines)
    trees = trees_of(lines, measures)
    if "parameters" in ds.attrs:
        ds = redraw(ds, names_needed(trees), threads)
    prior = Sampled(
        {tree: Sorted(draw_numbers(tree, ds)) for tree in trees},
        np.zeros(ds.sizes["draw"]),
        replicates_of(ds),
    )
    _check_values(lines, prior)
    sampled = _choose(ds, prior, lines, trees, shift, fewest)
    result = _conclude(prior, sampled, lines, measures)
    result.attrs |= {
        "scenario": str(ds.attrs.get("scenario", "")),
        "evidence": json.dumps([line.text for line in lines]),
        "method": "weights" if sampled is prior else "shifted",
    }
    weights = sampled.weights(sampled.log_likelihoods(lines))
    return Conditioned(
        result, _weighted_draws(ds, sampled, prior, weights, result), lines, measures
    )


def _choose(
    ds: xr.Dataset,
    prior: Sampled,
    lines: Sequence[Line],
    trees: Sequence[Tree],
    shift: Callable[..., Sampled | None] | None,
    fewest: float,
) -> Sampled:
    """The draws that are weighted: those of the prior, or moved ones where they serve better.

    Raises:
        InputError: If too few effective draws are left.
    """
    found, effective = prior, prior.effective(lines)
    if effective < FEW and shift is not None:
        moved = shift(ds, prior, lines, trees)
        if moved is not None and moved.effective(lines) > effective:
            found, effective = moved, moved.effective(lines)
    if effective < fewest:
        raise _too_few(effective, prior, lines, fewest)
    return found


def _too_few(effective: float, prior: Sampled, lines: Sequence[Line], fewest: float) -> InputError:
    """The error that evidence leaves too few draws, with the surprise of each line."""
    draws = prior.log_ratio.size
    equal = np.full(draws, 1 / draws)
    faults = []
    for line in lines:
        values = prior.values[line.value].draws
        surprise, _ = surprise_of(line, values, equal)
        low, high = np.quantile(values, [0.05, 0.95])
        faults.append(
            Fault(
                Location("on"), line.text,
                f"no more than {effective:.3g} of {draws:,} draws are near ({fewest:g} effective"
                f" ones are needed); its surprise is {surprise:.2g}, and the value is {low:.3g} to"
                f" {high:.3g} (p5 to p95) before: take more draws, or a wider error",
            )
        )  # fmt: skip
    return InputError(faults)


def _check_values(lines: Sequence[Line], prior: Sampled) -> None:
    """Refuse evidence on what is not known in all draws, or the same in all.

    Raises:
        InputError: With all of it.
    """
    faults = []
    for line in lines:
        of = prior.values[line.value]
        if not of.all_known:
            unknown = int((~of.known).sum())
            message = f"its value is not known in {unknown:,} of {of.draws.size:,} draws"
            faults.append(Fault(Location("on"), line.text, message))
        elif of.draws.min() == of.draws.max():
            message = "its value is the same in every draw: evidence on it says nothing"
            faults.append(Fault(Location("on"), line.text, message))
    if faults:
        raise InputError(faults)


def _conclude(
    prior: Sampled, sampled: Sampled, lines: Sequence[Line], measures: Sequence[Measure]
) -> xr.Dataset:
    """All statistics of prior and posterior."""
    both = [(of, of.log_likelihoods(lines)) for of in _unique(prior, sampled)]
    before = prior.weights(np.zeros((1, prior.log_ratio.size)))
    after = sampled.weights(both[-1][1])
    n = len(lines)

    def best(rows: NDArray[np.bool_], power: float = 1.0) -> tuple[Sampled, Weights]:
        """The draws that serve best for some lines to a power, with their weights."""
        found = []
        for of, likelihoods in both:
            with np.errstate(invalid="ignore"):
                found.append((of, of.weights(power * likelihoods[rows])))
        return max(found, key=lambda pair: pair[1].effective)

    data: dict[str, Any] = {}

    def add(name: str, dims: tuple[str, ...], rows: Any, text: str, units: str = "") -> None:
        """Add estimates in nested lists as a variable, with one of their errors."""
        values = np.vectorize(lambda of: of.value, otypes=[float])(np.array(rows, object))
        errors = np.vectorize(lambda of: of.error, otypes=[float])(np.array(rows, object))
        attrs = {"long_name": text, **({"units": units} if units else {})}
        data[name] = (dims, values, attrs)
        data[f"{name}_error"] = (dims, errors)

    first = [_estimate(measure, prior, before) for measure in measures]
    second = [_estimate(measure, sampled, after) for measure in measures]
    if sampled is prior:
        change = [b.minus(a) for a, b in zip(first, second, strict=True)]
    else:
        change = [_apart(a, b) for a, b in zip(first, second, strict=True)]
    add("prior", ("measure",), first, "Statistic before")
    add("posterior", ("measure",), second, "Statistic given the evidence")
    add("change", ("measure",), change, "Posterior less prior")
    data["effective_beyond"] = (
        "measure", [of.effective for of in second], {"long_name": "Effective draws beyond it"}
    )  # fmt: skip
    scaled = [best(np.ones(n, bool), power) for power in POWERS]
    add(
        "scaled", ("power", "measure"),
        [[_estimate(measure, *pair) for measure in measures] for pair in scaled],
        "Posterior with the likelihood to a power",
    )  # fmt: skip
    add(
        "effective_scaled", ("power",), [pair[1].effective_draws() for pair in scaled],
        "Effective draws",
    )  # fmt: skip
    others = [best(np.arange(n) != i) for i in range(n)]
    add(
        "without", ("line", "measure"),
        [[_estimate(measure, *pair) for measure in measures] for pair in others],
        "Posterior without a line",
    )  # fmt: skip
    add(
        "effective_without", ("line",), [pair[1].effective_draws() for pair in others],
        "Effective draws without a line",
    )  # fmt: skip
    add("surprise", ("line",), [_surprise(of, prior, before) for of in lines], "Surprise", "1")
    alone = [best(np.arange(n) == i) for i in range(n)]
    given = [[_surprise(line, *pair) for pair in alone] for line in lines]
    add("given", ("line", "other"), given, "Surprise given another line alone", "1")
    quantiles = [[Statistic("quantile", line.value, level) for level in LEVELS] for line in lines]
    for name, of, weights in (("before", prior, before), ("after", sampled, after)):
        add(
            f"value_{name}", ("line", "level"),
            [[estimate(q, of.values[q.of], weights) for q in row] for row in quantiles],
            "Quantiles of the value",
        )  # fmt: skip
    pairs = [
        [i, j]
        for i in range(n)
        for j in range(i + 1, n)
        if max(given[i][j].value, given[j][i].value) < APART
        and max(given[i][j].value, given[j][i].value)
        < min(data["surprise"][1][i], data["surprise"][1][j])
    ]
    curves = curves_of(prior, before, sampled, after, lines, measures)
    effective, evidence = after.effective_draws(), after.log_evidence()
    constant = sum(map(log_constant, lines))
    if sampled is not prior:  # the mean of the weights is over draws of the proposal
        evidence = Weighted(evidence.value, evidence.left_out)
    return xr.Dataset(
        {**data, **curves},
        {
            "measure": [measure.text for measure in measures],
            "label": ("measure", [measure.label or measure.text for measure in measures]),
            "unit": ("measure", [measure.unit for measure in measures]),
            "scale": ("measure", [scale_of(measure.tree) for measure in measures]),
            "line": [line.text for line in lines],
            "other": [line.text for line in lines],
            "family": ("line", [line.family for line in lines]),
            "source": ("line", [line.source for line in lines]),
            "value_unit": ("line", [unit_of_tree(line.value) for line in lines]),
            "value_scale": ("line", [scale_of(line.value) for line in lines]),
            "power": list(POWERS),
            "level": list(LEVELS),
        },
        {
            "draws": sampled.log_ratio.size,
            "draws_before": prior.log_ratio.size,
            "effective": effective.value,
            "effective_error": effective.error,
            "largest_weight": after.largest,
            "log_evidence": evidence.value + constant,
            "log_evidence_error": evidence.error,
            "disagree": json.dumps(pairs),
        },
    )


def _unique(prior: Sampled, sampled: Sampled) -> list[Sampled]:
    return [prior] if sampled is prior else [prior, sampled]


def _apart(first: Weighted, second: Weighted) -> Weighted:
    """The difference of estimates from different draws."""
    hidden = math.hypot(first.error, second.hidden)
    return Weighted(second.value - first.value, second.left_out, hidden)


def _estimate(measure: Measure, of: Sampled, weights: Weights) -> Weighted:
    """A statistic, or what is formed of several, of weighted draws."""
    parts = {s: estimate(s, of.values[s.of], weights) for s in measure.statistics}
    return combine(measure.tree, parts)


def _surprise(line: Line, of: Sampled, weights: Weights) -> Weighted:
    """The surprise of a line under weighted draws."""
    value, each = surprise_of(line, of.values[line.value].draws, weights.values)
    mean = weights.mean(each)
    return Weighted(value, mean.left_out)


def _weighted_draws(
    ds: xr.Dataset, sampled: Sampled, prior: Sampled, weights: Weights, result: xr.Dataset
) -> xr.Dataset:
    """Draws with the variable `weight`: those of a Dataset, or the moved ones of what was asked."""
    attrs = {"long_name": "Weight of the draw given the evidence", "units": "1"}
    if sampled is prior:
        found = ds.assign({WEIGHT: ("draw", weights.values, attrs)})
    else:
        values = {str(tree): ("draw", of.draws) for tree, of in sampled.values.items()}
        found = xr.Dataset({**values, WEIGHT: ("draw", weights.values, attrs)})
        found.attrs["scenario"] = ds.attrs.get("scenario", "")
    found.attrs[EVIDENCE] = result.attrs["evidence"]
    return found
