"""The compiled functions that Python calls: shipped machine code, or else numba's.

A shipped function takes one pointer, to a block of 64-bit numbers: its arguments one after the
other. A scalar is a number; an array is its size, the bytes of an item, its address, its shape and
its strides; a record is its address, and a named tuple its members. The manifest describes them.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import struct
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from sim.kernels.shipped.load import Library, library, numba_reason
from sim.model.blocks import GROUP

_BITS = 2**64 - 1
_WRONG = -(2**20)  # fewer arguments than can be
_AS_FLOAT, _AS_NUMBER = struct.Struct("d"), struct.Struct("Q")
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


class Entry:
    """A compiled function, found when it is first called."""

    def __init__(self, room: str, name: str) -> None:
        self.room, self.name = room, name
        self._function: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the function.

        Raises:
            TypeError: If an argument is not as the shipped function's description says.
        """
        if self._function is None:
            shipped = library()
            self._function = self.source() if shipped is None else shipped_function(shipped, self)
        return self._function(*arguments)

    def source(self) -> Callable[..., Any]:
        """The function that numba compiles."""
        function: Callable[..., Any] = getattr(importlib.import_module(self.room), self.name)
        return function


run_blocks = Entry("sim.kernels.loop", "run_blocks")
sample_tiles = Entry("sim.kernels.loop", "sample_tiles")
fold_moments = Entry("sim.kernels.loop", "fold_moments")
fold_blocks = Entry("sim.kernels.loop", "fold_blocks")
take_finite = Entry("sim.kernels.histograms", "take_finite")
choose_edges = Entry("sim.kernels.histograms", "choose_edges")
lay_out = Entry("sim.kernels.histograms", "lay_out")
add_to_bins = Entry("sim.kernels.histograms", "add_to_bins")
find_nan = Entry("sim.kernels.histograms", "find_nan")
add_events = Entry("sim.kernels.events", "add_events")
sum_by_block = Entry("sim.kernels.order_statistics", "sum_by_block")
add_up = Entry("sim.kernels.order_statistics", "add_up")
add_squared_deviations = Entry("sim.kernels.order_statistics", "add_squared_deviations")
take_between = Entry("sim.kernels.order_statistics", "take_between")


def all_entries() -> dict[str, Entry]:
    """Name -> entry, of every compiled function that Python calls."""
    return {name: value for name, value in globals().items() if isinstance(value, Entry)}


def lanes() -> int:
    """The number of draws that kernels compute side by side: 8, or 1 without numba's vectors."""
    if library() is not None:
        return GROUP
    from sim.kernels.numba_vectors.availability import LANES

    return LANES


def has_to_compile() -> bool:
    """Whether numba has to compile the kernels, which takes up to a minute."""
    if library() is not None:
        return False
    from sim.kernels.numba_cache import is_compiled

    return not is_compiled()


def which_kernels() -> str:
    """The kernels that run, in words."""
    reason = numba_reason()
    return f"compiled by numba {version('numba')} ({reason})" if reason else "shipped"


def describe_argument(value: Any) -> str:
    """The numbers by which a block holds an argument, in words.

    Of an array dtype, number of axes, and C where its rows follow one another.
    """
    if isinstance(value, tuple):
        return ", ".join(describe_argument(part) for part in value)
    if isinstance(value, np.ndarray):
        kind = f"record of {value.itemsize}" if value.dtype.names else value.dtype.str
        return f"{kind}[{value.ndim}]" + ("C" if value.flags.c_contiguous else "")
    if isinstance(value, np.record):
        return f"record of {value.nbytes}"
    return "float" if isinstance(value, float) else "integer"


def shipped_function(shipped: Library, entry: Entry) -> Callable[..., Any]:
    """A shipped function as Python calls it."""
    expected, result = shipped.descriptions[entry.name]
    leaves = [_leaf(text) for text in expected]
    call = _FUNCTION(shipped.addresses[entry.name])
    call.library = shipped  # type: ignore[attr-defined]  # which keeps the code in memory

    def function(*arguments: Any) -> Any:
        numbers: list[int] = [0]  # the result
        if _flatten(arguments, iter(leaves), numbers) != len(leaves):
            got = ", ".join(describe_argument(value) for value in arguments)
            raise TypeError(f"{entry.name}: expected {', '.join(expected)}; got {got}")
        block = (ctypes.c_uint64 * len(numbers))(*numbers)
        status = call(block)
        if status:
            raise RuntimeError(f"{entry.name} failed with status {status}")
        if not result:
            return None
        return struct.unpack("d" if result == "float" else "q", bytes(block)[:8])[0]

    return function


class _Leaf(NamedTuple):
    """What an argument has to be that is no tuple, as its description says.

    `kind` is the dtype of an array, the size of an array's or a single record, or "float" or
    "integer".
    """

    kind: np.dtype[Any] | int | str
    axes: int  # of an array, else -1
    contiguous: bool


def _leaf(text: str) -> _Leaf:
    """What `describe_argument` describes by a text."""
    described = re.fullmatch(r"(record of )?([^\[]+)(?:\[(\d)\](C?))?", text)
    assert described is not None, text
    record, kind, axes, contiguous = described.groups()
    if axes is None:
        return _Leaf(int(kind) if record else kind, -1, False)
    return _Leaf(int(kind) if record else np.dtype(kind), int(axes), contiguous == "C")


def _flatten(values: tuple[Any, ...], leaves: Iterator[_Leaf], numbers: list[int]) -> int:
    """Append the numbers of arguments.

    Returns:
        How many there are that are no tuples; less than 0 if one is not as its leaf says.
    """
    count = 0
    for value in values:
        if isinstance(value, tuple):
            count += _flatten(value, leaves, numbers)
            continue
        leaf = next(leaves, None)
        if leaf is None:
            return _WRONG
        if isinstance(value, np.ndarray):
            kind = value.itemsize if value.dtype.names else value.dtype
            if value.ndim != leaf.axes or kind != leaf.kind:
                return _WRONG
            if leaf.contiguous and not value.flags.c_contiguous:
                return _WRONG
            numbers += (value.size, value.itemsize, value.__array_interface__["data"][0])
            numbers += value.shape
            numbers += [stride & _BITS for stride in value.strides]
        elif isinstance(value, np.record):
            if leaf.axes >= 0 or value.nbytes != leaf.kind:
                return _WRONG
            numbers.append(value.__array_interface__["data"][0])
        elif isinstance(value, float):
            if leaf.axes >= 0 or leaf.kind != "float":  # to numpy "float" is a dtype
                return _WRONG
            numbers.append(_float_bits(value))
        else:
            if leaf.axes >= 0 or leaf.kind != "integer":
                return _WRONG
            numbers.append(int(value) & _BITS)
        count += 1
    return count


def _float_bits(value: float) -> int:
    """The bits of a float as a number."""
    bits: int = _AS_NUMBER.unpack(_AS_FLOAT.pack(value))[0]
    return bits
