"""Checks of an installation and its speed, in parts.

Nothing here needs the tests of a checkout: the checks are published answers, closed forms, and
results that must be bit-identical for any threads and chunks. Speed is reported, not asserted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from sim.parameters.scenario import Scenario
from sim.selftest import closed_forms, known_answers, same_bits, speed, whole_model
from sim.selftest.check import Check as Check

Part = Callable[[], Iterator[Check]]


def parts(scenario: Scenario | None) -> dict[str, Part]:
    """All parts by title; without a scenario those that need no model."""
    of_model = {} if scenario is None else {"The model": partial(whole_model.checks, scenario)}
    return {
        "Known answers (W: worked examples of model.md)": known_answers.checks,
        "Closed forms, within four Monte Carlo standard errors": closed_forms.checks,
        "Bit-identical results, by fingerprint": partial(same_bits.checks, scenario),
        **of_model,
        "Speed (reported, not asserted)": partial(speed.checks, scenario),
    }


def run_part(part: Part) -> list[Check]:
    """The checks of a part.

    An error that it raises is a check that failed.
    """
    checks: list[Check] = []
    try:
        checks.extend(part())
    except Exception as error:  # such as an instruction that this machine lacks
        checks.append(Check("could not be done", f"{type(error).__name__}: {error}", "", False))
    return checks
