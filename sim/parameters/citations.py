"""The sources that a run relies on, as text, BibTeX and CSL-JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

FORMATS = ("text", "bibtex", "csl-json")
NO_SOURCE = ("judgement",)  # ids that are no publications
_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")  # a year, a month or a day
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
    found = entries(about)
    if form == "csl-json":
        return json.dumps([_csl(entry) for entry in found], indent=1, ensure_ascii=False)
    if form == "bibtex":
        return "\n\n".join(map(_bibtex, found, _keys(found)))
    return "\n".join(map(_text, found))


def entries(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """The sources of a run by id, and the run itself at the end.

    Returns:
        Of each its id, type (as of CSL), title, publisher, date, url, accessed and note, texts that
        may be empty.
    """
    found = []
    for name, source in sorted(about["sources"].items()):
        if name in NO_SOURCE:
            continue
        used: Sequence[str] = about["inputs"].get(name, ())
        shown = ", ".join(used[:3]) + (f" and {len(used) - 3} more" if len(used) > 3 else "")
        grade = f"Grade {source['grade']}" if source.get("grade") else ""
        note = "; ".join(filter(None, (grade, f"for {shown}" if shown else "")))
        keys = ("title", "publisher", "date", "url", "accessed")
        found.append(
            {
                "id": name,
                "type": "webpage" if source.get("url") else "document",
                **{key: str(source.get(key, "")) for key in keys},
                "note": note,
            }
        )
    run = about
    found.append(
        {
            "id": f"{run['scenario']}-{run['digest']}",
            "type": "software",
            "title": f"Token economics, simulated: scenario {run['scenario']}, run {run['digest']}",
            "publisher": f"token-economics-sim {run['version']}",
            "date": str(run.get("started", ""))[:10],
            "url": "",
            "accessed": "",
            "note": f"{run['draws']:,} draws, sampler {run['sampler']}, seed {run['seed']}",
        }
    )
    return found


def _text(entry: Mapping[str, str]) -> str:
    """One line: publisher, title, date, address, note."""
    date = f" ({entry['date']})" if entry["date"] else ""
    seen = f", accessed {entry['accessed']}" if entry["accessed"] else ""
    address = f" {entry['url']}{seen}." if entry["url"] else ""
    note = f" {entry['note']}." if entry["note"] else ""
    title = entry["title"] if entry["title"][-1:] in tuple(".?!") else f"{entry['title']}."
    return f"[{entry['id']}] {entry['publisher']}{date}. {title}{address}{note}"


def _bibtex(entry: Mapping[str, str], key: str) -> str:
    """An entry @misc, of which texts are escaped for TeX."""
    fields = {
        "title": f"{{{_tex(entry['title'])}}}",
        "author": f"{{{_tex(entry['publisher'])}}}",
        "year": year[0] if (year := re.search(r"\b\d{4}\b", entry["date"])) else "",
        "date": entry["date"] if _DATE.fullmatch(entry["date"]) else "",
        "url": re.sub(r"[{}\\\\\s]", lambda m: quote(m[0]), entry["url"]),
        "urldate": entry["accessed"],
        "note": _tex(entry["note"]),
    }
    lines = [f"  {key} = {{{value}}}" for key, value in fields.items() if value.strip("{}")]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def _csl(entry: Mapping[str, str]) -> dict[str, Any]:
    """An item of CSL-JSON."""
    item: dict[str, Any] = {
        "id": entry["id"],
        "type": entry["type"],
        "title": entry["title"],
        "author": [{"literal": entry["publisher"]}],
        "note": entry["note"],
    }
    if entry["url"]:
        item["URL"] = entry["url"]
    for key, name in (("date", "issued"), ("accessed", "accessed")):
        if match := _DATE.fullmatch(entry[key]):
            item[name] = {"date-parts": [[int(part) for part in match.groups() if part]]}
        elif entry[key]:
            item[name] = {"literal": entry[key]}
    return item


def _tex(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)


def _keys(entries: Sequence[Mapping[str, str]]) -> list[str]:
    """A key of BibTeX for each entry, all different: ASCII letters, digits and hyphens."""
    keys: list[str] = []
    taken: set[str] = set()  # in small letters, as BibTeX compares them
    for entry in entries:
        letters = unicodedata.normalize("NFKD", entry["id"]).encode("ascii", "ignore").decode()
        base = re.sub(r"[^A-Za-z0-9]+", "-", letters).strip("-") or "source"
        key, number = base, 1
        while key.lower() in taken:
            number += 1
            key = f"{base}-{number}"
        taken.add(key.lower())
        keys.append(key)
    return keys
