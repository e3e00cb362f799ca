"""Values and events of a draw, as text: `gw[openai]@2027Q4 / 2`, `gw[openai]@2027Q4 > 10`.

A value is a number, an output or input as `name[label, ...]@quarter`, or made of values by
`+ - * /`, `min`, `max`, `abs`, `log` and `exp`. An event compares two values, names a declared
probability, or is made of events by `and`, `or` and `not`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sim.common.text import nearest
from sim.model.catalogue import DIMS, hint, probability_dims, quantities
from sim.model.dims import COORDS, FACTORS, QUARTERS, REFERENCE_QUARTER
from sim.model.inputs import HOST_MATRICES
from sim.model.outputs import EVERY_THRESHOLD, PROBABILITIES

RELATIONS = (">=", "<=", ">", "<")
FACTOR = "factor."  # begins the name of a common factor's score: factor.demand
CONNECTIVES = ("and", "or", "not")
MOST_FRACTION = 1.5  # a margin or share that is compared with more is meant in percent
FUNCTIONS = {"min": 2, "max": 2, "abs": 1, "log": 1, "exp": 1}  # fewest operands
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)"
    r"(?:\s*\[(?P<labels>[\w\s,]*)\])?(?:\s*@\s*(?P<quarter>\w+))?"
    r"|(?P<sign>>=|<=|[-+*/()<>,]))"
)
_MATRICES = dict(HOST_MATRICES.values())


class ValueSyntaxError(ValueError):
    """What is wrong with a value or event, as a message."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An output, input or declared probability at its labels."""

    name: str
    labels: tuple[str, ...] = ()
    quarter: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator or function, and what it works on; "negative" has one operand."""

    operator: str
    operands: tuple[Tree, ...]


Tree = float | Reference | Operation


def parse(text: str) -> Tree:
    """Parse a value or event.

    Raises:
        ValueSyntaxError: For another text, and for names, labels or quarters that do not exist.
    """
    return _Parser(text).whole()


def parse_value(text: str) -> Tree:
    """Parse a value, a number in every draw.

    Raises:
        ValueSyntaxError: As `parse`.
    """
    tree = parse(text)
    if is_event(tree):
        raise ValueSyntaxError(
            f"expected a value such as gw[openai]@2026Q4, got the event {text!r}"
        )
    return tree


def parse_event(text: str) -> Tree:
    """Parse an event, true or false in every draw.

    Raises:
        ValueSyntaxError: As `parse`.
    """
    tree = parse(text)
    if not is_event(tree):
        raise ValueSyntaxError(f"expected an event such as gw[openai]@2027Q4 > 10, got {text!r}")
    return tree


def is_event(tree: Tree) -> bool:
    """Whether a tree is true or false in a draw, and no number."""
    if isinstance(tree, Operation):
        return tree.operator in (*RELATIONS, *CONNECTIVES)
    return isinstance(tree, Reference) and tree.name in PROBABILITIES


def references(tree: Tree) -> Iterator[Reference]:
    """The outputs, inputs and probabilities of a tree."""
    if isinstance(tree, Reference):
        yield tree
    elif isinstance(tree, Operation):
        for operand in tree.operands:
            yield from references(operand)


def dims_of(name: str) -> tuple[str, ...]:
    """The dims of an output, input, matrix of hosts or declared probability, without `draw`.

    Raises:
        KeyError: For an unknown name.
    """
    if name in PROBABILITIES:
        return probability_dims(name)
    if name.removeprefix(FACTOR) in FACTORS and name.startswith(FACTOR):
        return ()
    if name in DIMS:
        return DIMS[name]
    return _MATRICES[name] if name in _MATRICES else quantities()[name][1]


def refuse_percent(name: str, number: float) -> None:
    """Refuse a number of percent that is compared with a margin or share, which are fractions.

    Raises:
        ValueSyntaxError: For a number above 1.5, which neither reaches.
    """
    unit = quantities()[name][0] if name in quantities() else ""
    is_fraction = unit == "1" and ("margin" in name or "share" in name or "duty_cycle" in name)
    if is_fraction and number > MOST_FRACTION:
        fraction = f"{number / 100:.2f}" if number == int(number) else f"{number / 100:g}"
        message = f"'{name}' is a fraction of 1, got {number:g}: fractions: {fraction}"
        raise ValueSyntaxError(message)


class _Parser:
    """Reads a tree from the tokens of a text, from loose to tight binding."""

    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0
        self.token = self._next()

    def whole(self) -> Tree:
        """The tree of the whole text."""
        tree = self._alternatives()
        if self.token is not None:
            raise ValueSyntaxError(f"unexpected '{self._shown()}' in {self.text!r}")
        return tree

    def _next(self) -> re.Match[str] | None:
        """The next token; None at the end."""
        if not self.text[self.position :].strip():
            return None
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            raise ValueSyntaxError(
                f"unexpected '{self.text[self.position :].strip()}' in {self.text!r}"
            )
        self.position = match.end()
        return match

    def _shown(self) -> str:
        return self.token[0].strip() if self.token is not None else "the end"

    def _accept(self, *words: str) -> str:
        """Take the token if it is one of these; "" otherwise."""
        word = self._shown() if self.token is not None else ""
        if word not in words:
            return ""
        self.token = self._next()
        return word

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise ValueSyntaxError(f"expected '{word}', got {self._shown()} in {self.text!r}")

    def _alternatives(self) -> Tree:
        tree = self._conjunction()
        while self._accept("or"):
            tree = self._of_events("or", tree, self._conjunction())
        return tree

    def _conjunction(self) -> Tree:
        tree = self._negation()
        while self._accept("and"):
            tree = self._of_events("and", tree, self._negation())
        return tree

    def _negation(self) -> Tree:
        return self._of_events("not", self._negation()) if self._accept("not") else self._relation()

    def _relation(self) -> Tree:
        tree = self._sum()
        if relation := self._accept(*RELATIONS):
            tree = self._of_values(relation, tree, self._sum())
        return tree

    def _sum(self) -> Tree:
        tree = self._product()
        while operator := self._accept("+", "-"):
            tree = self._of_values(operator, tree, self._product())
        return tree

    def _product(self) -> Tree:
        tree = self._factor()
        while operator := self._accept("*", "/"):
            tree = self._of_values(operator, tree, self._factor())
        return tree

    def _factor(self) -> Tree:
        """A number, a name, a function, what is in parentheses, or the negative of one."""
        if self._accept("-"):
            return self._of_values("negative", self._factor())
        if self._accept("("):
            tree = self._alternatives()
            self._expect(")")
            return tree
        token = self.token
        if token is None or token["sign"] or token["name"] in CONNECTIVES:
            raise ValueSyntaxError(f"expected a value, got {self._shown()} in {self.text!r}")
        self.token = self._next()
        if token["number"]:
            return float(token["number"])
        if token["name"] in FUNCTIONS:
            return self._function(token["name"])
        labels = token["labels"]
        named = tuple(label.strip() for label in labels.split(",")) if labels else ()
        reference = Reference(_without_group(token["name"]), named, token["quarter"])
        _check(reference, token[0].strip())
        return reference

    def _function(self, name: str) -> Tree:
        self._expect("(")
        operands = [self._sum()]
        while self._accept(","):
            operands.append(self._sum())
        self._expect(")")
        fewest = FUNCTIONS[name]
        if len(operands) < fewest or (fewest == 1 and len(operands) > 1):
            count = "one value" if fewest == 1 else "two values or more"
            raise ValueSyntaxError(f"'{name}' takes {count}, got {len(operands)}")
        return self._of_values(name, *operands)

    def _of_events(self, operator: str, *operands: Tree) -> Tree:
        if not all(map(is_event, operands)):
            raise ValueSyntaxError(f"'{operator}' joins events such as gw[openai]@2027Q4 > 10")
        return Operation(operator, operands)

    def _of_values(self, operator: str, *operands: Tree) -> Tree:
        if any(map(is_event, operands)):
            raise ValueSyntaxError(f"'{operator}' takes values, got an event in {self.text!r}")
        if operator in RELATIONS:
            for value, other in (operands, operands[::-1]):
                if isinstance(value, Reference) and isinstance(other, float):
                    refuse_percent(value.name, other)
        return Operation(operator, operands)


def _without_group(name: str) -> str:
    """`hardware.pue` is the input `pue`."""
    group, _, rest = name.rpartition(".")
    known = quantities().get(rest)
    return rest if group and known is not None and known[2] == group else name


def _check(reference: Reference, text: str) -> None:
    """Refuse a name that does not exist, and labels and quarters that do not fit.

    Ids of labs and landlords are not known here.

    Raises:
        ValueSyntaxError: With the nearest right name.
    """
    name, labels, quarter = reference.name, reference.labels, reference.quarter
    try:
        dims = dims_of(name)
    except KeyError:
        factors = [FACTOR + factor for factor in FACTORS]
        known = [*DIMS, *quantities(), *_MATRICES, *PROBABILITIES, *factors]
        raise ValueSyntaxError(f"unknown output or input '{name}'{hint(name, known)}") from None
    if name in PROBABILITIES and PROBABILITIES[name].threshold == EVERY_THRESHOLD:
        of = PROBABILITIES[name].of
        raise ValueSyntaxError(
            f"'{name}' has several thresholds: say {of}[...]@{REFERENCE_QUARTER} > x"
        )
    if "quarter" not in dims and quarter is not None:
        raise ValueSyntaxError(f"'{name}' has no quarter, got '{text}'")
    if "quarter" in dims and quarter is None:
        raise ValueSyntaxError(f"expected a quarter, such as {text}@{REFERENCE_QUARTER}")
    if quarter is not None and quarter not in QUARTERS:
        raise ValueSyntaxError(f"unknown quarter '{quarter}'{nearest(quarter, QUARTERS)}")
    others = [dim for dim in dims if dim != "quarter"]
    if len(labels) != len(others):
        example = ", ".join(f"<{dim}>" for dim in others)
        raise ValueSyntaxError(
            f"expected {name}[{example}], got '{text}'"
            if others
            else f"expected {name} without [...], got '{text}'"
        )
    for dim, label in zip(others, labels, strict=True):
        if dim in COORDS and label not in COORDS[dim]:
            raise ValueSyntaxError(f"unknown {dim} '{label}'{nearest(label, COORDS[dim])}")


def with_ids(text: str, names: Mapping[str, str]) -> str:
    """A value or event in which labs and landlords stand by their ids.

    `names` holds the id of each display name. Labels in brackets may be either, and display names
    in any case: `gw[Google DeepMind]@2027Q4`.
    """
    ids = {name.casefold(): label for name, label in names.items()}

    def label(part: str) -> str:
        return ids.get(" ".join(part.split()).casefold(), part.strip())

    return re.sub(r"\[([^\]]*)\]", lambda m: f"[{', '.join(map(label, m[1].split(',')))}]", text)
