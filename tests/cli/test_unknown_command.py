"""A command that does not exist: what was meant is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from conftest import Command

from sim.cli.app import app
from sim.cli.unknown_command import WORDS, unknown_command

COMMANDS = ("check", "compare", "list", "run", "sensitivity", "show")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("diff", "did you mean 'sim compare'?"),
        ("Difference", "did you mean 'sim compare'?"),
        ("tornado", "did you mean 'sim sensitivity'?"),
        ("drivrs", "did you mean 'sim sensitivity'?"),
        ("shwo", "did you mean 'sim show'?"),
        ("bibtex", "sim --help lists them"),  # `cite` is not among these
        ("bear", "did you mean 'sim run params/scenarios/bear.toml'?"),
        ("my.toml", "did you mean 'sim run my.toml'?"),
        ("zzzz", "sim --help lists them"),
    ],
)
def test_a_word_leads_to_the_command_that_is_meant(
    params: Path, monkeypatch: pytest.MonkeyPatch, word: str, hint: str
) -> None:
    monkeypatch.chdir(params.parent)
    Path("my.toml").write_text('extends = "params/base.toml"')
    assert str(unknown_command(word, COMMANDS)) == f"sim {word}: no such command; {hint}"


def test_the_command_line_says_so_and_exits_with_2(invoke: Command) -> None:
    done = invoke("shwo", "base")
    message = "sim shwo: no such command; did you mean 'sim show'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_words_are_no_commands_and_mean_one_each() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    words = [word for meant in WORDS.values() for word in meant]
    assert len(words) == len({*words})
    assert not {*words} & {*commands, *WORDS}


def test_every_command_is_in_a_panel_of_the_help() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    panels = {name: command.rich_help_panel for name, command in commands.items()}
    known = {"Files", "Draw", "Store", "Read", "Ask", "Show"}
    assert {name: panel for name, panel in panels.items() if panel not in known} == {}
