"""Disagreements among published figures, and between them and a scenario.

A figure is as exact as it is written: 7 is anything from 6.5 to 7.5, 1.9 from 1.85 to 1.95, 600
from 595 to 605, and a range is itself. Two figures for one quantity contradict each other where
these intervals do not meet; a total contradicts its parts likewise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sim.common.text import nearest
from sim.expressions.parser import split_reference
from sim.model.catalogue import quantities
from sim.parameters.scenario import Scenario, Statement

# Outputs that are an input at a quarter, so that figures for either are compared.
INPUT_OF = {
    ("gw", "2026Q4"): "gw_2026q4",
    **{("arr", f"2026Q{quarter}"): f"arr_2026q{quarter}_busd" for quarter in (1, 2, 3, 4)},
}
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TotalPart:
    """A part of a total, with a figure for it.

    `source` is "" where the figure is that of the scenario.
    """

    label: str
    number: float
    interval: Interval
    source: str = ""
    is_range: bool = False


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A published figure, and what disagrees with it.

    `kind` is "figures" (with `other`, a second figure), "parts" (a total with its `parts` as
    published), "sum" (a total with its `parts` in the scenario) or "scenario" (a figure with the
    `number` of the scenario).
    """

    kind: str
    statement: Statement
    other: Statement | None = None
    parts: tuple[TotalPart, ...] = ()
    number: float | None = None


def rounding_interval(statement: Statement) -> Interval:
    """The range of a statement, or the numbers that round to it."""
    if statement.low is not None or statement.high is not None:
        low = -math.inf if statement.low is None else statement.low
        return low, math.inf if statement.high is None else statement.high
    assert statement.value is not None  # checked when the file was read
    if statement.value == 0:
        return 0.0, 0.0
    written = Decimal(repr(statement.value)).normalize()
    last, first = int(written.as_tuple().exponent), written.adjusted()
    half = 0.5 * 10.0 ** (first - 1 if last == first >= 1 else last)
    return statement.value - half, statement.value + half


def nominal_value(statement: Statement) -> float:
    """The value of a statement, or the middle of its range.

    A range with one end stands for that end.
    """
    if statement.value is not None:
        return statement.value
    ends = [end for end in (statement.low, statement.high) if end is not None]
    return math.fsum(ends) / len(ends)


def are_apart(first: Interval, second: Interval) -> bool:
    """Whether two intervals do not meet, beyond rounding."""
    low, high = max(first[0], second[0]), min(first[1], second[1])
    return low - high > 1e-9 * max(abs(low), abs(high))


def write_expression(output: str, labels: tuple[str, ...], quarter: str | None) -> str:
    """An expression in one spelling, as an input where it is one."""
    name = INPUT_OF.get((output, quarter or ""))
    suffix = "" if quarter is None or name else f"@{quarter}"
    brackets = f"[{', '.join(labels)}]" if labels else ""
    return f"{name or output}{brackets}{suffix}"


def describe_quantity(statement: Statement) -> str:
    """The quantity of a statement, equal for all statements on it."""
    text = write_expression(statement.output, statement.labels, statement.quarter)
    if statement.less:
        text += f" less {_rewrite_expression(statement.less)}"
    if statement.times:
        text += f" times {_rewrite_expression(statement.times)}"
    if statement.per:
        text += f" per {_rewrite_expression(statement.per)}"
    return f"{text} of {' + '.join(sorted(statement.total_of))}" if statement.total_of else text


def _rewrite_expression(expression: str) -> str:
    """A text that is an expression in one way of writing."""
    parsed = split_reference(expression)
    assert parsed is not None  # checked when the file was read
    return write_expression(*parsed)


def find_median(
    scenario: Scenario, output: str, labels: tuple[str, ...], quarter: str | None
) -> float | None:
    """The scenario's median of an expression, if that is an input."""
    name = INPUT_OF.get((output, quarter or ""), output)
    table = quantities()[name][2]
    entry = scenario.quantities.get(".".join((table, *labels, name)))
    return None if entry is None else entry.distribution.point


def evaluate(scenario: Scenario, statement: Statement) -> float | None:
    """The scenario's number for a statement, in its unit, if any."""

    def sum_medians(expression: tuple[str, tuple[str, ...], str | None] | None) -> float | None:
        assert expression is not None  # checked when the file was read
        output, labels, quarter = expression
        rows: list[tuple[str, ...]] = [(label,) for label in statement.total_of] or [labels]
        medians = [find_median(scenario, output, row, quarter) for row in rows]
        numbers = [median for median in medians if median is not None]
        return math.fsum(numbers) if len(numbers) == len(medians) else None

    number = sum_medians((statement.output, statement.labels, statement.quarter))
    less = sum_medians(split_reference(statement.less)) if statement.less else 0.0
    times = sum_medians(split_reference(statement.times)) if statement.times else 1.0
    per = sum_medians(split_reference(statement.per)) if statement.per else 1.0
    if number is None or less is None or times is None or not per:
        return None
    return (number - less) * times / per


def _find_published_parts(total: Statement, known: Sequence[Statement]) -> tuple[TotalPart, ...]:
    """The parts of a total as published, preferably by its own source.

    Empty where one of them is not published.
    """
    parts = []
    for label in total.total_of:
        quantity = write_expression(total.output, (label,), total.quarter)
        statements = [other for other in known if describe_quantity(other) == quantity]
        if not statements:
            return ()
        closest = max(statements, key=lambda other: _rank_part(other, total))
        parts.append(
            TotalPart(
                label,
                nominal_value(closest),
                rounding_interval(closest),
                closest.source,
                is_range=closest.low is not None and closest.high is not None,
            )
        )
    return tuple(parts)


def _rank_part(part: Statement, total: Statement) -> tuple[bool, bool, str]:
    """Rank a part's figure for a total: same source, not later, recent."""
    date = part.as_of or ""
    return part.source == total.source, date <= (total.as_of or date), date


def _find_scenario_parts(scenario: Scenario, total: Statement) -> tuple[TotalPart, ...]:
    """The parts of a total in the scenario."""
    parts = []
    for label in total.total_of:
        number = find_median(scenario, total.output, (label,), total.quarter)
        if number is not None:
            parts.append(TotalPart(label, number, (number, number)))
    return tuple(parts)


def _add_intervals(parts: Sequence[TotalPart]) -> Interval:
    """The interval of the sum of parts."""
    return math.fsum(part.interval[0] for part in parts), math.fsum(
        part.interval[1] for part in parts
    )


def find_disagreements(scenario: Scenario) -> list[Disagreement]:
    """Every disagreement among published figures, and between them and the scenario."""
    disagreements = []
    known = [s for s in scenario.published if not find_unknown_labels(scenario, s)]
    for i, statement in enumerate(known):
        quantity, interval = describe_quantity(statement), rounding_interval(statement)
        for other in known[i + 1 :]:
            if describe_quantity(other) == quantity and are_apart(
                interval, rounding_interval(other)
            ):
                disagreements.append(Disagreement("figures", statement, other))
        is_plain = not (statement.less or statement.times or statement.per)
        parts = _find_published_parts(statement, known) if is_plain else ()
        if parts and are_apart(interval, _add_intervals(parts)):
            disagreements.append(Disagreement("parts", statement, parts=parts))
        number = evaluate(scenario, statement)
        if number is None or not are_apart(interval, (number, number)):
            continue
        if statement.total_of and is_plain:
            parts = _find_scenario_parts(scenario, statement)
            disagreements.append(Disagreement("sum", statement, parts=parts, number=number))
        else:
            disagreements.append(Disagreement("scenario", statement, number=number))
    return disagreements


def remarks(scenario: Scenario) -> list[str]:
    """A remark on published figures that contradict one another, if any."""
    disputed = {
        describe_quantity(d.statement)
        for d in find_disagreements(scenario)
        if d.kind in ("figures", "parts")
    }
    if not disputed:
        return []
    number = "1 quantity" if len(disputed) == 1 else f"{len(disputed)} quantities"
    return [f"published figures disagree on {number}: sim check lists them"]


def find_unknown_labels(scenario: Scenario, statement: Statement) -> list[str]:
    """Labels of a statement that the scenario's parties lack."""
    known = {
        "lab": {party.id for party in scenario.labs},
        "landlord": {party.id for party in scenario.landlords},
    }

    def find_unknown(output: str, labels: tuple[str, ...]) -> list[str]:
        dims = quantities()[output][1]
        return [label for dim, label in zip(dims, labels, strict=False) if label not in known[dim]]

    unknown = []
    for text in (statement.less, statement.times, statement.per):
        parsed = split_reference(text) if text else None
        if parsed is not None:
            unknown += find_unknown(parsed[0], parsed[1])
    unknown += find_unknown(statement.output, statement.labels)
    dims = quantities()[statement.output][1]
    unknown += [label for label in statement.total_of if label not in known[dims[0]]]
    return list(dict.fromkeys(unknown))


def report(scenario: Scenario) -> Iterator[str]:
    """The disagreements in lines of text, with sources, dates and grades."""
    yield from _report_unknown_labels(scenario)
    disagreements = find_disagreements(scenario)
    disputed = {describe_quantity(d.statement): d for d in disagreements if d.kind == "figures"}
    if disagreements:
        yield "(source, date, grade: A first-party, B research house or press, C secondary)"
    if disputed:
        yield "Published figures that contradict one another:"
    for quantity, disagreement in disputed.items():
        same = [s for s in scenario.published if describe_quantity(s) == quantity]
        yield from _report_figures(scenario, disagreement.statement, same)
    totals = [d for d in disagreements if d.kind in ("parts", "sum")]
    if totals:
        yield "Published totals that their parts do not add up to:"
    for disagreement in totals:
        yield from _report_total(scenario, disagreement, totals)
    departed: dict[str, list[Statement]] = {}
    for disagreement in disagreements:
        quantity = describe_quantity(disagreement.statement)
        if disagreement.kind == "scenario" and quantity not in disputed:
            departed.setdefault(quantity, []).append(disagreement.statement)
    if departed:
        yield "Published figures that this scenario departs from:"
    for same in departed.values():
        yield from _report_figures(scenario, same[0], same)


def _report_unknown_labels(scenario: Scenario) -> Iterator[str]:
    """Notes on published figures left out for want of a party."""
    ids = [party.id for party in (*scenario.labs, *scenario.landlords)]
    unknown = {describe_quantity(s): find_unknown_labels(scenario, s) for s in scenario.published}
    for quantity, labels in unknown.items():
        for label in labels:
            hint = "" if label in ids else nearest(label, ids)
            reason = f"'{label}' is not one of its labs or landlords in this run{hint}"
            yield f"note: published {quantity} is left out: {reason}"


def _report_figures(
    scenario: Scenario, statement: Statement, same: Sequence[Statement]
) -> Iterator[str]:
    """Lines on a quantity: its number here, and all statements by date."""
    number = evaluate(scenario, statement)
    suffix = "" if number is None else f": {number:.4g} here"
    yield f"  {describe_quantity(statement)} [{statement.unit}]{suffix}"
    for other in sorted(same, key=lambda other: other.as_of or ""):
        yield f"    {write_statement(scenario, other)}"


def _report_total(
    scenario: Scenario, disagreement: Disagreement, totals: Sequence[Disagreement]
) -> Iterator[str]:
    """Lines on the parts of a total and their sum.

    Lines on the total itself come first, once in all of `totals`.
    """
    statement = disagreement.statement
    if next(d for d in totals if d.statement is statement) is disagreement:
        yield f"  {describe_quantity(statement)} [{statement.unit}]"
        yield f"    {write_statement(scenario, statement)}"
    total = math.fsum(part.number for part in disagreement.parts)
    origin = "here" if disagreement.kind == "sum" else "as published"
    yield f"    its parts {origin}: {total:.4g}"
    for part in disagreement.parts:
        low, high = part.interval
        span = f" ({low:g} to {high:g})" if part.is_range else ""
        source = f" ({part.source})" if part.source else ""
        yield f"      {part.label} {part.number:.4g}{span}{source}"


def write_statement(scenario: Scenario, statement: Statement) -> str:
    """A statement's number with its source, date and grade."""
    value, low, high = statement.value, statement.low, statement.high
    if value is not None and low is None and high is None:
        number = f"{value:g}"
    elif low is not None and high is not None:
        number = f"{low:g} to {high:g}"
    else:
        number = f"at least {low:g}" if low is not None else f"at most {high:g}"
    source = scenario.sources[statement.source]
    details = [statement.source, statement.as_of or source.get("date"), source.get("grade")]
    return f"{number} ({', '.join(detail for detail in details if detail)})"
