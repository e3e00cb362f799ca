"""What was meant by a command that does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.common.errors import Fault, InputError, Location
from sim.common.text import most_similar, plain

# Commands, and the words of other programs and of the field for what they do.
WORDS = {
    "check": ("lint", "validate"),
    "cite": ("bibliography", "bibtex", "citation", "references", "sources"),
    "compare": ("attribute", "attribution", "delta", "diff", "difference", "versus", "vs"),
    "describe": ("info", "inputs", "outputs", "parameters", "params"),
    "export": ("csv", "dump", "parquet", "save", "zarr"),
    "help": ("docs", "man", "manual"),
    "list": ("ls", "runs"),
    "plot": ("chart", "draw", "figure", "figures", "picture", "pictures"),
    "rm": ("clean", "del", "delete", "prune", "remove"),
    "run": ("calculate", "simulate", "start"),
    "selftest": ("test", "verify-install"),
    "sensitivity": ("drivers", "importance", "shapley", "sobol", "tornado"),
    "show": ("cat", "claims", "open", "print", "table", "tables", "view"),
    "sweep": ("grid", "scan"),
    "trace": ("debug", "explain", "replay"),
    "voi": ("evpi", "evppi", "evsi", "information", "research"),
    "watch": ("follow", "live"),
}


def unknown_command(word: str, commands: Sequence[str]) -> InputError:
    """The error of a command that does not exist, with what could have been meant.

    A word of another program, a name that is much alike, or a parameter file.
    """
    meant = {synonym: command for command, words in WORDS.items() for synonym in words}
    known = {name: name for name in commands}
    known |= {word: command for word, command in meant.items() if command in commands}
    found = known.get(word.lower()) or _file_of(word)
    if not found and (similar := most_similar(word.lower(), [*known])):
        found = known[similar]
    hint = f"; did you mean 'sim {found}'?" if found else "; sim --help lists them"
    return InputError([Fault(Location(f"sim {plain(word)}"), "", f"no such command{hint}")])


def _file_of(word: str) -> str:
    """The command that runs a parameter file of this name; "" without one."""
    from sim.parameters.document import known_files

    if Path(word).suffix == ".toml" and Path(word).is_file():
        return f"run {word}"
    path = known_files(Path(word)).get(Path(word).stem)
    return f"run {path}" if path and Path(word).suffix in ("", ".toml") else ""
