"""Fingerprints of the code: hashes of its folders.

Nothing here imports numba, so that runs are listed quickly.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
# Folders that determine draws, compiled code, and the other files of a run folder. Parameters
# enter the name of a run by their resolved values.
_DRAWS = ("model", "distributions", "kernels", "engine", "simulation")
_KERNELS = ("model", "kernels")
_SHIPPED = "kernels/shipped/"  # is made of the others
_FILES = ("expressions", "statistics", "tables", "plots", "store")


@cache
def source_hash() -> str:
    """Hash of the code that determines draws."""
    return _hash(_DRAWS)


@cache
def kernels_hash() -> str:
    """Hash of the code behind compiled kernels."""
    return _hash(_KERNELS, without=_SHIPPED)


@cache
def files_hash() -> str:
    """Hash of the code of summaries, tables, figures and run folders."""
    return _hash(_FILES)


@cache
def package_hash() -> str:
    """Hash of all code."""
    return _hash(("",))


def _hash(folders: tuple[str, ...], without: str = "\0") -> str:
    """Hash of relative paths and contents of Python files below some folders.

    Whatever the ends of their lines; `without` those of one folder.
    """
    digest = hashlib.blake2b(digest_size=8)
    for folder in folders:
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            name = path.relative_to(_PACKAGE).as_posix()
            if not name.startswith(without):
                content = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()
