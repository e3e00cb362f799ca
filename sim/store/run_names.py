"""Names of runs that several share, and what tells those runs apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.common.errors import Fault, InputError, Location
from sim.common.text import in_words, plain
from sim.store import manifest
from sim.store.leftovers import RUN_NAME

SET = "--set"  # what changed a parameter, in a manifest
_MOST_NAMED, _MOST_CHANGES, _LONGEST_NAME = 12, 3, 100


def several_runs(name: str, runs: Sequence[Path]) -> InputError:
    """The error of a name that several runs have: how to name one, and a line on each.

    Args:
        name: What was asked for.
        runs: The folders of the runs, two or more.
    """
    names = sorted(run.name for run in runs)
    example = _shortest_beginning(names[0], names[1:])
    message = (
        f"{len(runs)} runs are called so: give the name of one, or enough of it, as in {example}"
    )
    faults = [Fault(Location(name), "", message)]
    shown = sorted(runs)[:_MOST_NAMED]
    faults += [Fault(Location(run.name), "", _describe(run)) for run in shown]
    if len(runs) > len(shown):
        rest = f"and {len(runs) - len(shown)} more: sim list names all"
        faults.append(Fault(Location(f"{shown[-1].name}, ..."), "", rest))
    return InputError(faults)


def given_name(folder: Path) -> str:
    """The name that `sim run --name` gave to a run; "" without one."""
    try:
        return str(manifest.read(folder).get("name") or "")
    except InputError:
        return ""


def name_fault(name: str) -> str:
    """Why a run cannot be called so; "" where it can."""
    if not name or name != plain(name).strip() or len(name) > _LONGEST_NAME:
        return f"expected a name of at most {_LONGEST_NAME} characters"
    if Path(name).name != name or name.startswith(".") or name.endswith(".toml"):
        return f"'{name}' looks like a path: expected a name such as higher-rent"
    if name == "latest" or RUN_NAME.fullmatch(name):
        return f"'{name}' means another run: expected a name such as higher-rent"
    return ""


def source_file(about: dict[str, Any]) -> str:
    """The parameter file that a run was made of, as its manifest names it; "" where it does not."""
    name, files = about.get("scenario"), about.get("files")
    paths = [path for path in files if isinstance(path, str)] if isinstance(files, list) else []
    # Those that extend each other stand before those of labs and landlords, the root first.
    same = [path for path in paths if Path(path).stem == name and not _is_party(Path(path))]
    return same[-1] if same else ""


def chain_of(about: dict[str, Any]) -> list[str]:
    """The parameter files that a run was made of, each extending the next, by its manifest.

    Without those of labs and landlords.
    """
    files = about.get("files")
    paths = [path for path in files if isinstance(path, str)] if isinstance(files, list) else []
    return [path for path in paths if not _is_party(Path(path))][::-1]


def changes_by_set(about: dict[str, Any]) -> dict[str, Any]:
    """The keys that `--set` changed, with their values, by the manifest of a run."""
    entries = about.get("overrides")
    changes = [entry for entry in entries if isinstance(entry, dict)] if entries else []
    return {
        str(entry.get("key")): entry.get("after") for entry in changes if entry.get("by") == SET
    }


def describe_difference(chain: Sequence[str], changes: Mapping[str, Any]) -> str:
    """How a run differs from its file, in words: the files that this extends, and `--set`.

    Of more than three changes, the number of the others. "" where it does not differ.
    """
    texts = [" on ".join(Path(path).name for path in chain)] if len(chain) > 1 else []
    shown = list(changes.items())[:_MOST_CHANGES]
    sets = [f"{SET} {key}={in_words(value)}" for key, value in shown]
    if len(changes) > len(shown):
        sets.append(f"and {len(changes) - len(shown)} more")
    return ", ".join([*texts, *sets])


def _is_party(path: Path) -> bool:
    return path.parent.name in ("labs", "landlords")


def _shortest_beginning(name: str, others: Sequence[str]) -> str:
    """The shortest beginning of a name, past its last hyphen, that no other name has."""
    for length in range(name.rfind("-") + 2, len(name)):
        if not any(other.startswith(name[:length]) for other in others):
            return name[:length]
    return name


def _describe(run: Path) -> str:
    """Draws, seed, time, file and changed parameters of a run, as its manifest has them."""
    try:
        about = manifest.read(run)
    except InputError:
        return "is damaged"
    started = str(about.get("started", ""))[:16].replace("T", " ")
    texts = [f"{about['draws']:,} draws", f"seed {about['seed']}", about["sampler"]]
    texts += [f"started {started}"] if started else []
    texts += [f"of {path}"] if (path := source_file(about)) else []
    entries = about.get("overrides")
    entries = entries if isinstance(entries, list) else []
    changes = [entry for entry in entries if isinstance(entry, dict)]
    texts += [_change(entry) for entry in changes[:_MOST_CHANGES]]
    if len(changes) > _MOST_CHANGES:
        texts.append(f"and {len(changes) - _MOST_CHANGES} other changes")
    return ", ".join(texts)


def _change(entry: dict[str, Any]) -> str:
    return f"{entry.get('key')} = {in_words(entry.get('after'))}"
