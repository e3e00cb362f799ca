"""Do the published figures agree with one another, and this scenario with them?

A figure is taken to be as exact as it is written: 7 is anything from 6.5 to 7.5, 1.9 from 1.85 to
1.95, 600 from 595 to 605, and a range is what it says. Two figures for one quantity contradict
each other where these intervals do not meet; a total contradicts its parts likewise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sim.common.text import nearest
from sim.model.catalogue import parse_expression, quantities
from sim.parameters.scenario import Scenario, Statement

# Outputs that are an input at a quarter, so that figures for either can be held together.
INPUT_OF = {("gw", "2026Q4"): "gw_2026q4", ("arr", "2026Q4"): "arr_2026q4_busd"}
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class HistogramPart:
    """One member of a total, with what is said of it and by whom ("" for the scenario)."""

    label: str
    number: float
    interval: Interval
    source: str = ""
    is_range: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A quantity on which figures disagree.

    `kind` is "figures" (two statements), "parts" (a total and its parts as published), "sum" (a
    total and its parts in the scenario) or "scenario" (a statement and the scenario's number).
    `other` is the second statement; `parts` and `found` are what stands against the first.
    """

    kind: str
    statement: Statement
    other: Statement | None = None
    parts: tuple[HistogramPart, ...] = ()
    found: float | None = None


def interval(said: Statement) -> Interval:
    """What a statement allows: its range, or its value as exact as it is written."""
    if said.low is not None or said.high is not None:
        low = -math.inf if said.low is None else said.low
        return low, math.inf if said.high is None else said.high
    assert said.value is not None  # checked when the file was read
    if said.value == 0:
        return 0.0, 0.0
    written = Decimal(repr(said.value)).normalize()
    last, first = int(written.as_tuple().exponent), written.adjusted()
    half = 0.5 * 10.0 ** (first - 1 if last == first >= 1 else last)
    return said.value - half, said.value + half


def nominal(said: Statement) -> float:
    """The number of a statement: its value, the middle of its range, or the end that it gives."""
    if said.value is not None:
        return said.value
    ends = [end for end in (said.low, said.high) if end is not None]
    return math.fsum(ends) / len(ends)


def apart(one: Interval, other: Interval) -> bool:
    """Whether two intervals do not meet, beyond rounding."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return low - high > 1e-9 * max(abs(low), abs(high))


def canonical(output: str, labels: tuple[str, ...], quarter: str | None) -> str:
    """The quantity of an expression in one way of writing."""
    name = INPUT_OF.get((output, quarter or ""))
    at = "" if quarter is None or name else f"@{quarter}"
    of = f"[{', '.join(labels)}]" if labels else ""
    return f"{name or output}{of}{at}"


def quantity(said: Statement) -> str:
    """What a statement is about, in words."""
    text = canonical(said.output, said.labels, said.quarter)
    if said.less:
        text += f" less {_canonical(said.less)}"
    if said.per:
        text += f" per {_canonical(said.per)}"
    return f"{text} of {' + '.join(sorted(said.total_of))}" if said.total_of else text


def _canonical(expression: str) -> str:
    parsed = parse_expression(expression)
    assert parsed is not None  # checked when the file was read
    return canonical(*parsed)


def point(
    scenario: Scenario, output: str, labels: tuple[str, ...], quarter: str | None
) -> float | None:
    """The scenario's median of an expression; None where it is no input of it."""
    name = INPUT_OF.get((output, quarter or ""), output)
    table = quantities()[name][2]
    found = scenario.quantities.get(".".join((table, *labels, name)))
    return None if found is None else found.distribution.point


def value(scenario: Scenario, said: Statement) -> float | None:
    """The scenario's number for what a statement is about; None where it has none."""

    def total(expression: tuple[str, tuple[str, ...], str | None] | None) -> float | None:
        assert expression is not None  # checked when the file was read
        output, labels, quarter = expression
        rows: list[tuple[str, ...]] = [(label,) for label in said.total_of] or [labels]
        parts = [point(scenario, output, row, quarter) for row in rows]
        numbers = [part for part in parts if part is not None]
        return math.fsum(numbers) if len(numbers) == len(parts) else None

    found = total((said.output, said.labels, said.quarter))
    less = total(parse_expression(said.less)) if said.less else 0.0
    per = total(parse_expression(said.per)) if said.per else 1.0
    if found is None or less is None or not per:
        return None
    return (found - less) / per


def _published_parts(said: Statement, among: tuple[Statement, ...]) -> tuple[HistogramPart, ...]:
    """The parts of a total as published: by its own source where it says them, else by others."""
    parts = []
    for label in said.total_of:
        exclusive_lock = canonical(said.output, (label,), said.quarter)
        about = [other for other in among if quantity(other) == exclusive_lock]
        if not about:
            return ()
        last = max(about, key=lambda other: _nearness(other, said))
        is_range = last.low is not None and last.high is not None
        parts.append(HistogramPart(label, nominal(last), interval(last), last.source, is_range))
    return tuple(parts)


def _nearness(part: Statement, total: Statement) -> tuple[bool, bool, str]:
    """How well a part's figure goes with a total: of the same source, of its time, late."""
    date = part.as_of or ""
    return part.source == total.source, date <= (total.as_of or date), date


def _parts_here(scenario: Scenario, said: Statement) -> tuple[HistogramPart, ...]:
    """The parts of a total in the scenario."""
    parts = []
    for label in said.total_of:
        number = point(scenario, said.output, (label,), said.quarter)
        if number is not None:
            parts.append(HistogramPart(label, number, (number, number)))
    return tuple(parts)


def _sum(parts: tuple[HistogramPart, ...]) -> Interval:
    return math.fsum(part.interval[0] for part in parts), math.fsum(
        part.interval[1] for part in parts
    )


def findings(scenario: Scenario) -> list[Finding]:
    """Every disagreement, among the published figures and between them and the scenario."""
    found = []
    known = [said for said in scenario.published if not unknown_labels(scenario, said)]
    for i, said in enumerate(known):
        about = quantity(said)
        for other in known[i + 1 :]:
            if quantity(other) == about and apart(interval(said), interval(other)):
                found.append(Finding("figures", said, other))
        parts = _published_parts(said, tuple(known)) if not (said.less or said.per) else ()
        if parts and apart(interval(said), _sum(parts)):
            found.append(Finding("parts", said, parts=parts))
        number = value(scenario, said)
        if number is None or not apart(interval(said), (number, number)):
            continue
        if said.total_of and not (said.less or said.per):
            found.append(Finding("sum", said, parts=_parts_here(scenario, said), found=number))
        else:
            found.append(Finding("scenario", said, found=number))
    return found


def remarks(scenario: Scenario) -> list[str]:
    """A remark on published figures that contradict one another, if there are any."""
    kinds = ("figures", "parts")
    disputed = {quantity(f.statement) for f in findings(scenario) if f.kind in kinds}
    if not disputed:
        return []
    on = "1 quantity" if len(disputed) == 1 else f"{len(disputed)} quantities"
    return [f"published figures disagree on {on}: sim check lists them"]


def unknown_labels(scenario: Scenario, said: Statement) -> list[str]:
    """Labels of a statement that are no lab, or no landlord, of the scenario."""
    known = {
        "lab": {party.id for party in scenario.labs},
        "landlord": {party.id for party in scenario.landlords},
    }
    unknown = []
    for text in (said.less, said.per):
        parsed = parse_expression(text) if text else None
        if parsed is not None:
            unknown += _unknown(known, parsed[0], parsed[1])
    unknown += _unknown(known, said.output, said.labels)
    dims = quantities()[said.output][1]
    unknown += [label for label in said.total_of if label not in known[dims[0]]]
    return list(dict.fromkeys(unknown))


def _unknown(known: dict[str, set[str]], output: str, labels: tuple[str, ...]) -> list[str]:
    dims = quantities()[output][1]
    return [label for dim, label in zip(dims, labels, strict=False) if label not in known[dim]]


def report(scenario: Scenario) -> Iterator[str]:
    """The findings in lines of text, with sources, dates and grades."""
    ids = [party.id for party in (*scenario.labs, *scenario.landlords)]
    left_out = {quantity(said): unknown_labels(scenario, said) for said in scenario.published}
    for about, labels in left_out.items():
        for label in labels:
            hint = "" if label in ids else nearest(label, ids)
            why = f"'{label}' is not one of its labs or landlords in this run{hint}"
            yield f"note: published {about} is left out: {why}"
    found = findings(scenario)
    disputed = {quantity(f.statement): f for f in found if f.kind == "figures"}
    if found:
        yield "(source, date, grade: A first-party, B research house or press, C secondary)"
    if disputed:
        yield "Published figures that contradict one another:"
    for about, finding in disputed.items():
        same = [said for said in scenario.published if quantity(said) == about]
        yield from _figures(scenario, finding.statement, same)
    totals = [finding for finding in found if finding.kind in ("parts", "sum")]
    if totals:
        yield "Published totals that their parts do not add up to:"
    for finding in totals:
        yield from _total(scenario, finding, totals)
    departed: dict[str, list[Statement]] = {}
    for finding in found:
        if finding.kind == "scenario" and quantity(finding.statement) not in disputed:
            departed.setdefault(quantity(finding.statement), []).append(finding.statement)
    if departed:
        yield "Published figures that this scenario departs from:"
    for same in departed.values():
        yield from _figures(scenario, same[0], same)


def _figures(scenario: Scenario, said: Statement, same: list[Statement]) -> Iterator[str]:
    """What is said of one quantity, each figure with its source, and the scenario's number."""
    here = value(scenario, said)
    yield f"  {quantity(said)} [{said.unit}]{'' if here is None else f': {here:.4g} here'}"
    for other in sorted(same, key=lambda other: other.as_of or ""):
        yield f"    {written(scenario, other)}"


def _total(scenario: Scenario, finding: Finding, totals: list[Finding]) -> Iterator[str]:
    """A total, once, and each sum of its parts with the parts."""
    said = finding.statement
    if next(f for f in totals if f.statement is said) is finding:
        yield f"  {quantity(said)} [{said.unit}]"
        yield f"    {written(scenario, said)}"
    total = math.fsum(part.number for part in finding.parts)
    yield f"    its parts {'here' if finding.kind == 'sum' else 'as published'}: {total:.4g}"
    for part in finding.parts:
        low, high = part.interval
        span = f" ({low:g} to {high:g})" if part.is_range else ""
        by = f" ({part.source})" if part.source else ""
        yield f"      {part.label} {part.number:.4g}{span}{by}"


def written(scenario: Scenario, said: Statement) -> str:
    """A statement's number with its source, date and grade."""
    if said.value is not None and said.low is None and said.high is None:
        number = f"{said.value:g}"
    elif said.low is not None and said.high is not None:
        number = f"{said.low:g} to {said.high:g}"
    else:
        number = f"at least {said.low:g}" if said.low is not None else f"at most {said.high:g}"
    source = scenario.sources[said.source]
    details = [said.source, said.as_of or source.get("date"), source.get("grade")]
    return f"{number} ({', '.join(detail for detail in details if detail)})"
