"""README and the help pages: every block runs, page by page, and every name is there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import sim
from sim.cli.main import main
from sim.common.shipped import DOCS, help_topics
from sim.model.catalogue import OUTPUTS, quantities
from sim.model.outputs import PROBABILITIES

README = ROOT / "README.md"
PAGES = [README, *(DOCS / f"{topic}.md" for topic in help_topics())]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FRAGMENT = 'format = 1\nextends = "base.toml"\n\n'
SET_UP = 2  # commands of README that continuous integration runs


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of every block, in order."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def run_command(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a line of a page as a shell would; `sim` in this process."""
    words = shlex.split(line)
    found = [
        (sorted(map(str, Path().glob(word))) or [word]) if "*" in word else [word] for word in words
    ]
    arguments = [name for names in found for name in names]
    if arguments[0] != "sim":
        subprocess.run(arguments, check=True, timeout=60)
        return
    if arguments[1] in ("run", "sweep") and "--no-figures" not in arguments:
        arguments.append("--no-figures")
    if arguments[1] == "run" and "--draws" not in arguments and "--until" not in arguments:
        arguments += ["--draws", "500"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python blocks share their names; TOML is an overlay, as it stands or below a head."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    names: dict[str, Any] = {}
    set_up = 0
    for language, text in blocks(page):
        if language == "sh":
            for line in text.replace("\\\n", "").splitlines():
                if "pip install" in line:
                    set_up += 1
                else:
                    run_command(line, monkeypatch)
        elif language == "python":
            exec(compile(text, str(page), "exec"), names)
        elif language == "toml":
            complete = text.startswith("#:schema")
            folder = Path("params/scenarios" if complete else "params")
            overlay = folder / "of_a_page.toml"
            overlay.write_text(text if complete else FRAGMENT + text)
            sim.load(overlay)
            overlay.unlink()
            shipped = folder / "cheap-power.toml"
            assert not complete or shipped.read_text() == text
        else:
            assert language in ("text", "py"), f"a block of {page.name} is run by no test"
    assert set_up == (SET_UP if page == README else 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_links_or_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target
    for path in re.findall(r"`((?:sim|params|tests|\.github)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_fit_eighty_columns(page: Path) -> None:
    for language, text in blocks(page):
        width = 100 if page == README else 78  # the margin that a page has in a terminal
        assert max(map(len, text.splitlines())) <= width, (language, text)


def test_the_readme_shows_where_every_room_is() -> None:
    tree = next(
        text for language, text in blocks(README) if "sim/cli/" in text and language == "text"
    )
    rooms = {path.parent.name for path in (ROOT / "sim").rglob("__init__.py")} - {"sim"}
    assert not {room for room in rooms if not re.search(rf"\b{room}\b", tree)}


def test_the_readme_is_short_enough_for_a_newcomer() -> None:
    assert len(README.read_text().splitlines()) <= 170


TERMS = (
    "draw", "paid traffic", "hurdle", "RPO", "HBM", "PUE", "facility", "IT gigawatt", "landlord",
    "captive", "loaded", "duty cycle", "payback", "FIG. 11", "source document",
)  # fmt: skip


def test_the_glossary_explains_the_terms_that_tables_use() -> None:
    text = " ".join((DOCS / "glossary.md").read_text(encoding="utf-8").split())
    heads = " ".join(re.findall(r"\*\*(.+?)\*\*", text)).lower()
    assert not [term for term in TERMS if term.lower() not in heads]
    assert "A layer-by-layer" in text
    assert "13 May 2026" in text


def test_the_glossary_names_quantities_of_the_model() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    known = {*quantities(), *OUTPUTS, *PROBABILITIES}
    named = set(re.findall(r"`(?:[a-z]+\.)?([a-z]\w*_\w+)`", text))
    assert len(named & known) > 40
