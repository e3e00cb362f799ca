"""Units of expressions: what is added or compared has equal units.

Nothing is converted: USD bn and USD, or months and years, are different units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.expressions.tree import (
    RELATIONS,
    ExpressionError,
    Operation,
    Reference,
    Statistic,
    Tree,
    is_event,
    is_number,
    write,
)

_SAME = {"tokens": "tok", "x": "1", "ln": "1", "logit": "1"}
_SUMS = ("+", "-", "min", "max", *RELATIONS)


@dataclass(frozen=True)
class Unit:
    """A unit: the power of each of its symbols, but 0."""

    powers: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, text: str) -> Unit:
        """The unit of a text such as "USD bn/GW/yr"."""
        above, *below = text.split("/")
        powers: dict[str, int] = {}
        for part, power in ((above, 1), *((part, -1) for part in below)):
            for word in part.split():
                symbol = _SAME.get(word, word)
                if symbol != "1":
                    powers[symbol] = powers.get(symbol, 0) + power
        return cls._from(powers)

    @classmethod
    def _from(cls, powers: dict[str, int]) -> Unit:
        return cls(tuple(sorted((s, power) for s, power in powers.items() if power)))

    def times(self, other: Unit, power: int = 1) -> Unit:
        """The product with a power of another unit."""
        powers = dict(self.powers)
        for symbol, of in other.powers:
            powers[symbol] = powers.get(symbol, 0) + power * of
        return self._from(powers)

    def __str__(self) -> str:
        above = [symbol for symbol, power in self.powers for _ in range(power)]
        # A currency stands before its scale: "USD bn".
        above.sort(key=lambda symbol: (symbol != "USD", symbol))
        below = [symbol for symbol, power in self.powers for _ in range(-power)]
        return "/".join([" ".join(above) or "1", *below])


PURE = Unit()


def unit_of(tree: Tree, known: Callable[[str], str | None]) -> Unit | None:
    """The unit of a value or statistic; `PURE` of events, None where it is not known.

    `known` gives the unit of a name as text, None where it has none. A number alone may stand for
    one of any unit where it is compared; elsewhere it is pure.

    Raises:
        ExpressionError: With both units, where these are added or compared, and are not equal.
    """
    if isinstance(tree, Reference):
        text = known(tree.name)
        return None if text is None else Unit.of(text)
    if isinstance(tree, Statistic):
        found = unit_of(tree.of, known)
        return PURE if tree.kind == "P" else found
    if not isinstance(tree, Operation):
        return PURE
    units = [unit_of(operand, known) for operand in tree.operands]
    operator = tree.operator
    if is_event(tree) and operator not in RELATIONS:
        return PURE
    if operator in _SUMS:
        return _of_sum(tree, units)
    if operator == "log":
        return PURE
    if operator == "exp":
        if units[0] not in (None, PURE):
            raise ExpressionError(
                f"'exp' takes a number of unit 1, and '{write(tree.operands[0])}' is in {units[0]}"
            )
        return PURE
    if operator in ("*", "/"):
        first, second = units
        if first is None or second is None:
            return None
        return first.times(second, 1 if operator == "*" else -1)
    return units[0]  # abs, negative


def _of_sum(tree: Operation, units: list[Unit | None]) -> Unit | None:
    """The unit of what is added or compared.

    Raises:
        ExpressionError: For different units.
    """
    adds = tree.operator in ("+", "-")
    given = [
        (unit, operand)
        for unit, operand in zip(units, tree.operands, strict=True)
        if unit is not None and (adds or not is_number(operand))
    ]
    for unit, operand in given[1:]:
        if unit != given[0][0]:
            does = "adds" if adds else "compares"
            raise ExpressionError(
                f"'{tree.operator}' {does} equal units, got {given[0][0]}"
                f" ('{write(given[0][1])}') and {unit} ('{write(operand)}')"
            )
    if tree.operator in RELATIONS:
        return PURE
    if any(unit is None for unit in units):
        return None
    return given[0][0] if given else PURE
