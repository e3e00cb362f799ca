"""The formula of each output, as the specification states it (docs/model.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from sim.common.shipped import DOCS, FORMULAS
from sim.model.catalogue import OUTPUTS

_HEADING = re.compile(r"^## (.+)$")
_NUMBER = re.compile(r"\((\d+\.\d+[a-z]?)\)\s*$")
_NAME = re.compile(r"^([a-z]\w*)(?:\[[^\]]*\])?")


_ASSIGNED = re.compile(r"\.(\w+)(?:\[[^\]]*\])*\s*\+?=(?!=)")
_TAKEN = re.compile(r"=\s*\w+\.(\w+)\[[^\]]*\]\s*$", re.MULTILINE)  # an array that is written to


@dataclass(frozen=True, slots=True)
class Equation:
    """A statement of the specification: its section, its number ("" without one), its lines.

    `code` are the modules of the package that compute the output.
    """

    section: str
    number: str
    text: str
    code: tuple[str, ...] = ()


@cache
def equations() -> dict[str, Equation]:
    """The statement that defines each output, by name.

    An output that is defined in passing, with another or in words, has that statement, or the
    paragraph that names it.
    """
    found: dict[str, Equation] = {}
    named: dict[str, Equation] = {}
    for section, block, is_code in _blocks((DOCS / "model.md").read_text(encoding="utf-8")):
        if is_code:
            statements = _statements(block)
            for statement, number in zip(statements, _numbers(statements), strict=True):
                _file(Equation(section, number, statement), found, named)
        elif section[:1].isdigit():  # others name outputs, and define none
            for name in re.findall(r"`([a-z]\w*)", block):
                named.setdefault(name, Equation(section, "", " ".join(block.split())))
    code = _code()
    known = {**named, **found}
    return {
        name: replace(known[name], code=code.get(name, ())) for name in OUTPUTS if name in known
    }


def _code() -> dict[str, tuple[str, ...]]:
    """The modules of formulas that compute each output."""
    computed: dict[str, list[str]] = {}
    taken: dict[str, list[str]] = {}
    for path in sorted(FORMULAS.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for pattern, files in ((_ASSIGNED, computed), (_TAKEN, taken)):
            for name in set(pattern.findall(text)) & OUTPUTS.keys():
                files.setdefault(name, []).append(f"sim/kernels/formulas/{path.name}")
    first = {name: files[:1] for name, files in taken.items()}  # others read what it wrote
    return {name: tuple(files) for name, files in {**first, **computed}.items()}


def _blocks(text: str) -> list[tuple[str, str, bool]]:
    """Section, text, and whether it is code, of each block of the page."""
    blocks, section, lines, is_code = [], "", list[str](), False

    def close() -> None:
        if lines:
            blocks.append((section, "\n".join(lines), is_code))
            lines.clear()

    for line in text.split("\n"):
        if line.startswith("```"):
            close()
            is_code = not is_code
        elif not is_code and (heading := _HEADING.match(line)):
            close()
            section = heading[1]
        elif not is_code and not line.strip():
            close()
        else:
            lines.append(line)
    close()
    return blocks


def _statements(block: str) -> list[str]:
    """The statements of a block of code: lines up to one that ends in an equation's number."""
    statements, lines = [], list[str]()
    for line in block.split("\n"):
        if not line.strip():
            continue
        is_new = not line.startswith(" ")
        if is_new and lines:
            statements.append("\n".join(lines))
            lines = []
        lines.append(line)
    return [*statements, *(["\n".join(lines)] if lines else [])]


def _numbers(statements: list[str]) -> list[str]:
    """The number of each statement of a block: its own, or that of the next one with a number.

    A number stands behind the last of the statements that it is of.
    """
    numbers = []
    following = ""
    for statement in reversed(statements):
        own = [m[1] for line in statement.split("\n") if (m := _NUMBER.search(line))]
        following = own[0] if own else following
        numbers.append(following)
    return numbers[::-1]


def _file(equation: Equation, found: dict[str, Equation], named: dict[str, Equation]) -> None:
    """Enter a statement under the names that it defines, and under those that it mentions."""
    statement = equation.text
    head, equals, _ = statement.partition("=")
    defined = [name.strip() for name in re.split(r",\s*(?![^\[]*\])", head)] if equals else []
    for part in [*defined, *re.findall(r";\s*(\w+(?:\[[^\]]*\])?)\s*=", statement)]:
        match = _NAME.match(part)
        if match is not None and match[1] in OUTPUTS:
            found.setdefault(match[1], equation)
    for name in re.findall(r"[a-z]\w+", statement):
        named.setdefault(name, equation)
