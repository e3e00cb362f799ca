"""The sources that a run relies on, as text, BibTeX and CSL-JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

FORMATS = ("text", "bibtex", "csl-json")
NO_SOURCE = ("judgement",)  # ids that are no publications
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def cite(about: Mapping[str, Any], form: str) -> str:
    """The sources of a run and the run itself, in one of the `FORMATS`.

    Args:
        about: `sources` (id -> title, publisher, date, url, accessed, grade), `inputs` (id -> full
            names of the inputs that name it), and of the run `scenario`, `digest`, `draws`, `seed`,
            `sampler`, `version`, `started`.
        form: The format.

    Raises:
        ValueError: For another format.
    """
    if form not in FORMATS:
        raise ValueError(f"expected {', '.join(FORMATS)}, got '{form}'")
    entries = _entries(about)
    if form == "csl-json":
        return json.dumps([_csl(entry) for entry in entries], indent=1, ensure_ascii=False)
    if form == "bibtex":
        return "\n\n".join(map(_bibtex, entries))
    return "\n".join(map(_text, entries))


def _entries(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """Plain entries, sources by id, and the run at the end."""
    entries = []
    for name, source in sorted(about["sources"].items()):
        if name in NO_SOURCE:
            continue
        used: Sequence[str] = about["inputs"].get(name, ())
        shown = ", ".join(used[:3]) + (f" and {len(used) - 3} more" if len(used) > 3 else "")
        grade = f"Grade {source['grade']}" if source.get("grade") else ""
        note = "; ".join(filter(None, (grade, f"for {shown}" if shown else "")))
        keys = ("title", "publisher", "date", "url", "accessed")
        entries.append(
            {"id": name, **{key: str(source.get(key, "")) for key in keys}, "note": note}
        )
    run = about
    entries.append(
        {
            "id": f"{run['scenario']}-{run['digest']}",
            "title": f"Token economics, simulated: scenario {run['scenario']}, run {run['digest']}",
            "publisher": f"token-economics-sim {run['version']}",
            "date": str(run.get("started", ""))[:10],
            "url": "",
            "accessed": "",
            "note": f"{run['draws']:,} draws, sampler {run['sampler']}, seed {run['seed']}",
        }
    )
    return entries


def _text(entry: Mapping[str, str]) -> str:
    """One line: publisher, title, date, address, note."""
    date = f" ({entry['date']})" if entry["date"] else ""
    seen = f", accessed {entry['accessed']}" if entry["accessed"] else ""
    address = f" {entry['url']}{seen}." if entry["url"] else ""
    note = f" {entry['note']}." if entry["note"] else ""
    return f"[{entry['id']}] {entry['publisher']}{date}. {entry['title']}.{address}{note}"


def _bibtex(entry: Mapping[str, str]) -> str:
    """An entry @misc, of which texts are escaped for TeX."""
    fields = {
        "title": f"{{{_tex(entry['title'])}}}",
        "author": f"{{{_tex(entry['publisher'])}}}",
        "year": entry["date"][:4],
        "date": entry["date"],
        "url": entry["url"],
        "urldate": entry["accessed"],
        "note": _tex(entry["note"]),
    }
    lines = [f"  {key} = {{{value}}}" for key, value in fields.items() if value.strip("{}")]
    return f"@misc{{{_key(entry['id'])},\n" + ",\n".join(lines) + "\n}"


def _csl(entry: Mapping[str, str]) -> dict[str, Any]:
    """An item of CSL-JSON."""
    item: dict[str, Any] = {
        "id": entry["id"],
        "type": "webpage" if entry["url"] else "software",
        "title": entry["title"],
        "author": [{"literal": entry["publisher"]}],
        "note": entry["note"],
    }
    if entry["url"]:
        item["URL"] = entry["url"]
    for key, name in (("date", "issued"), ("accessed", "accessed")):
        parts = [int(part) for part in re.findall(r"\d+", entry[key])][:3]
        if parts:
            item[name] = {"date-parts": [parts]}
    return item


def _tex(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def _key(text: str) -> str:
    """A key of BibTeX: ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9-]+", "-", plain)
