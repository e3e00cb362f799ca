"""A decision: what can be chosen, and what each choice pays in every draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.expressions.names import Names
from sim.expressions.parse import check, parse_event, parse_value, unit
from sim.expressions.studies import Study, parse_study
from sim.expressions.tree import ExpressionError, Tree, is_number
from sim.statistics.tails import tail_index
from sim.statistics.values import draw_value

Array = NDArray[np.float64]
DEFAULT_EVENT = "inference_gross_margin@2026Q4 >= hurdle_margin"
EVEN = 0.5  # odds of a bet
NOTHING = "nothing"  # the choice that a single payoff stands beside
BET = "bet"
HEAVIEST = 0.7  # tail index, above which a mean says nothing (Vehtari et al. 2024)


@dataclass(frozen=True)
class Decision:
    """What can be chosen: `choices` by name with the text and tree of what each pays, in `unit`.

    A bet on an event has the tree of the event, and pays 1 if it happens, less `odds`.
    """

    choices: tuple[str, ...]
    texts: tuple[str, ...]
    trees: tuple[Tree, ...]
    unit: str
    event: Tree | None = None
    event_text: str = ""
    odds: float = math.nan

    @property
    def needed(self) -> list[Tree]:
        """The values and events of which draws are needed."""
        return [self.event] if self.event is not None else list(self.trees)


def read_decision(
    payoffs: Mapping[str, str] | None,
    when: str | None,
    odds: float | None,
    names_for: Callable[[Tree], Names],
    faults: list[Fault],
    prefix: str = "",
) -> Decision | None:
    """Read payoffs by name, or a bet on an event; what is wrong is added to the faults.

    Args:
        payoffs: Values by the names of choices; one alone stands beside doing nothing, which
            pays 0.
        when: An event to bet on; that of the hurdle, where there are no payoffs either.
        odds: What a bet costs that pays 1; 0.5 unless given.
        names_for: The names that an expression may use, from its tree.
        faults: To which faults are added.
        prefix: Before the names of arguments, in faults.
    """
    if payoffs:
        for name, given in (("when", when), ("odds", odds)):
            if given is not None:
                message = f"cannot stand beside {prefix}payoff"
                faults.append(Fault(Location(prefix + name), "", message))
        return _read_payoffs(payoffs, names_for, faults, prefix)
    price = EVEN if odds is None else odds
    if not 0 < price < 1:
        message = f"expected the price of a bet that pays 1, between 0 and 1, got {price:g}"
        faults.append(Fault(Location(f"{prefix}odds"), "", message))
    text = when or DEFAULT_EVENT
    with _noting(faults, f"{prefix}when", text):
        event = parse_event(text, None)
        event = check(event, names_for(event))
        pays = f"1 if {text}, less {price:g}"
        return Decision((NOTHING, BET), ("0", pays), (), "1", event, text, price)
    return None


def _read_payoffs(
    payoffs: Mapping[str, str],
    names_for: Callable[[Tree], Names],
    faults: list[Fault],
    prefix: str,
) -> Decision | None:
    """The decision between payoffs of equal units; faults as of `read_decision`."""
    option, trees, units = f"{prefix}payoff", dict[str, Tree](), dict[str, str]()
    for name, text in payoffs.items():
        with _noting(faults, option, f"{name}={text}"):
            tree = parse_value(text, None)
            names = names_for(tree)
            trees[name] = check(tree, names)
            if not is_number(tree):
                units[name] = unit(trees[name], names)
    if len(trees) < len(payoffs):
        return None
    first = next(iter(units), "")
    for name, of in units.items():
        if of != units[first]:
            message = f"is in {of or 'no known unit'}, and {first} in {units[first] or 'none'}"
            faults.append(
                Fault(Location(option), name, f"payoffs have equal units: {name} {message}")
            )
    if len(trees) == 1:
        if NOTHING in trees:
            faults.append(Fault(Location(option), NOTHING, "alone: expected another name"))
        trees, payoffs = {NOTHING: 0.0, **trees}, {NOTHING: "0", **payoffs}
    of_all = units.get(first, "")
    return Decision(tuple(trees), tuple(payoffs.values()), tuple(trees.values()), of_all)


def read_studies(
    texts: Sequence[str],
    names_for: Callable[[Tree], Names],
    faults: list[Fault],
    prefix: str = "",
) -> list[Study]:
    """Read planned measurements, `VALUE +- sd`; faults as of `read_decision`."""
    studies: dict[str, Study] = {}
    for text in texts:
        with _noting(faults, f"{prefix}study", text):
            found = parse_study(text)
            checked = check(found.tree, names_for(found.tree))
            studies[found.text] = Study(found.text, checked, found.sd)
    return list(studies.values())


@contextmanager
def _noting(faults: list[Fault], option: str, text: str) -> Iterator[None]:
    """Add what is wrong with an expression to the faults."""
    try:
        yield
    except ExpressionError as error:
        faults.append(Fault(Location(option), text, str(error)))


def draw_payoffs(decision: Decision, ds: xr.Dataset) -> Array:
    """What each choice pays [choice, draw], in the unit of the decision.

    Raises:
        InputError: For payoffs that are not finite in some draws, whose mean need not exist, or
            that differ by the same in every draw.
    """
    draws = ds.sizes["draw"]
    if decision.event is not None:
        happens = draw_known(decision.event, ds, "when", decision.event_text)
        return np.stack([np.zeros(draws), happens - decision.odds])
    payoffs = np.stack(
        [
            draw_known(tree, ds, "payoff", f"{name}={text}")
            for name, text, tree in zip(
                decision.choices, decision.texts, decision.trees, strict=True
            )
        ]
    )
    faults = []
    for name, text, of in zip(decision.choices, decision.texts, payoffs, strict=True):
        index = tail_index(of)
        if index > HEAVIEST:
            faults.append(Fault(Location("payoff"), f"{name}={text}", _heavy(index)))
    if faults:
        raise InputError(faults)
    return payoffs


def _heavy(index: float) -> str:
    return (
        f"a few draws own its mean, which need not exist (tail index {index:.2f}, above"
        f" {HEAVIEST:g}): take an amount in place of a ratio, such as a margin times the revenue,"
        " or bound it, max(VALUE, number); an event (when) is bounded"
    )


def draw_known(tree: Tree, ds: xr.Dataset, option: str, text: str) -> Array:
    """The draws [draw] of a value, or of an event as 0 and 1.

    Raises:
        InputError: If some are not known or not finite.
    """
    found = draw_value(tree, ds)
    values = np.where(found.known, np.asarray(found.draws, float), np.nan)
    values = np.array(np.broadcast_to(values, (ds.sizes["draw"],)))
    missing = int(np.count_nonzero(~np.isfinite(values)))
    if missing:
        message = f"is not a finite number in {missing:,} of {values.size:,} draws"
        raise InputError([Fault(Location(option), text, message)])
    return values
