"""Kernels and the specification name each other's equations and sections.

An equation that makes an input of what a file gives is named by a distribution.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

SPECIFICATION = (ROOT / "sim" / "docs" / "model.md").read_text(encoding="utf-8")
FOLDERS = ("kernels", "distributions")  # fiscal years are made calendar years where they are read
KERNELS = sorted(path for name in FOLDERS for path in (ROOT / "sim" / name).rglob("*.py"))
NUMBER = r"\d+\.\d+[a-z]?"
ITEM = rf"{NUMBER}(?:-{NUMBER})?"
DISTRIBUTIONS = sorted((ROOT / "sim" / "distributions").rglob("*.py"))
REFERENCE = re.compile(rf"\(({ITEM}(?:,\s+{ITEM})*)\)")  # (3.1a), (2.3, 2.4), (7.1-7.7)


def comments_and_docstrings(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                yield token.string


def references(path: Path) -> Iterator[str]:
    """The equation numbers and ranges of them that a file names."""
    for text in comments_and_docstrings(path):
        for reference in REFERENCE.findall(text):
            yield from re.split(r",\s+", reference)


NUMBERS = re.findall(rf"\(({NUMBER})\)$", SPECIFICATION, re.MULTILINE)
SECTIONS = re.findall(r"^## (\d+)\. ", SPECIFICATION, re.MULTILINE)
NAMED = [(path, reference) for path in KERNELS + DISTRIBUTIONS for reference in references(path)]


def test_the_specification_numbers_its_equations_once() -> None:
    assert list(map(int, SECTIONS)) == [*range(1, 9)]
    assert len(NUMBERS) > 80
    assert len(set(NUMBERS)) == len(NUMBERS)
    assert {number.split(".")[0] for number in NUMBERS} == set(SECTIONS)


def test_kernels_name_equations_of_the_specification() -> None:
    unknown = {
        f"{path.relative_to(ROOT)}: ({reference})"
        for path, reference in NAMED
        for number in reference.split("-")
        if number not in NUMBERS
    }
    assert unknown == set()


def test_every_equation_is_named_by_a_kernel_or_a_distribution() -> None:
    assert [number for number in NUMBERS if number not in {name for _, name in NAMED}] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_named_by_a_kernel(section: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in KERNELS]
    assert any(
        re.search(rf"\b[Ss]ection {section} of (the model|docs/model\.md)", t) for t in texts
    )


def test_a_reference_is_read_from_comments_and_docstrings_only(tmp_path: Path) -> None:
    path = tmp_path / "kernel.py"
    source = '"""Sums (1.1,\n1.4a) and rates (2.1-2.10)."""\nx = float(2.5)  # (3.1)\n'
    path.write_text(source + "# a power of 2 (1), a share (0.5 of it)\n")
    assert list(references(path)) == ["1.1", "1.4a", "2.1-2.10", "3.1"]


def test_the_specification_names_folders_that_are_there() -> None:
    folders = re.findall(r"`(sim/kernels/[\w/]*/)`", SPECIFICATION)
    assert folders
    assert all((ROOT / folder).is_dir() for folder in folders)


SECTION_REFERENCE = r'"([^"]+)"\s+(?:of|in)\s+`?(?:sim/docs/|docs/|sim help )model'


def test_every_section_that_a_text_of_the_package_names_is_there() -> None:
    headings = set(re.findall(r"^#+ (?:(?:\d+)\. )?(.+)$", SPECIFICATION, re.MULTILINE))
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "sim").rglob("*.py")}
    named = {
        (path.name, " ".join(title.split()))
        for path, text in texts.items()
        for title in re.findall(
            r'"([^"]+)"\s+(?:of|in)\s+`?(?:sim/docs/|docs/|sim help )model', text
        )
    }
    assert len(named) >= 4
    assert {(name, title) for name, title in named if title not in headings} == set()
    numbered = {
        (path.name, number)
        for path, text in texts.items()
        for number in re.findall(r"model\.md (\d[\d.]*\d|\d)", text)
    }
    assert {(name, number) for name, number in numbered if number not in SECTIONS} == set()
