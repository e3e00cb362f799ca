"""Is this installation sound, and how fast is it? What `sim selftest` looks at, part by part.

Nothing here needs the tests of a checkout: answers that others have published, closed forms, and
what must be the same bits whatever the threads and chunks. Speed is told and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from sim.parameters.scenario import Scenario
from sim.selftest import closed_forms, known_answers, same_bits, speed, whole_model
from sim.selftest.check import Check as Check

HistogramPart = Callable[[], Iterator[Check]]


def parts(scenario: Scenario | None) -> dict[str, HistogramPart]:
    """Everything that is looked at, by title; less where there is no scenario to draw."""
    of_model = {} if scenario is None else {"The model": partial(whole_model.checks, scenario)}
    return {
        "Known answers (W: worked examples of model.md)": known_answers.checks,
        "Closed forms, within four Monte Carlo standard errors": closed_forms.checks,
        "Bit-identical results, by fingerprint": partial(same_bits.checks, scenario),
        **of_model,
        "Speed (reported, not asserted)": partial(speed.checks, scenario),
    }


def done(part: HistogramPart) -> list[Check]:
    """The checks of a part; whatever it raises is one that failed."""
    checks: list[Check] = []
    try:
        checks.extend(part())
    except Exception as error:  # a machine that cannot do it is what this is to find
        checks.append(Check("could not be done", f"{type(error).__name__}: {error}", "", False))
    return checks
