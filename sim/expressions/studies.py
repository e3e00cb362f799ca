"""A planned measurement: what it measures, and how exactly."""

from __future__ import annotations

from dataclasses import dataclass

from sim.expressions.kinds import EXAMPLES
from sim.expressions.parser import TOLERANCES, Parser
from sim.expressions.percent import refuse_percent
from sim.expressions.tree import ExpressionError, Tree, is_event, is_number, is_statistic

STUDY_EXAMPLE = f"{EXAMPLES['value']} +- 0.5"


@dataclass(frozen=True, slots=True)
class Study:
    """A measurement of a value with a normal error of standard deviation `sd`."""

    text: str
    tree: Tree
    sd: float


def parse_study(text: str) -> Study:
    """Parse a planned measurement, `VALUE +- sd`.

    Names and units are not checked: `sim.expressions.parse.check` does so.

    Raises:
        ExpressionError: For another text, what is no value, or an sd that is not above 0.
    """
    parser = Parser(text)
    tree = parser.sum()
    if not parser.accept(*TOLERANCES):
        parser.end()
        raise ExpressionError(
            f"expected a value and how exactly it is measured: {STUDY_EXAMPLE}; '+- number' is"
            " missing"
        )
    sd = parser.number()
    parser.end()
    if is_statistic(tree) or is_event(tree) or is_number(tree):
        raise ExpressionError(f"a measurement is of a value such as {STUDY_EXAMPLE}, got '{tree}'")
    if sd <= 0:
        raise ExpressionError(f"expected a standard deviation above 0, got {sd:g}")
    refuse_percent(tree, sd)
    return Study(text.strip(), tree, sd)
