"""What numba's dispatchers ask of a cache: machine code by function and signature.

numba's own looks at the file of a function, not at the files of the functions it calls (numba issue
1833), and unpickles whatever it finds.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from sim.kernels.cache import cache_folder, read_file, write_file
from sim.kernels.numba_vectors.availability import LANES

_VERSIONS = version("numba"), version("llvmlite"), sys.implementation.cache_tag


def keep_compiled(dispatcher: Any) -> None:
    """Let a compiled function of numba keep its machine code in `cache_folder`."""
    dispatcher._cache = _Entries(dispatcher.py_func, cache_folder())


def is_compiled() -> bool:
    """Whether machine code of this source is cached, or none is needed."""
    uncompiled = bool(numba.config.DISABLE_JIT)
    return uncompiled or any(cache_folder().glob("sim.kernels.loop.run_block*.nbc"))


class _Entries:
    """The cached machine code of a function: what numba's dispatchers ask of a cache."""

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self.cache_path = str(folder)
        line = function.__code__.co_firstlineno
        self._start = folder / f"{function.__module__}.{function.__qualname__}-{line}"

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The machine code for a signature; None if it has to be compiled."""
        target.refresh()
        key = _key(signature, target.codegen())
        content = read_file(self._path(key))
        if content is None:
            return None
        stored_key, result = pickle.loads(content)
        return CompileResult._rebuild(target, *result) if stored_key == key else None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep the machine code for a signature, if it holds no addresses of this process."""
        if not result.library.has_dynamic_globals:
            key = _key(signature, result.library.codegen)
            write_file(self._path(key), dumps((key, result._reduce())))

    def flush(self) -> None:
        """Remove the machine code for all signatures."""
        for path in self._start.parent.glob(f"{self._start.name}.*"):
            path.unlink(missing_ok=True)

    def _path(self, key: tuple[Any, ...]) -> Path:
        """The file for a signature and machine."""
        digest = hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()
        return self._start.with_name(f"{self._start.name}.{digest}.nbc")


def _key(signature: Any, codegen: Any) -> tuple[Any, ...]:
    """What machine code depends on, beside its source."""
    return signature, codegen.magic_tuple(), LANES, *_VERSIONS
