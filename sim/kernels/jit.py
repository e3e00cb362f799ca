"""The decorator of compiled functions, and their cache.

numba's own cache looks at the file of a function, not at the files of the functions it calls (numba
issue 1833), so an edited formula could be answered with old code. Here the cache folder is named by
what the machine code depends on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba
import platformdirs

from sim.common.fingerprint import kernels_hash
from sim.kernels.numba_vectors.availability import LANES, OPTIONS
from sim.kernels.numba_vectors.group import GROUP

Function = TypeVar("Function", bound=Callable[..., Any])
_FOLDERS_KEPT = 8

# Functions of fewer bytes of Python code become part of their callers before types are inferred;
# to compile each on its own takes a third longer. It changes no bit of the results.
_INLINED_BELOW = 400
config: Any = numba.config  # numba sets its attributes at run time


@cache
def cache_folder() -> Path:
    """The folder that holds the machine code of exactly this source.

    Folders of other sources are pruned, the oldest first.
    """
    configured = os.environ.get("NUMBA_CACHE_DIR")
    root = Path(configured) if configured else Path(platformdirs.user_cache_dir("token-economics"))
    folder = root / _folder_name()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:  # a read-only home: compile in each process's own temporary folder
        return Path(tempfile.mkdtemp(prefix="token-economics-kernels-"))
    others = sorted(root.glob("kernels-*"), key=lambda path: path.stat().st_mtime)
    for stale in others[:-_FOLDERS_KEPT]:
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    return folder


def _folder_name() -> str:
    """The name of the cache folder, by source and number of lanes."""
    return f"kernels-{kernels_hash()}" + ("" if LANES == GROUP else f"-{LANES}")


def cache_lasts() -> bool:
    """Whether the next process finds what this one compiles."""
    return cache_folder().name == _folder_name()


def is_compiled() -> bool:
    """Whether machine code of this source is cached, or none is needed."""
    return bool(config.DISABLE_JIT) or any(cache_folder().rglob("loop.run_block*.nbc"))


def jit(function: Function) -> Function:
    """Compile on first call: IEEE arithmetic, no GIL, cached by content."""
    small = len(function.__code__.co_code) < _INLINED_BELOW
    return _compiled(function, "always" if small else "never")


def jit_not_inlined(function: Function) -> Function:
    """`jit`, but one copy of the machine code for all callers."""
    return _compiled(function, "never")


def _compiled(function: Function, inline: Literal["always", "never"]) -> Function:
    """The function as a dispatcher of numba that caches in `cache_folder`."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        compiled: Any = numba.njit(
            nogil=True, error_model="numpy", cache=True, inline=inline, **OPTIONS
        )(function)
    finally:
        config.CACHE_DIR = before
    return cast(Function, compiled)
