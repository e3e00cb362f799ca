"""Texts that act where they are not made plain, in every place that holds what users typed."""

from __future__ import annotations

import re
from pathlib import Path

# Markup of rich, its emoji, a percent sign, HTML, mathematics of matplotlib, a tab and an accent.
HARMLESS = r"[old] :smile: 5 % %s {0} <b>&amp; $x_{$ \n é"
# ANSI colours, the title of the window, a bell, a line break, and a turn of the direction.
CONTROLS = "\x1b[31m\x1b]0;t\x07\r\n\u202e\x9b2J\x7f"
SHOWN_CONTROLS = r"\x1b[31m\x1b]0;t\x07\r\n\u202e\x9b2J\x7f"
FILE = f"{HARMLESS}{CONTROLS}"  # a name of a file: no slash
NAME = f"[/red]{FILE}"


def shown(text: str) -> str:
    """A text as every command, table and figure has to show it, but for where lines break."""
    return text.replace(CONTROLS, SHOWN_CONTROLS)


def shown_in_prose(text: str) -> str:
    """A text as a description or a note is shown: its line breaks are spaces."""
    return shown(text).replace(r"\r\n", " ")


def literal(text: str) -> str:
    """A text in TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def write_scenario(params: Path) -> Path:
    """A scenario of such names: of its file, a lab, a landlord, a group, a note and a source."""

    def change(file: str, *lines: tuple[str, str]) -> None:
        text = (params / file).read_text(encoding="utf-8")
        for old, new in lines:
            assert re.search(old, text, re.M), old
            text = re.sub(old, lambda _, new=new: new, text, count=1, flags=re.M)  # type: ignore[misc]
        (params / file).write_text(text, encoding="utf-8")

    for file in ("labs/openai.toml", "landlords/oracle.toml"):
        change(file, (r"^name = .*$", f"name = {literal(NAME)}"))
    source = "\n".join(
        f"{key} = {literal(f'{key} {NAME}')}" for key in ("title", "publisher", "url")
    )
    with (params / "sources.toml").open("a", encoding="utf-8") as sources:
        sources.write(f'\n[{literal(NAME)}]\n{source}\ndate = "2026"\ngrade = "C"\n')
    change("published.toml", (r'^source = "source-document"$', f"source = {literal(NAME)}"))
    path = params / f"{FILE}.toml"
    path.write_text(
        f'format = 1\nextends = "base.toml"\ndescription = {literal(f"description {NAME}")}\n'
        f"[hardware.pue]\nmedian = 1.25\nsource = {literal(NAME)}\n"
        f"note = {literal(f'note {NAME}')}\n"
        f'[[correlation]]\nname = {literal(NAME)}\nkind = "copula"\n'
        'inputs = ["hardware.pue", "hardware.maintenance_rate"]\nmatrix = [[1, 0.2], [0.2, 1]]\n',
        encoding="utf-8",
    )
    return path
