"""Citations: every source that a run relied on, in forms that other programs read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.parameters.citations import FORMATS, cite

RUN = {
    "scenario": "base", "digest": "0123456789ab", "draws": 20_000, "seed": 7,
    "sampler": "stratified", "version": "1.2.3", "started": "2026-11-20T10:00:00+00:00",
}  # fmt: skip


def about(sources: dict[str, dict[str, str]], **inputs: list[str]) -> dict[str, Any]:
    return {**RUN, "sources": sources, "inputs": inputs}


SOURCES = {
    "maker-2026": {
        "title": "What does 50 % of A & B cost?", "publisher": "Maker_Co", "date": "2026-03",
        "url": "https://example.org/a_b?c=1&d=50%25", "accessed": "2026-04-05", "grade": "A",
    },
    "filing": {"title": "A filing", "publisher": "Someone", "date": "2025-12-31", "grade": "B"},
    "judgement": {"title": "Judgement", "publisher": "this project", "grade": "judgement"},
}  # fmt: skip
INPUTS = {"maker-2026": ["hardware.pue", "a.b", "c.d", "e.f"], "filing": ["labs.xai.gw_2025q4"]}


def read_bibtex(text: str) -> dict[str, dict[str, str]]:
    """Entries of BibTeX, read strictly: balanced braces, fields of `key = {text}`, keys once."""
    entries: dict[str, dict[str, str]] = {}
    at = 0
    while at < len(text):
        head = re.compile(r"@misc\{([A-Za-z0-9][A-Za-z0-9-]*),\n").match(text, at)
        assert head, text[at : at + 60]
        assert head[1].lower() not in {key.lower() for key in entries}
        fields: dict[str, str] = {}
        at = head.end()
        while not text.startswith("}", at):
            field = re.compile(r"  ([a-z]+) = \{").match(text, at)
            assert field, text[at : at + 60]
            assert field[1] not in fields
            begin, depth, at = field.end(), 1, field.end()
            while depth:
                if text[at] == "\\":
                    at += 1
                elif text[at] in "{}":
                    depth += 1 if text[at] == "{" else -1
                at += 1
            fields[field[1]] = text[begin : at - 1]
            at += 1 if text.startswith(",", at) else 0
            assert text[at] == "\n"
            at += 1
        at += 1
        entries[head[1]] = fields
        if at < len(text):
            assert text.startswith("\n\n", at)
            at += 2
    return entries


def tex_text(text: str) -> str:
    """The text that TeX shows."""
    shown = text.replace(r"\textbackslash{}", "\0").replace(r"\textasciitilde{}", "~")
    shown = shown.replace(r"\textasciicircum{}", "^")
    assert not re.search(r"(?<!\\)[&%$#_]", shown)
    return re.sub(r"\\([{}&%$#_])", r"\1", shown).replace("\0", "\\")


def test_bibtex_has_an_entry_of_each_source_and_of_the_run() -> None:
    entries = read_bibtex(cite(about(SOURCES, **INPUTS), "bibtex"))
    assert list(entries) == ["filing", "maker-2026", "base-0123456789ab"]
    maker = entries["maker-2026"]
    assert tex_text(maker["title"][1:-1]) == "What does 50 % of A & B cost?"
    assert tex_text(maker["author"][1:-1]) == "Maker_Co"
    assert (maker["year"], maker["date"], maker["urldate"]) == ("2026", "2026-03", "2026-04-05")
    assert maker["url"] == "https://example.org/a_b?c=1&d=50%25"
    assert tex_text(maker["note"]) == "Grade A; for hardware.pue, a.b, c.d and 1 more"
    assert "url" not in entries["filing"]
    assert "20,000 draws" in entries["base-0123456789ab"]["note"]


def test_csl_json_has_what_citeproc_needs() -> None:
    items = json.loads(cite(about(SOURCES, **INPUTS), "csl-json"))
    assert [(item["id"], item["type"]) for item in items] == [
        ("filing", "document"), ("maker-2026", "webpage"), ("base-0123456789ab", "software"),
    ]  # fmt: skip
    for item in items:
        assert item["title"]
        assert all(list(name) == ["literal"] for name in item["author"])
    assert items[0]["issued"] == {"date-parts": [[2025, 12, 31]]}
    assert items[1]["issued"] == {"date-parts": [[2026, 3]]}
    assert items[1]["accessed"] == {"date-parts": [[2026, 4, 5]]}
    assert items[2]["issued"] == {"date-parts": [[2026, 11, 20]]}


def test_text_is_a_line_of_each_source_with_what_it_gives() -> None:
    filing, maker, run = cite(about(SOURCES, **INPUTS), "text").split("\n")
    assert filing == ("[filing] Someone (2025-12-31). A filing. Grade B; for labs.xai.gw_2025q4.")
    assert "What does 50 % of A & B cost? https://example.org" in maker
    assert "run 0123456789ab" in run
    assert "seed 7" in run


def test_judgement_is_no_publication() -> None:
    for form in FORMATS:
        assert "Judgement" not in cite(about(SOURCES), form)


def test_a_date_in_words_is_kept_as_it_is() -> None:
    source = {"title": "T", "publisher": "P", "date": "spring of 2026"}
    (item, _) = json.loads(cite(about({"s": source}), "csl-json"))
    assert item["issued"] == {"literal": "spring of 2026"}
    entry = read_bibtex(cite(about({"s": source}), "bibtex"))["s"]
    assert entry["year"] == "2026"
    assert "date" not in entry


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1)


@given(title=TEXT, publisher=TEXT, names=st.lists(TEXT, min_size=1, max_size=4, unique=True))
def test_any_text_survives_each_format(title: str, publisher: str, names: list[str]) -> None:
    sources = {name: {"title": title, "publisher": publisher} for name in names}
    entries = read_bibtex(cite(about(sources), "bibtex"))
    assert len(entries) == len([name for name in names if name != "judgement"]) + 1
    for entry in list(entries.values())[:-1]:
        assert tex_text(entry["title"][1:-1]) == title
        assert tex_text(entry["author"][1:-1]) == publisher
    items = json.loads(cite(about(sources), "csl-json"))
    assert [item["id"] for item in items[:-1]] == sorted(set(names) - {"judgement"})
    assert all(item["title"] == title for item in items[:-1])


def test_a_world_cites_every_source_of_its_inputs_and_hosts(base: sim.Scenario) -> None:
    items = json.loads(sim.cite(base, "csl-json"))
    used = {quantity.source for quantity in base.quantities.values()}
    used |= {host.source for host in base.hosts.values()}
    assert used - {"judgement"} <= {item["id"] for item in items}
    assert items[-1]["id"].startswith("base-")
    read_bibtex(sim.cite(base, "bibtex"))


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="expected text, bibtex, csl-json, got 'ris'"):
        cite(about({}), "ris")
