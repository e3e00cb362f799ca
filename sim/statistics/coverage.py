"""How many published figures lie inside the 90 % intervals of draws, by the grade of their source.

Nine in ten is what a calibrated interval of 90 % holds. All of them would be too wide, or tuned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.model.catalogue import parse_expression
from sim.model.dims import QUARTERS, YEARS
from sim.parameters import consistency
from sim.parameters.consistency import describe_quantity, find_unknown_labels, write_statement
from sim.parameters.fields import JUDGEMENT
from sim.parameters.scenario import Scenario, Statement
from sim.statistics.expressions import Expression, select_draws

LEVELS = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """A published figure beside the 5 and 95 % quantiles of its quantity.

    `published` is the figure with its source in words, `interval` the numbers that it may stand
    for.
    """

    quantity: str
    published: str
    grade: str
    interval: tuple[float, float]
    p5: float
    p95: float

    @property
    def is_inside(self) -> bool:
        """Whether the figure, as exact as it is written, lies inside p5 to p95."""
        return not consistency.are_apart(self.interval, (self.p5, self.p95))


def variables_of(scenario: Scenario) -> list[str]:
    """The names of the inputs and outputs that published figures need."""
    texts = [
        text
        for statement in scenario.published
        for text in (statement.output, statement.less, statement.times, statement.per)
        if text
    ]
    parsed = [parse_expression(text) for text in texts]
    return list(dict.fromkeys(names[0] for names in parsed if names is not None))


def compare_figures(scenario: Scenario, ds: xr.Dataset) -> list[ComparedFigure]:
    """Every graded figure beside the quantiles of its quantity.

    `ds` has the draws of `variables_of`. Figures of labs or landlords that are not in the run are
    left out, and so are those of quantities that are missing in some draws.
    """
    figures = []
    for statement in scenario.published:
        grade = scenario.sources[statement.source].get("grade", JUDGEMENT)
        if grade == JUDGEMENT or find_unknown_labels(scenario, statement):
            continue
        draws = draws_of(ds, statement)
        if np.isnan(draws).any():
            continue
        p5, p95 = np.quantile(draws, LEVELS)
        figures.append(
            ComparedFigure(
                describe_quantity(statement),
                write_statement(scenario, statement),
                grade,
                consistency.rounding_interval(statement),
                float(p5),
                float(p95),
            )
        )
    return figures


def draws_of(ds: xr.Dataset, statement: Statement) -> NDArray[np.float64]:
    """The draws [draw] of the quantity of a statement; one number where it is fixed."""

    def add_rows(name: str, labels: tuple[str, ...], quarter: str | None) -> NDArray[np.float64]:
        rows: list[tuple[str, ...]] = [(label,) for label in statement.total_of] or [labels]
        draws = [_draws_of_row(ds, name, row, quarter) for row in rows]
        return np.asarray(np.sum(draws, axis=0))

    draws = add_rows(statement.output, statement.labels, statement.quarter)
    for text, combine in (
        (statement.less, np.subtract),
        (statement.times, np.multiply),
        (statement.per, np.divide),
    ):
        parsed = parse_expression(text) if text else None
        if parsed is not None:
            with np.errstate(all="ignore"):
                draws = combine(draws, add_rows(*parsed))
    return draws


def _draws_of_row(
    ds: xr.Dataset, name: str, labels: tuple[str, ...], quarter: str | None
) -> NDArray[np.float64]:
    """The draws of a variable at its labels; a year is the mean of its quarters."""
    quarters = [q for q in QUARTERS if q[:4] == quarter] if quarter in YEARS else [quarter]
    draws = [select_draws(Expression(name, "", name, labels, one), ds) for one in quarters]
    return np.asarray(np.mean(draws, axis=0))


def describe_coverage(figures: Sequence[ComparedFigure]) -> Iterator[str]:
    """A count of the figures inside their intervals, by grade, and a line on each one outside."""
    if not figures:
        return
    inside = [figure for figure in figures if figure.is_inside]
    grades = sorted({figure.grade for figure in figures})
    by_grade = ", ".join(
        f"{grade} {_count(inside, grade)} of {_count(figures, grade)}" for grade in grades
    )
    yield (
        f"{len(inside)} of {len(figures)} published figures lie inside the 90 % interval"
        f" ({by_grade}); a calibrated one holds nine in ten"
    )
    for figure in figures:
        if not figure.is_inside:
            span = f"{figure.p5:.3g} to {figure.p95:.3g}"
            yield f"  outside: {figure.quantity} {figure.published}: {span} here"


def _count(figures: Sequence[ComparedFigure], grade: str) -> int:
    return sum(figure.grade == grade for figure in figures)
