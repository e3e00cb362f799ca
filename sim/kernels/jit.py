"""The decorator of compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import numba

from sim.kernels.cache import keep_compiled
from sim.kernels.numba_vectors.availability import OPTIONS

Function = TypeVar("Function", bound=Callable[..., Any])

# Functions of fewer bytes of Python code become part of their callers before types are inferred;
# to compile each on its own takes a third longer. It changes no bit of the results.
_INLINED_BELOW = 400
config: Any = numba.config  # numba sets its attributes at run time


def jit(function: Function) -> Function:
    """Compile on first call: IEEE arithmetic, no GIL, cached by content."""
    small = len(function.__code__.co_code) < _INLINED_BELOW
    return _compiled(function, "always" if small else "never")


def jit_not_inlined(function: Function) -> Function:
    """`jit`, but one copy of the machine code for all callers."""
    return _compiled(function, "never")


def jit_allocating(function: Function) -> Function:
    """`jit_not_inlined` of a function that makes arrays."""
    return _compiled(function, "never", _nrt=True)


def _compiled(function: Function, inline: Literal["always", "never"], **options: bool) -> Function:
    """The function as a dispatcher of numba that is cached."""
    options = OPTIONS | options if OPTIONS else {}
    compiled = numba.njit(nogil=True, error_model="numpy", inline=inline, **options)(function)
    if not config.DISABLE_JIT:
        keep_compiled(compiled)
    return cast(Function, compiled)
