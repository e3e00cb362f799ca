"""Warnings about what a scenario changes of the file that it extends.

An input that loads strongly on a common factor says where that factor stands: who moves its median
has moved the factor, and the other inputs that load on it should follow (model.md 8, "Partners").
A number far from the one that it overrides is often one in another unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real

import numpy as np

from sim.common.errors import InputError
from sim.common.text import in_words
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed
from sim.model.dims import FACTORS
from sim.parameters.describe import sampled_distribution
from sim.parameters.fields import GROUPS
from sim.parameters.loading import PARTY_FOLDERS, load
from sim.parameters.scenario import Scenario

LEADS_FROM = 0.6  # the loading from which a moved input has moved its factor
FOLLOWS_FROM = 0.4  # the loading from which other inputs follow
EXPLAINED = "partners stay"  # what a note says before the reason
FAR = 10.0  # a changed number over the one that it overrides
_ROUNDING = 1e-9  # of loadings


@dataclass(frozen=True, slots=True)
class Move:
    """An input whose median a scenario moved, and with it a common factor.

    `delta` is the move of the factor in its standard deviations, infinite beyond the ends of the
    input's old distribution. `partners` maps the inputs that follow the factor, and were left
    alone, to the medians that they would take. The note of the input is `explained` where it says
    why they stay.
    """

    name: str
    factor: str
    delta: float
    partners: dict[str, float]
    explained: bool


def warnings(scenario: Scenario) -> Iterator[str]:
    """Lines on moved inputs whose partners stay without a word, and on numbers far from before."""
    extended = _load_extended(scenario)
    if extended is None:
        return
    for move in find_moves(scenario, extended):
        if not move.explained:
            yield _describe_move(scenario, move)
    yield from _find_far_numbers(scenario, extended)


def _load_extended(scenario: Scenario) -> Scenario | None:
    """The file that a scenario's own extends; of one that extends none, itself without `--set`.

    None if there is nothing that was changed, or that file has faults, which the scenario mends.
    """
    if not scenario.overrides:
        return None
    index = scenario.files.index(scenario.path)  # after those that it extends
    try:
        return load(scenario.files[max(index - 1, 0)])
    except InputError:
        return None


def find_moves(scenario: Scenario, extended: Scenario) -> list[Move]:
    """The moves of common factors that a scenario makes by inputs that load strongly on them.

    Those are left out of which all partners are moved too, however far.
    """
    points = {name: quantity.distribution.point for name, quantity in scenario.quantities.items()}
    before = extended.quantities
    stay = [n for n, quantity in before.items() if points.get(n) == quantity.distribution.point]
    moves = []
    for name, quantity in before.items():
        if name in stay or name not in points:
            continue
        note = scenario.quantities[name].note or ""
        explained = note != quantity.note and EXPLAINED in note.lower()
        for factor in FACTORS:
            loading = quantity.loads.get(factor, 0.0)
            if abs(loading) < LEADS_FROM - _ROUNDING:
                continue
            distribution = sampled_distribution(extended, quantity)
            if isinstance(distribution, Fixed):
                continue
            delta = _score_of(distribution, points[name]) / loading
            partners = _find_partners(extended, stay, factor, delta)
            if partners:
                moves.append(Move(name, factor, delta, partners, explained))
    return moves


def _find_partners(
    extended: Scenario, stay: list[str], factor: str, delta: float
) -> dict[str, float]:
    """The inputs among `stay` that follow a factor, and their medians after its move."""
    partners = {}
    for name in stay:
        quantity = extended.quantities[name]
        loading = quantity.loads.get(factor, 0.0)
        distribution = sampled_distribution(extended, quantity)
        if abs(loading) >= FOLLOWS_FROM - _ROUNDING and not isinstance(distribution, Fixed):
            with np.errstate(all="ignore"):
                partners[name] = float(distribution.quantile(np.array([loading * delta]))[0])
    return partners


def _score_of(distribution: Distribution, value: float) -> float:
    """The normal score of a value; infinite where no draw lies beyond it."""
    from scipy.special import ndtri_exp

    with np.errstate(all="ignore"):
        log_below, log_above = distribution.log_probabilities_at(np.array([value]))
    lower = float(log_below[0]) < float(log_above[0])
    return float(ndtri_exp(log_below)[0]) if lower else -float(ndtri_exp(log_above)[0])


def _describe_move(scenario: Scenario, move: Move) -> str:
    """A move and the partners that were left alone, in words."""
    head = f"{move.name} moves the factor {move.factor}"
    advice = f"move them, or say '{EXPLAINED}' and why in its note"
    if not math.isfinite(move.delta):
        names = ", ".join(move.partners)
        return f"{head} beyond all draws; partners left alone: {names}: {advice}"
    values = ", ".join(
        f"{name} {scenario.quantities[name].distribution.point:.4g} (would be {value:.4g})"
        for name, value in move.partners.items()
    )
    return f"{head} by {move.delta:+.2f} sd; partners left alone: {values}: {advice}"


def _find_far_numbers(scenario: Scenario, extended: Scenario) -> Iterator[str]:
    """Lines on numbers of inputs and hosts that are far from those that they override.

    A distribution of another form is compared by its median.
    """
    told = set()
    for override in scenario.overrides:
        group, _, rest = override.key.partition(".")
        is_number = group in GROUPS or (group in PARTY_FOLDERS and "." in rest)
        if not is_number or ".loads" in override.key:
            continue
        if _is_far(override.before, override.after):
            told.add(override.key.rpartition(".")[0])
            yield _describe_far(override.key, override.before, override.after)
    for name, quantity in scenario.quantities.items():
        if name in extended.quantities and name not in told:
            points = extended.quantities[name].distribution.point, quantity.distribution.point
            if _is_far(*points):
                yield _describe_far(f"the median of {name}", *points)


def _is_far(before: object, after: object) -> bool:
    """Whether a number is more than ten times another, or less than a tenth of it."""
    if isinstance(before, bool) or isinstance(after, bool):
        return False
    if not isinstance(before, Real) or not isinstance(after, Real):
        return False
    low, high = sorted((abs(float(before)), abs(float(after))))
    return low > 0 and high > FAR * low * (1 + _ROUNDING)


def _describe_far(what: str, before: object, after: object) -> str:
    ratio = float(after) / float(before)  # type: ignore[arg-type]
    return f"{what}: {in_words(before)} -> {in_words(after)} is {ratio:.3g} times the number before"
