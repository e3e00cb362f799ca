"""Options that take expressions: their help says which kind, and they are read before any draw."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.common.errors import Fault, InputError, Location
from sim.expressions.kinds import EXAMPLES

if TYPE_CHECKING:
    from sim.expressions.names import Names


def expression_option(kind: str, what: str, *, example: str = "", repeats: bool = False) -> Any:
    """An option that takes an expression of a kind: "value", "event", "statistic" or "target".

    Args:
        kind: Names the option's value, in capitals.
        what: What it does, the first words of the help.
        example: In place of the usual one of its kind.
        repeats: Whether it may be given more than once.
    """
    # Help is read as markup, in which [openai] would be a style.
    shown = (example or EXAMPLES[kind]).replace("[", r"\[")
    text = f"{what}, e.g. '{shown}'"
    return typer.Option(
        metavar=kind.upper(), help=text + ("; may be repeated." if repeats else ".")
    )


Until = Annotated[
    list[str] | None,
    expression_option(
        "target",
        "Add draws until a standard error is reached",
        example="p50(tps_decode) +- 20",
        repeats=True,
    ),
]


def read_expressions(
    kind: str,
    option: str,
    texts: Iterable[str] | None,
    faults: list[Fault],
    names: Names | None = None,
) -> list[Any]:
    """The expressions of an option; one of another kind, or that has a fault, is added to `faults`.

    `names` are those of a scenario; of the model, whatever its labs, unless given.
    """
    from sim.expressions import parse
    from sim.expressions.names import CATALOGUE
    from sim.expressions.tree import ExpressionError

    read = {
        "value": parse.parse_value,
        "event": parse.parse_event,
        "statistic": parse.parse_statistic,
        "target": parse.parse_target,
        "evidence": parse.parse_evidence,
    }[kind]
    found = []
    for text in texts or ():
        try:
            found.append(read(text, names or CATALOGUE))
        except ExpressionError as error:
            faults.append(Fault(Location(option), text, str(error)))
    return found


def refuse(faults: list[Fault]) -> None:
    """Refuse options that have faults.

    Raises:
        InputError: With all of them, if there are any.
    """
    if faults:
        raise InputError(faults)
