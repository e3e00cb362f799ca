"""How many published figures lie inside the 90 % intervals of draws, by the grade of their source.

Nine in ten is what a calibrated interval of 90 % holds. All of them would be too wide, or tuned.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.expressions.parser import split_reference
from sim.model.dims import QUARTERS, YEARS
from sim.parameters import consistency
from sim.parameters.consistency import describe_quantity, find_unknown_labels, write_statement
from sim.parameters.fields import JUDGEMENT
from sim.parameters.scenario import Scenario, Statement

LEVELS = (0.05, 0.95)
# Name -> what has `dims` and `values`: a Dataset, or what the engine's `draw_arrays` returns.
Draws = Mapping[Any, Any]


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
    parsed = [split_reference(text) for text in texts]
    return list(dict.fromkeys(names[0] for names in parsed if names is not None))


def compare_figures(scenario: Scenario, draws: Draws) -> list[ComparedFigure]:
    """Every graded figure beside the quantiles of its quantity.

    `draws` are those of `variables_of`. Figures of labs or landlords that are not in the run are
    left out, and so are those of quantities that are missing in some draws.
    """
    figures = []
    for statement in scenario.published:
        grade = scenario.sources[statement.source].get("grade", JUDGEMENT)
        if grade == JUDGEMENT or find_unknown_labels(scenario, statement):
            continue
        values = draws_of(draws, statement)
        if np.isnan(values).any():
            continue
        p5, p95 = np.quantile(values, LEVELS)
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


def draws_of(draws: Draws, statement: Statement) -> NDArray[np.float64]:
    """The draws [draw] of the quantity of a statement; one number where it is fixed."""

    def add_rows(name: str, labels: tuple[str, ...], quarter: str | None) -> NDArray[np.float64]:
        rows: list[tuple[str, ...]] = [(label,) for label in statement.total_of] or [labels]
        parts = [_draws_of_row(draws, name, row, quarter) for row in rows]
        return np.asarray(np.sum(parts, axis=0))

    values = add_rows(statement.output, statement.labels, statement.quarter)
    for text, combine in (
        (statement.less, np.subtract),
        (statement.times, np.multiply),
        (statement.per, np.divide),
    ):
        parsed = split_reference(text) if text else None
        if parsed is not None:
            with np.errstate(all="ignore"):
                values = combine(values, add_rows(*parsed))
    return values


def _draws_of_row(
    draws: Draws, name: str, labels: tuple[str, ...], quarter: str | None
) -> NDArray[np.float64]:
    """The draws [draw] of a variable at its labels; a year is the mean of its quarters."""
    variable = draws[name]
    known = {dim: list(map(str, draws[dim].values)) for dim in variable.dims if dim != "draw"}
    dims = [dim for dim in known if dim != "quarter"]
    # A lab and a landlord may share a name: then the first dim is the first label's.
    at = next(
        dict(zip(dims, ordered, strict=True))
        for ordered in itertools.permutations(labels)
        if all(label in known[dim] for dim, label in zip(dims, ordered, strict=True))
    )
    quarters = [q for q in QUARTERS if q[:4] == quarter] if quarter in YEARS else [quarter]
    parts = []
    for one in quarters:
        chosen = {**at, "quarter": one}
        index = tuple(
            slice(None) if dim == "draw" else known[dim].index(chosen[dim]) for dim in variable.dims
        )
        parts.append(np.ascontiguousarray(variable.values[index], dtype=np.float64))
    return np.asarray(np.mean(parts, axis=0))


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
