"""Claims of the source document (`claims.toml`), and what other sources say about them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sim.common.errors import Fault
from sim.common.text import in_words, nearest, shown
from sim.expressions.parse import parse_event, parse_value
from sim.expressions.tree import ExpressionError, Reference, Tree
from sim.parameters import rules
from sim.parameters.consistency import INPUT_OF, write_expression
from sim.parameters.document import Document
from sim.parameters.scenario import Claim, OtherSource, Statement

TOP_KEYS = ("format", "source", "claim")
CLAIM_KEYS = ("number", "text", "expression", "unit", "event", "see", "note", "other")
OTHER_KEYS = ("text", "source", "as_of")
Sources = Mapping[str, Mapping[str, str]]
Figures = Sequence[tuple[Reference, Statement]]  # published figures by what they are of
# The same claims are read with every scenario.
_parse_event = lru_cache(maxsize=1024)(parse_event)
_parse_value = lru_cache(maxsize=1024)(parse_value)


def read_claims(
    document: Document | None,
    statements: Sequence[Statement],
    sources: Sources,
    faults: list[Fault],
) -> tuple[Claim, ...]:
    """The claims of a document, with published figures on the same quantities.

    Args:
        document: The file `claims.toml`, or None if there is none, or it cannot be read.
        statements: Published figures. Those of the document itself are left out.
        sources: The known sources, by id.
        faults: What is wrong is added to it, and the claim left out.
    """
    if document is None:
        return ()
    rules.check_format(document, (), faults)
    for name in document.data:
        if name not in TOP_KEYS:
            message = f"unknown key{nearest(name, TOP_KEYS)}"
            faults.append(Fault(document.location((name,)), name, message))
    reader = _Reader(document, sources, faults)
    source = reader.source((), document.data)
    others = _plain_figures(of for of in statements if of.source != source)
    tables = document.data.get("claim", [])
    if not _are_tables(tables):
        faults.append(Fault(document.location(("claim",)), "claim", "expected tables [[claim]]"))
        return ()
    claims = [reader.claim(("claim", str(i)), table, others) for i, table in enumerate(tables)]
    numbers: set[str] = set()
    for i, claim in enumerate(claims):
        if claim is not None and claim.number in numbers:
            reader.add(("claim", str(i)), "number", f"the number {claim.number} stands twice")
        numbers |= {claim.number} if claim is not None else set()
    return tuple(claim for claim in claims if claim is not None)


class _Reader:
    """Reads `[[claim]]`; what is wrong is added to `faults`."""

    def __init__(self, document: Document, sources: Sources, faults: list[Fault]) -> None:
        self.document, self.sources, self.faults = document, sources, faults

    def add(self, at: tuple[str, ...], key: str, message: str) -> None:
        """Add a fault of a key of the table at `at`."""
        name = ".".join([*(part for part in at if not part.isdigit()), key])
        self.faults.append(Fault(self.document.location((*at, key)), name, message))

    def claim(self, at: tuple[str, ...], table: dict[str, Any], figures: Figures) -> Claim | None:
        """The claim of a table, or None if it has faults."""
        before = len(self.faults)
        self._check_keys(at, table, CLAIM_KEYS)
        texts = {key: self._text(at, table, key) for key in ("number", "text", "unit", "note")}
        for key in ("number", "text"):
            if key not in table:
                self.add(at, key, "missing: expected a text")
        trees: list[Tree] = []
        if "event" in table:
            self._parsed(at, "event", self._text(at, table, "event"), _parse_event)
        if "expression" in table:
            trees = self._parsed(
                at, "expression", self._text(at, table, "expression"), _parse_value
            )
        if "expression" in table and "unit" not in table:
            self.add(at, "unit", 'missing: expected the unit of the expression, such as "GW"')
        see = table.get("see", [])
        if not isinstance(see, list) or not all(isinstance(text, str) for text in see):
            self.add(at, "see", f"expected a list of outputs or inputs, got {shown(see)}")
            see = []
        for text in see:
            trees += self._parsed(at, "see", text, _parse_value)
        listed = table.get("other", [])
        if not _are_tables(listed):
            self.add(at, "other", "expected tables [[claim.other]]")
            listed = []
        others = [self._other((*at, "other", str(i)), other) for i, other in enumerate(listed)]
        if len(self.faults) > before:
            return None
        return Claim(
            **texts,
            expression=table.get("expression", ""),
            event=table.get("event", ""),
            others=(*self._figures(trees, figures, "expression" in table), *others),
        )

    def source(self, at: tuple[str, ...], table: Mapping[str, Any]) -> str:
        """The id of a known source in a table; "" if it is not known."""
        source = table.get("source")
        if "source" not in table:
            self.add(at, "source", "missing: expected an id of sources.toml")
        elif not isinstance(source, str) or (self.sources and source not in self.sources):
            hint = nearest(source, list(self.sources)) if isinstance(source, str) else ""
            self.add(at, "source", f"unknown source {shown(source)}{hint}")
        return source if isinstance(source, str) else ""

    def _other(self, at: tuple[str, ...], table: dict[str, Any]) -> OtherSource:
        """What another source says; faults are added."""
        self._check_keys(at, table, OTHER_KEYS)
        if "text" not in table:
            self.add(at, "text", "missing: expected a text")
        as_of = table.get("as_of")
        if as_of is not None and not isinstance(as_of, datetime.date):
            self.add(at, "as_of", f"expected a date such as 2026-05-31, got {shown(as_of)}")
        source = self.source(at, table)
        return self._cited(self._text(at, table, "text"), source, as_of)

    def _cited(self, text: str, source: str, as_of: object) -> OtherSource:
        """A text with date and grade of its source."""
        about = self.sources.get(source, {})
        date = about.get("date", "") if as_of is None else str(as_of)
        return OtherSource(text, source, date, about.get("grade", ""))

    def _figures(
        self, trees: Sequence[Tree], figures: Figures, has_expression: bool
    ) -> Iterator[OtherSource]:
        """Published figures of an expression and of the quantities to see beside it.

        One of another quantity than the expression, the first of the trees, says which. An
        expression that is formed of several has no figures of its own.
        """
        named = trees[0] if has_expression and trees else None
        expression = _quantity(named) if isinstance(named, Reference) else None
        wanted = [_quantity(tree) for tree in trees if isinstance(tree, Reference)]
        for own, statement in figures:
            if own in wanted:
                text = write_expression(statement.output, statement.labels, statement.quarter)
                of = "" if own == expression else f", {text}"
                figure = f"{_figure(statement)}{of}"
                yield self._cited(figure, statement.source, statement.as_of)

    def _check_keys(
        self, at: tuple[str, ...], table: Mapping[str, Any], known: Sequence[str]
    ) -> None:
        for key in table:
            if key not in known:
                self.add(at, key, f"unknown key{nearest(key, list(known))}")

    def _text(self, at: tuple[str, ...], table: Mapping[str, Any], key: str) -> str:
        """The text of a key, "" where there is none."""
        text = table.get(key, "")
        if not isinstance(text, str) or (key in table and not text.strip()):
            self.add(at, key, f"expected a text, got {shown(text)}")
            return ""
        return text

    def _parsed(self, at: tuple[str, ...], key: str, text: str, parse: Any) -> list[Tree]:
        """The tree of a text, or none where it has faults."""
        if not text:
            return []
        try:
            return [parse(text)]
        except ExpressionError as error:
            self.add(at, key, str(error))
            return []


def _plain_figures(statements: Iterable[Statement]) -> Figures:
    """Published figures of one output or input, each with what it is of."""
    return [
        (_quantity(Reference(of.output, of.labels, of.quarter)), of)
        for of in statements
        if not any((of.less, of.times, of.per, of.total_of))
    ]


def _quantity(reference: Reference) -> Reference:
    """The reference, or the input that it is at its quarter."""
    name = INPUT_OF.get((reference.name, reference.quarter or ""))
    return reference if name is None else Reference(name, reference.labels)


def _figure(statement: Statement) -> str:
    """The number or range of a statement with its unit; shares in percent."""
    scale, unit = (100.0, "%") if statement.unit == "1" else (1.0, statement.unit)
    low, value, high = (
        None if number is None else in_words(float(f"{scale * number:.6g}"))
        for number in (statement.low, statement.value, statement.high)
    )
    if value is not None:
        return f"{value} {unit}"
    if low is not None and high is not None:
        return f"{low} to {high} {unit}"
    return f">= {low} {unit}" if low is not None else f"<= {high} {unit}"


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)
