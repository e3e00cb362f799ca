"""A guard: what is a fraction of 1 is not compared with a number of percent."""

from __future__ import annotations

from functools import cache

from sim.expressions.tree import (
    RELATIONS,
    ExpressionError,
    Operation,
    Reference,
    Statistic,
    Tree,
    is_number,
    write,
)
from sim.model.catalogue import OUTPUTS
from sim.model.declarations import Output, declared, subgroups
from sim.model.inputs import Lab, Landlord, Scalars

MOST = 1.5  # no margin, share or probability comes near it
_KEEP = ("+", "-", "min", "max", "abs", "negative")  # of fractions are fractions


@cache
def fractions() -> frozenset[str]:
    """Outputs and inputs that are fractions of 1: margins, shares, and inputs that end at 1.

    Ratios such as `pue`, a multiple or an implied duty cycle are none.
    """
    outputs = {name for name, output in OUTPUTS.items() if _is_fraction(name, output)}
    groups = [*subgroups(Scalars).values(), Lab, Landlord]
    inputs = {
        name
        for group in groups
        for name, of in declared(group).items()
        if of.unit == "1" and not of.flag and (of.hi <= 1 or "margin" in name or "share" in name)
    }
    return frozenset(outputs | inputs)


def _is_fraction(name: str, output: Output) -> bool:
    if output.unit != "1" or output.kind == "bool":
        return False
    is_share = "share" in name or output.meaning.startswith("Share")
    return "margin" in name or (is_share and not output.unbounded)


def refuse_percent(tree: Tree, number: float) -> None:
    """Refuse a number of percent for a value or statistic that is a fraction.

    Raises:
        ExpressionError: For a number above 1.5, with the fraction that may be meant.
    """
    if number > MOST and is_fraction(tree):
        message = f"'{write(tree)}' is a fraction of 1, got {number:g}: fractions: "
        fraction = number / 100
        raise ExpressionError(message + (f"{fraction:.2f}" if number % 1 == 0 else f"{fraction:g}"))


def is_fraction(tree: Tree) -> bool:
    """Whether a value or statistic is a fraction of 1."""
    if isinstance(tree, Reference):
        return tree.name in fractions()
    if isinstance(tree, Statistic):
        return tree.kind == "P" or is_fraction(tree.of)
    if not isinstance(tree, Operation) or tree.operator not in _KEEP:
        return False
    operands = [operand for operand in tree.operands if not is_number(operand)]
    return bool(operands) and all(map(is_fraction, operands))


def check_fractions(tree: Tree) -> None:
    """Refuse percent in every comparison of a tree.

    Raises:
        ExpressionError: As `refuse_percent`.
    """
    if isinstance(tree, Statistic):
        check_fractions(tree.of)
    if not isinstance(tree, Operation):
        return
    for operand in tree.operands:
        check_fractions(operand)
    if tree.operator in RELATIONS:
        for value, other in (tree.operands, tree.operands[::-1]):
            if isinstance(other, float):
                refuse_percent(value, other)
