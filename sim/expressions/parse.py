"""The five kinds of expressions, each read from text by one function.

`names` are those that it may use: of the model whatever its labs unless given, of a scenario
(`Names.of_parties`) or of a Dataset (`statistics.datasets.names_of`). None takes any: names, units
and labels are checked later, by `check`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.expressions.kinds import EXAMPLES, WITH_ARTICLE
from sim.expressions.names import CATALOGUE, Names
from sim.expressions.parser import TOLERANCES, Parser
from sim.expressions.percent import check_fractions, refuse_percent
from sim.expressions.tree import (
    Evidence,
    Expression,
    ExpressionError,
    Operation,
    Reference,
    Statistic,
    Target,
    Tree,
    is_event,
    is_number,
    is_statistic,
    references,
    statistics_of,
)
from sim.expressions.units import Unit, unit_of
from sim.model.catalogue import OUTPUTS, quantities
from sim.model.outputs import PROBABILITIES

_ADVICE = {
    ("event", "value"): "say what it is compared with, by >=, <=, > or <",
    ("event", "statistic"): "an event is true or false in each draw",
    ("value", "event"): "a value is a number in each draw",
    ("value", "statistic"): "a value is a number in each draw, say what the statistic is of",
    ("statistic", "value"): "say which of its statistics, such as mean, sd, p5 or median",
    ("statistic", "event"): "P(...) is its probability",
    ("target", "statistic"): "'= number', or '+- number' with its largest error, is missing",
    ("target", "value"): "a statistic, and '= number' or '+- number', are missing",
    ("evidence", "value"): "'= number +- number' is missing",
    ("evidence", "event"): "how sharp it is, '+- number', is missing",
}


def parse_any(text: str, names: Names | None = CATALOGUE) -> Tree:
    """Parse a value or event.

    Raises:
        ExpressionError: For another text, and for names, labels, quarters and units that do not
            exist or fit.
    """
    tree = _tree(text)
    if is_statistic(tree):
        raise _of_other_kind("value", "statistic", text)
    return tree if names is None else check(tree, names)


def parse_value(text: str, names: Names | None = CATALOGUE) -> Tree:
    """Parse a value, a number in every draw: `gw[openai]@2027Q4 / 2`.

    Raises:
        ExpressionError: As `parse_any`, and for another kind.
    """
    return _of_kind("value", text, names)


def parse_event(text: str, names: Names | None = CATALOGUE) -> Tree:
    """Parse an event, true or false in every draw: `gw[openai]@2027Q4 > 10`.

    Raises:
        ExpressionError: As `parse_value`.
    """
    return _of_kind("event", text, names)


def parse_statistic(text: str, names: Names | None = CATALOGUE) -> Expression:
    """Parse a statistic, or what is formed of several: `p50(VALUE) - p50(VALUE)`.

    Raises:
        ExpressionError: As `parse_value`; also for the mean, sd or tail mean of an unbounded ratio,
            which need not exist.
    """
    return Expression(text.strip(), _of_kind("statistic", text, names))


def parse_target(text: str, names: Names | None = CATALOGUE) -> Target:
    """Parse a target: `STATISTIC = number`, or `STATISTIC +- number`, its largest standard error.

    Raises:
        ExpressionError: As `parse_statistic`, and for an error that is not above 0.
    """
    parser = Parser(text)
    tree = parser.sum()
    if not is_statistic(tree):
        raise _of_other_kind("target", kind_of(text), text)
    written = text[: _start(parser)].strip()
    relation = "=" if parser.accept("=") else "+-" if parser.accept(*TOLERANCES) else ""
    if not relation:
        parser.end()
        raise _of_other_kind("target", "statistic", text)
    number = parser.number()
    parser.end()
    if relation == "+-" and number <= 0:
        raise ExpressionError(f"expected a standard error above 0, got {number:g}")
    tree = tree if names is None else check(tree, names)
    refuse_percent(tree, number)
    return Target(text.strip(), Expression(written, tree), relation, number)


def parse_evidence(text: str, names: Names | None = CATALOGUE) -> Evidence:
    """Parse evidence.

    `VALUE = number +- number`, `number <= VALUE <= number`, or a soft bound, `VALUE >= number +-
    number` or `VALUE <= number +- number`.

    Raises:
        ExpressionError: As `parse_value`, and for numbers that are not in order, or an error that
            is not above 0.
    """
    parser = Parser(text)
    tree = parser.sum()
    relation = parser.accept("=", ">=", "<=")
    if relation == "<=" and isinstance(tree, float):
        low, tree = tree, parser.sum()
        if not parser.accept("<="):
            raise ExpressionError(f"expected {low:g} <= VALUE <= number, got {parser.shown()}")
        high = parser.number()
        parser.end()
        if not low < high:
            raise ExpressionError(f"expected the lower number first, got {low:g} and {high:g}")
        found = Evidence(text.strip(), tree, "between", low, high=high)
    elif relation:
        number = parser.number()
        if not parser.accept(*TOLERANCES):
            parser.end()
            raise _of_other_kind("evidence", "event", text)
        error = parser.number()
        parser.end()
        if error <= 0:
            raise ExpressionError(f"expected a standard error above 0, got {error:g}")
        found = Evidence(text.strip(), tree, relation, number, error)
    else:
        raise _of_other_kind("evidence", kind_of(text), text)
    if is_statistic(tree) or is_event(tree) or is_number(tree):
        raise ExpressionError(f"evidence is on a value such as {EXAMPLES['value']}, got '{tree}'")
    tree = tree if names is None else check(tree, names)
    for number in (found.number, found.error, found.high):
        refuse_percent(tree, number)
    return Evidence(found.text, tree, found.relation, found.number, found.error, found.high)


def check(tree: Tree, names: Names) -> Tree:
    """Check names, labels, quarters, units and fractions of a tree.

    Returns:
        The tree with ids in place of labels as typed.

    Raises:
        ExpressionError: With the nearest right name, or both units.
    """
    tree = names.resolve(tree)
    for statistic in statistics_of(tree):
        _check_moments(statistic)
    unit_of(tree, lambda name: unit_text(name, names))
    check_fractions(tree)
    return tree


def check_expression(expression: Expression, names: Names) -> Expression:
    """As `check`, of a statistic with its text."""
    return Expression(expression.text, check(expression.tree, names))


def unit(tree: Tree, names: Names = CATALOGUE) -> str:
    """The unit of a value or statistic as text: "1" of events and pure numbers, "" if not known."""
    if isinstance(tree, Statistic) and tree.kind != "P":
        return unit(tree.of, names)
    found = next(references(tree), None)
    if found is tree:
        return unit_text(found.name, names) or ""
    formed: Unit | None = unit_of(tree, lambda name: unit_text(name, names))
    return "" if formed is None else str(formed)


def unit_text(name: str, names: Names = CATALOGUE) -> str | None:
    """The unit of a name as it is declared; None where none is."""
    if name in names.variables:
        return names.variables[name][1] or None
    if name in PROBABILITIES:
        return "1"
    if name in quantities():
        return quantities()[name][0]
    return "USD bn" if name.endswith("_busd") else "1"  # of hosts: shares, and equity


def _check_moments(statistic: Statistic) -> None:
    """Refuse moments of unbounded ratios, which need not exist."""
    if statistic.kind not in ("mean", "sd", "cvar"):
        return
    for name in _unbounded(statistic.of):
        raise ExpressionError(
            f"'{name}' is an unbounded ratio, of which no {statistic.kind} need exist"
        )


def _unbounded(tree: Tree) -> Iterator[str]:
    """Unbounded ratios of which a value is formed by arithmetic; `min` and `max` may bound one."""
    if isinstance(tree, Reference) and tree.name in OUTPUTS and OUTPUTS[tree.name].unbounded:
        yield tree.name
    elif isinstance(tree, Operation) and tree.operator in (*"+-*/", "negative", "abs"):
        for operand in tree.operands:
            yield from _unbounded(operand)


def _tree(text: str) -> Tree:
    parser = Parser(text)
    tree = parser.alternatives()
    parser.end()
    return tree


def _of_kind(kind: str, text: str, names: Names | None) -> Tree:
    """The checked tree of a text of a kind.

    Raises:
        ExpressionError: As `parse_value`.
    """
    try:
        tree = _tree(text)
    except ExpressionError:
        other = kind_of(text)
        if other in ("target", "evidence"):
            raise _of_other_kind(kind, other, text) from None
        raise
    found = _kind_of(tree)
    if found != kind:
        raise _of_other_kind(kind, found, text)
    return tree if names is None else check(tree, names)


def _kind_of(tree: Tree) -> str:
    return "event" if is_event(tree) else "statistic" if is_statistic(tree) else "value"


def kind_of(text: str) -> str:
    """Which kind a text is: "value", "event", "statistic", "target", "evidence", "" if none."""
    try:
        return _kind_of(_tree(text))
    except ExpressionError:
        pass
    return next((kind for kind in ("target", "evidence") if _matches(kind, text)), "")


def _matches(kind: str, text: str) -> bool:
    """Whether a text has the form of a target or of evidence."""
    try:
        parser = Parser(text)
        tree = parser.sum()
        if kind == "target":
            return is_statistic(tree) and bool(parser.accept("=", *TOLERANCES))
        if parser.accept("=", ">=", "<="):
            parser.sum()
            return bool(parser.accept("<=", *TOLERANCES))
    except ExpressionError:
        pass
    return False


def _of_other_kind(expected: str, found: str, text: str) -> ExpressionError:
    """The error of an expression of another kind: what is expected, and what is missing."""
    message = f"takes {WITH_ARTICLE[expected]}: {EXAMPLES[expected]}"
    if found in WITH_ARTICLE:
        message += f"; '{text.strip()}' is {WITH_ARTICLE[found]}"
    advice = _ADVICE.get((expected, found))
    return ExpressionError(message + (f": {advice}" if advice else ""))


def _start(parser: Parser) -> int:
    """Where the token of a parser begins in its text."""
    return len(parser.text) if parser.token is None else parser.token.start()
