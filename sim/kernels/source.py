"""Which version of the model this is; imports no numba, so that a list of runs is quick."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
# What else the draws depend on: declarations, and the plan of what is to be sampled.
_OTHERS = ("fields.py", "inputs.py", "outputs.py", "correlation.py", "plan.py", "rows.py")
# What adds draws up, and stores how far a run has come.
_ENGINE = ("engine.py", "draws.py", "question.py", "sketches.py", "checkpoints.py", "layout.py")


@cache
def source_hash() -> str:
    """Hash of all code on which draws depend, and of numba's version."""
    folders = (Path(__file__).parent, _PACKAGE / "distributions")
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    return _hash([*files, *(_PACKAGE / name for name in _OTHERS)])


@cache
def engine_hash() -> str:
    """Hash of the code that adds draws up: a run goes on only from where the same code came to."""
    return _hash([_PACKAGE / name for name in _ENGINE])


@cache
def package_hash() -> str:
    """Hash of all code: what a run holds is answered from disk only if the same code made it."""
    return _hash(sorted(_PACKAGE.rglob("*.py")))


def _hash(files: list[Path]) -> str:
    digest = hashlib.blake2b(version("numba").encode(), digest_size=8)
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
