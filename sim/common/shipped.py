"""Files shipped with the package: help pages, formulas and parameters."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
DOCS = _PACKAGE / "docs"
FORMULAS = _PACKAGE / "kernels" / "formulas"


def shipped_parameters() -> Path:
    """The folder of the shipped parameters, of the wheel or the checkout."""
    inside = _PACKAGE / "params"
    return inside if inside.is_dir() else _PACKAGE.parent / "params"


def help_topics() -> dict[str, str]:
    """Topic of `sim help` -> title of its page, in alphabetical order."""
    pages = sorted(DOCS.glob("*.md"))
    return {page.stem: _title(page) for page in pages}


def _title(page: Path) -> str:
    with page.open(encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()
