"""Values, names and paths as text."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from sim.common.errors import Fault, Location
from sim.common.text import distinct_labels, in_words, nearest, paragraph, plain, plain_lines


def test_plain_text_has_no_character_that_acts_or_hides() -> None:
    """Of Unicode: control, format, line separators, surrogates, private and unassigned ones."""
    for code in (*range(0x3400), *range(0xD000, 0x20000), *range(0xE0000, 0xE0200), 0x10FFFF):
        character = chr(code)
        if character.isprintable() or unicodedata.category(character) == "Zs":
            assert plain(character) == character
        else:
            escaped = plain(character)
            assert escaped.isascii()
            assert escaped.isprintable()
            assert escaped.encode().decode("unicode_escape") == character


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("two\r\nlines\u2028", r"two\r\nlines\u2028"),
        ("abc\u202edcba\u200b\u2066", r"abc\u202edcba\u200b\u2066"),
        ("un\udcffdecodable \x9b", r"un\udcffdecodable \x9b"),
        ("[/red] [bold] :smile: % {0} <b>", "[/red] [bold] :smile: % {0} <b>"),
        ("北京 É 5\xa0%", "北京 É 5\xa0%"),
    ],
)
def test_plain_text_shows_what_was_typed(text: str, expected: str) -> None:
    assert plain(text) == expected
    assert plain(expected) == expected
    assert in_words(text) == expected
    assert in_words({text: [text]}) == f"{expected} [{expected}]"
    assert str(Fault(Location("f"), "k", text)) == f"f: k: {expected}"


def test_plain_lines_keep_line_breaks_alone_and_paragraphs_none() -> None:
    assert plain_lines("a\nb\r\n\x1bc") == "a\nb\\r\n\\x1bc"
    assert paragraph("  a\n  b\tc\u202e \r\n\n d   e\n") == r"a b c\u202e d   e"


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["a.toml", "b/c.toml"], ["a", "c"]),
        (
            ["north/site.toml", "south/site.toml", "other.toml"],
            ["north/site", "south/site", "other"],
        ),
        (["site.toml", "south/site.toml"], ["here/site", "south/site"]),
        (["x/a/site.toml", "y/a/site.toml", "y/b/site.toml"], ["x/a/site", "y/a/site", "b/site"]),
        (["a/site.toml", "a/site.tml"], ["site.toml", "site.tml"]),
        (["site.toml", "../here/./site.toml"], ["site", "site"]),
        (["/site.toml", "/r/site.toml"], ["/site", "r/site"]),
        ([], []),
    ],
)
def test_labels_are_the_shortest_ends_of_paths_that_tell_files_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: list[str], labels: list[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert distinct_labels(paths) == labels
    assert distinct_labels([Path(path) for path in paths[::-1]]) == labels[::-1]


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        ([], ""),
        (["north"], "; known: north"),
        ([f"site {i}" for i in range(12)], "; known: site 0, site 1"),
        ([f"site {i}" for i in range(13)], ""),
        (["lower", "flower", "flow"], "; did you mean 'flower'?"),
    ],
)
def test_a_hint_names_the_nearest_word_or_up_to_twelve(known: list[str], hint: str) -> None:
    text = nearest("flowers", known)
    assert text.startswith(hint)
    assert text.count(",") == (len(known) - 1 if "known" in text else 0)
    assert bool(text) == bool(hint)
