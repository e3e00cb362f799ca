"""What expressions are made of, and their text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.model.outputs import PROBABILITIES

RELATIONS = (">=", "<=", ">", "<")
CONNECTIVES = ("and", "or", "not")
FUNCTIONS = {"min": 2, "max": 2, "abs": 1, "log": 1, "exp": 1}  # fewest operands
FACTOR = "factor."  # begins the name of a common factor's score: factor.demand
FLIPPED = {">=": "<=", "<=": ">=", ">": "<", "<": ">"}
# How tightly an operator binds; functions and names are atoms.
_BINDING = {"or": 1, "and": 2, "not": 3, **dict.fromkeys(RELATIONS, 4)}
_BINDING |= {"+": 5, "-": 5, "*": 6, "/": 6, "negative": 7}
_ATOM = 8
_PLAIN_LABEL = re.compile(r'[^\s\[\],"]+(?: [^\s\[\],"]+)*')


class ExpressionError(ValueError):
    """What is wrong with an expression, as a message."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An output, input, declared probability or score of a factor, at its labels."""

    name: str
    labels: tuple[str, ...] = ()
    quarter: str | None = None

    def __str__(self) -> str:
        labels = [of if _PLAIN_LABEL.fullmatch(of) else f'"{of}"' for of in self.labels]
        brackets = f"[{', '.join(labels)}]" if labels else ""
        return f"{self.name}{brackets}" + ("" if self.quarter is None else f"@{self.quarter}")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator or function, and what it works on; "negative" has one operand.

    `depth` is the number of levels of the tree.
    """

    operator: str
    operands: tuple[Tree, ...]
    depth: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max(map(depth_of, self.operands)))

    def __str__(self) -> str:
        return write(self)


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic of a value, or the probability "P" of an event.

    `kind` is "mean", "sd", "quantile", "cvar" or "P"; `percent` the level of a quantile or tail.
    """

    kind: str
    of: Tree
    percent: float | None = None
    depth: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + depth_of(self.of))

    @property
    def level(self) -> float:
        """The level of a quantile or tail, from 0 to 1; NaN of other statistics."""
        return math.nan if self.percent is None else self.percent / 100

    def __str__(self) -> str:
        word = {"quantile": "p"}.get(self.kind, self.kind)
        level = "" if self.percent is None else write_number(self.percent)
        return f"{word}{level}({write(self.of)})"


Tree = float | Reference | Operation | Statistic


@dataclass(frozen=True, slots=True)
class Expression:
    """A statistic, or what is formed of statistics: its text and its tree.

    The statistic of one output or input is plain: `variable`, `labels`, `quarter`, `relation` and
    `number` say which, and are empty of others.
    """

    text: str
    tree: Tree

    @property
    def statistic(self) -> str:
        """The kind of a single statistic; "" of what is formed of several."""
        return self.tree.kind if isinstance(self.tree, Statistic) else ""

    @property
    def variable(self) -> str:
        """The output or input of a plain statistic, "" of others."""
        return reference.name if (reference := self._plain()[0]) else ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the variable."""
        return reference.labels if (reference := self._plain()[0]) else ()

    @property
    def quarter(self) -> str | None:
        """The quarter of the variable."""
        return reference.quarter if (reference := self._plain()[0]) else None

    @property
    def relation(self) -> str:
        """How a plain probability compares."""
        return self._plain()[1]

    @property
    def number(self) -> float:
        """The number that a plain probability compares with, or the level of a quantile or tail."""
        return self._plain()[2]

    def _plain(self) -> tuple[Reference | None, str, float]:
        """The variable, relation and number or level."""
        tree = self.tree
        if not isinstance(tree, Statistic):
            return None, "", math.nan
        of = tree.of
        if tree.kind != "P":
            found = of if isinstance(of, Reference) else None
            return found, "", tree.level
        if isinstance(of, Operation) and of.operator in RELATIONS:
            match of.operands:
                case (Reference() as reference, float() as number):
                    return reference, of.operator, number
                case (float() as number, Reference() as reference):
                    return reference, FLIPPED[of.operator], number
        return None, "", math.nan


@dataclass(frozen=True, slots=True)
class Target:
    """A statistic and what is asked of it: to be `number` ("="), or its error to be so ("+-")."""

    text: str
    statistic: Expression
    relation: str
    number: float

    def __str__(self) -> str:
        return f"{write(self.statistic.tree)} {self.relation} {write_number(self.number)}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a value.

    `relation` is "=" (`number` with standard error `error`), ">=" or "<=" (a soft bound, likewise),
    or "between" (from `number` to `high`).
    """

    text: str
    value: Tree
    relation: str
    number: float
    error: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        number = write_number(self.number)
        if self.relation == "between":
            return f"{number} <= {write(self.value)} <= {write_number(self.high)}"
        return f"{write(self.value)} {self.relation} {number} +- {write_number(self.error)}"


def depth_of(tree: Tree) -> int:
    """The number of levels of a tree."""
    return tree.depth if isinstance(tree, Operation | Statistic) else 1


def is_event(tree: Tree) -> bool:
    """Whether a tree is true or false in a draw, and no number."""
    if isinstance(tree, Operation):
        return tree.operator in (*RELATIONS, *CONNECTIVES)
    return isinstance(tree, Reference) and tree.name in PROBABILITIES


def is_statistic(tree: Tree) -> bool:
    """Whether a tree is one number of all draws."""
    if isinstance(tree, Operation):
        return any(map(is_statistic, tree.operands))
    return isinstance(tree, Statistic)


def is_number(tree: Tree) -> bool:
    """Whether a tree is formed of numbers alone."""
    return isinstance(tree, float) or (
        isinstance(tree, Operation) and all(map(is_number, tree.operands)) and not is_event(tree)
    )


def references(tree: Tree) -> Iterator[Reference]:
    """The outputs, inputs, probabilities and scores of a tree."""
    if isinstance(tree, Reference):
        yield tree
    elif isinstance(tree, Operation):
        for operand in tree.operands:
            yield from references(operand)
    elif isinstance(tree, Statistic):
        yield from references(tree.of)


def statistics_of(tree: Tree) -> Iterator[Statistic]:
    """The statistics of a tree, in the order of its text."""
    if isinstance(tree, Statistic):
        yield tree
    elif isinstance(tree, Operation):
        for operand in tree.operands:
            yield from statistics_of(operand)


def write_number(number: float) -> str:
    """The shortest text of a number that reads as the same."""
    return repr(number).removesuffix(".0")


def write(tree: Tree) -> str:
    """The text of a tree, which parses to the same tree."""
    if not isinstance(tree, Operation):
        return write_number(tree) if isinstance(tree, float) else str(tree)
    operator, operands = tree.operator, tree.operands
    if operator in FUNCTIONS:
        return f"{operator}({', '.join(map(write, operands))})"
    own = _BINDING[operator]
    if operator == "negative":
        return f"-{_inside(operands[0], own)}"
    if operator == "not":
        return f"not {_inside(operands[0], own)}"
    # Of relations, neither side may be one; of others the left may bind as tightly.
    left = own + 1 if operator in RELATIONS else own
    return f"{_inside(operands[0], left)} {operator} {_inside(operands[1], own + 1)}"


def _inside(tree: Tree, least: int) -> str:
    """The text of an operand, in parentheses where it binds less tightly than it has to."""
    binding = _BINDING.get(tree.operator, _ATOM) if isinstance(tree, Operation) else _ATOM
    if isinstance(tree, float) and math.copysign(1, tree) < 0:
        binding = _BINDING["negative"]
    return write(tree) if binding >= least else f"({write(tree)})"
