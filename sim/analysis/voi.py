"""What knowing more is worth to a decision: perfect information, inputs, sources, measurements.

The value of perfect information is the mean of the best payoff of each draw, less the best mean
payoff. That of an input is the same with conditional means given the input in place of payoffs
(`analysis.conditional_means`); of a planned measurement, given what is measured with its error
(Strong, Oakley, Brennan and Breeze 2015, "Estimating the expected value of sample information").
An input that depends on others tells of them, too: values of inputs do not add up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.analysis.decisions import (
    read_decision,
    read_studies,
)
from sim.analysis.first_order import first_order
from sim.analysis.learnt import by_source, draw_learnt, read_groups
from sim.analysis.valuation import Valuation
from sim.common.errors import Fault, InputError, Location
from sim.common.threads import with_one_blas_thread
from sim.expressions.names import Names
from sim.expressions.studies import Study
from sim.expressions.tree import Tree
from sim.simulation.origin import origin_error
from sim.simulation.redraw import redraw
from sim.simulation.scores import draw_fresh
from sim.statistics.names import names_of
from sim.statistics.scenarios import is_batch
from sim.statistics.values import names_needed

Array = NDArray[np.float64]
NOISES = 20  # fresh scores, of which the largest value is the noise floor
CLEAR = 2.0  # standard errors above the floor, from which on a value is told apart from noise
FEWEST_DRAWS = 256


@with_one_blas_thread
def voi(
    ds: xr.Dataset,
    payoffs: Mapping[str, str] | None = None,
    *,
    when: str | None = None,
    odds: float | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
    studies: Sequence[str] = (),
    threads: int | None = None,
    progress: Callable[[int], None] = lambda fits: None,
) -> xr.Dataset:
    """Say what knowing more is worth to a decision, in the unit of its payoffs.

    Args:
        ds: What `simulate`, `open_run` or `sample` gives. Variables that were added to it, such as
            a formula of inputs, may stand in payoffs.
        payoffs: A value (`lab_paid_margin[openai]@2026Q4`) by the name of each choice. One alone
            stands beside doing nothing, which pays 0.
        when: In their place an event to bet on: the bet pays 1 if it happens, and costs `odds`.
            The event of the hurdle where there is neither.
        odds: The price of the bet; 0.5 unless given.
        groups: Names of groups, each with keys or patterns of the inputs that are learnt together.
        studies: Planned measurements, `VALUE +- sd`.
        threads: All processors unless given; changes no number.
        progress: Called with the number of fits done since the last call.

    Returns:
        A Dataset. `payoff` [choice] is the mean of each choice, `best_in` [choice] the share of
        draws in which it is best; `evpi` the value of perfect information. `evppi` [input] is that
        of each input and common factor, `evppi_of_source` [source_id] of all inputs of a source
        together, `evppi_of_group` [group], `evsi` [study] of a measurement. `moves` [input] (1) is
        by how much knowing the input usually moves the probability of `attrs["event"]`. Each has an
        `..._error`, a Monte Carlo standard error. `noise_floor` is the largest value of 20 scores
        that are in no model; `above_noise` [input], `above_noise_of_source` and so on say that a
        value is above it by two standard errors. Coordinates are `kind`, `source` and `grade` of
        inputs; `inputs` and `group_inputs` count the inputs of sources and groups.

    Raises:
        InputError: For expressions, groups or measurements that do not exist or fit, payoffs whose
            mean need not exist or that differ by the same in every draw, or too few draws.
    """
    if is_batch(ds):
        raise origin_error("a Dataset of several scenarios: take one with of_scenario")
    faults: list[Fault] = []

    def names_for(tree: Tree) -> Names:
        return names_of(ds, [tree])

    decision = read_decision(payoffs, when, odds, names_for, faults)
    planned = read_studies(studies, names_for, faults)
    if faults or decision is None:
        raise InputError(faults)
    if ds.sizes["draw"] < FEWEST_DRAWS:
        message = f"{ds.sizes['draw']:,} are too few: at least {FEWEST_DRAWS} are needed"
        raise InputError([Fault(Location("draws"), "", message)])
    learnt = draw_learnt(ds, threads)
    inputs = [learnt.names[i] for i in learnt.inputs]
    members = read_groups(groups or {}, inputs, faults)
    if faults:
        raise InputError(faults)
    if "parameters" in ds.attrs:
        needed = [*decision.needed, *(study.tree for study in planned)]
        ds = redraw(ds, names_needed(needed), threads)
    valuation = Valuation(ds, decision, learnt, threads, progress)
    return _result(valuation, planned, members)


def _result(
    valuation: Valuation, studies: Sequence[Study], groups: Mapping[str, list[int]]
) -> xr.Dataset:
    """The Dataset of `voi`."""
    learnt, decision = valuation.learnt, valuation.decision
    sources = by_source(learnt)
    index = learnt.inputs
    fresh = draw_fresh(valuation.ds, [f"noise.{i}" for i in range(NOISES)], valuation.threads)
    floor = float(valuation.of_scores(fresh)[:, 0].max())
    alone = valuation.of_scores(learnt.values)
    of_source = valuation.of_sets(sources, alone)
    of_group = valuation.of_sets({n: [index[i] for i in of] for n, of in groups.items()}, alone)
    of_study = valuation.of_scores(valuation.measure(studies))
    data: dict[str, Any] = {"noise_floor": _variable((), floor, decision.unit, "Noise floor")}
    for name, suffix, dim, found, what in (
        ("evppi", "", "input", alone, "Value of knowing the input"),
        (
            "evppi_of_source",
            "_of_source",
            "source_id",
            of_source,
            "Value of knowing its inputs",
        ),
        ("evppi_of_group", "_of_group", "group", of_group, "Value of knowing the group"),
        ("evsi", "_of_study", "study", of_study, "Value of the measurement"),
    ):
        data[name] = _variable((dim,), found[:, 0], decision.unit, what)
        data[f"{name}_error"] = _variable((dim,), found[:, 1], decision.unit, f"{what}: error")
        data[f"above_noise{suffix}"] = ((dim,), is_above(found[:, 0], found[:, 1], floor))
    coords: dict[str, Any] = {
        "input": _labels("input", learnt.names),
        "kind": _labels("input", learnt.kinds),
        "source": _labels("input", learnt.sources),
        "grade": _labels("input", learnt.grades),
        "choice": _labels("choice", decision.choices),
        "text": _labels("choice", decision.texts),
        "source_id": _labels("source_id", sources),
        "inputs": ("source_id", np.array([len(of) for of in sources.values()], int)),
        "source_grade": _labels("source_id", [learnt.grades[of[0]] for of in sources.values()]),
        "group": _labels("group", groups),
        "group_inputs": ("group", np.array([len(of) for of in groups.values()], int)),
        "study": _labels("study", [study.text for study in studies]),
    }
    return xr.Dataset(
        data | _choices(valuation) | _moves(valuation), coords, _attributes(valuation)
    )


def _choices(valuation: Valuation) -> dict[str, Any]:
    """Means of choices, how often each is best, and the value of perfect information."""
    unit = valuation.decision.unit
    means = np.array([valuation.mean(row) for row in valuation.payoffs])
    best = valuation.payoffs.argmax(axis=0)
    shares = np.array(
        [valuation.mean((best == i).astype(float)) for i in range(len(valuation.payoffs))]
    )
    evpi, error = valuation.mean(valuation.perfect)
    what = "Value of perfect information"
    return {
        "payoff": _variable(("choice",), means[:, 0], unit, "Mean payoff"),
        "payoff_error": _variable(("choice",), means[:, 1], unit, "Mean payoff: error"),
        "best_in": _variable(("choice",), shares[:, 0], "1", "Share of draws where it is best"),
        "best_in_error": _variable(("choice",), shares[:, 1], "1", "Share: error"),
        "evpi": _variable((), evpi, unit, what),
        "evpi_error": _variable((), error, unit, f"{what}: error"),
    }


def _moves(valuation: Valuation) -> dict[str, Any]:
    """How much knowing each input moves the probability of the event, and that itself."""
    event = valuation.event().astype(float)
    p, p_error = valuation.mean(event)
    spread = p * (1 - p)
    if spread == 0:
        moves = errors = np.full(len(valuation.learnt.names), math.nan)
    else:
        tells, error = (
            of[:, 0]
            for of in first_order(valuation.learnt.values, event[None], valuation.replicates)
        )
        moves = np.sqrt(np.maximum(tells, 0.0) * spread)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.where(moves > 0, spread * error / (2 * moves), math.nan)
        errors = np.fmin(errors, np.sqrt(spread * error))  # the error of an index of zero
    return {
        "moves": _variable(("input",), moves, "1", "Move of the probability of the event"),
        "moves_error": _variable(("input",), errors, "1", "Move: error"),
        "probability": _variable((), p, "1", "Probability of the event"),
        "probability_error": _variable((), p_error, "1", "Probability: error"),
    }


def _attributes(valuation: Valuation) -> dict[str, Any]:
    decision = valuation.decision
    best = decision.choices[valuation.best]
    return {
        "best": best,
        "event": decision.event_text or f"{best} is best",
        "unit": decision.unit,
        "odds": decision.odds,
        "draws": valuation.ds.sizes["draw"],
        "scenario": str(valuation.ds.attrs.get("scenario", "")),
    }


def is_above(values: Array, errors: Array, floor: float) -> NDArray[np.bool_]:
    """Which values are above the noise floor by two standard errors."""
    with np.errstate(invalid="ignore"):
        return np.asarray(values - CLEAR * np.nan_to_num(errors) > floor)


def _labels(dim: str, labels: Iterable[str]) -> Any:
    return (dim, np.array([*labels], str))


def _variable(dims: tuple[str, ...], values: Any, unit: str, name: str) -> Any:
    return (dims, values, {"long_name": name, "units": unit})
