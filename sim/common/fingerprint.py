"""Which version of the model this is; imports no numba, so that a list of runs is quick."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
# Folders on which draws depend, those on which compiled code depends, and those of all else that
# a run's folder holds. Parameters enter the name of a run by their resolved values.
_DRAWS = ("model", "distributions", "kernels", "engine", "simulation")
_KERNELS = ("model", "kernels")
_FILES = ("statistics", "tables", "plots", "store")


@cache
def source_hash() -> str:
    """Hash of all code on which draws depend, and of numba's version."""
    return _hash(_DRAWS)


@cache
def kernels_hash() -> str:
    """Hash of all code that is compiled or that compiled code reads, and of numba's version."""
    return _hash(_KERNELS)


@cache
def files_hash() -> str:
    """Hash of the code that makes summaries, tables, figures and files of draws."""
    return _hash(_FILES)


@cache
def package_hash() -> str:
    """Hash of all code."""
    return _hash(("",))


def _hash(folders: tuple[str, ...]) -> str:
    """Hash of the Python files below folders of the package, by their names in it."""
    digest = hashlib.blake2b(version("numba").encode(), digest_size=8)
    for folder in folders:
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            name = path.relative_to(_PACKAGE).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
