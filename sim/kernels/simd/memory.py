"""Numbers by lane in memory: arrays and records of which lanes are the last axis, and rows.

Places in rows need not be where a line of the cache begins.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from sim.kernels.simd.vectors import BITS, DOUBLES, LANES, NUMBER, Record, types

FOLDED = LANES // 2
ALIGNMENT = LANES * 8  # bytes
_FOLDED = ir.VectorType(ir.DoubleType(), FOLDED)


def aligned(*shape: int) -> NDArray[np.float64]:
    """Zeros of a shape, in memory that begins where a line of the cache does: loads are faster."""
    size = math.prod(shape)
    memory = np.zeros(size + LANES)
    first = -memory.ctypes.data % ALIGNMENT // 8
    return memory[first : first + size].reshape(shape)


def take_lanes(array: Any, index: Any) -> Any:
    """The numbers of an array from an index on, along its last axis, one in each lane."""
    *row, first = index if isinstance(index, tuple) else (index,)
    return array[(*row, slice(first, first + LANES))].copy()


def put_lanes(number: Any, array: Any, index: Any) -> None:
    """Write a number by lane to an array from an index on, along its last axis."""
    *row, first = index if isinstance(index, tuple) else (index,)
    array[(*row, slice(first, first + LANES))] = number


def add_folded(number: Any, row: Any) -> None:
    """Add the sum of both halves of its lanes to an array of `FOLDED` numbers."""
    row += number[:FOLDED] + number[FOLDED:]


def take_rows(table: Any, rows: Any, first: int) -> Any:
    """The four columns of a table in rows of which the numbers stand in `rows` from `first` on."""
    return tuple(table[rows[first : first + LANES]].T)


def _at(context: Any, builder: Any, array: Any, args: Any, kind: Any) -> Any:
    """A pointer to what stands in memory from a place of an array on, `args`."""
    there = context.make_array(array)(context, builder, args[0])
    found = cgutils.get_item_pointer(context, builder, array, there, args[1:])
    return builder.bitcast(found, kind.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    loaded = builder.load(pointer)
    loaded.align = 8
    return loaded


def _indices(context: Any, builder: Any, kind: Any, index: Any) -> list[Any]:
    """The numbers of an index of an array, which is one or a tuple of them."""
    kinds, numbers = [kind], [index]
    if isinstance(kind, types.BaseTuple):
        kinds, numbers = kind, cgutils.unpack_tuple(builder, index)
    pairs = zip(kinds, numbers, strict=True)
    return [context.cast(builder, number, kind, types.intp) for kind, number in pairs]


@intrinsic
def _take(typingctx: Any, array: Any, index: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        indices = _indices(context, builder, index, args[1])
        return _load(builder, _at(context, builder, array, (args[0], *indices), DOUBLES))

    return NUMBER(array, index), code


@intrinsic
def _put(typingctx: Any, number: Any, array: Any, index: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        indices = _indices(context, builder, index, args[2])
        there = _at(context, builder, array, (args[1], *indices), DOUBLES)
        builder.store(args[0], there).align = 8
        return context.get_dummy_value()

    return types.void(NUMBER, array, index), code


@intrinsic
def _add_folded(typingctx: Any, number: Any, row: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = context.get_constant(types.intp, 0)
        there = _at(context, builder, sig.args[1], (args[1], first), _FOLDED)
        kind = ir.VectorType(ir.IntType(32), FOLDED)
        low, high = (
            builder.shuffle_vector(
                args[0], args[0], ir.Constant(kind, list(range(at, at + FOLDED)))
            )
            for at in (0, FOLDED)
        )
        total = builder.fadd(_load(builder, there), builder.fadd(low, high))
        builder.store(total, there).align = 8
        return context.get_dummy_value()

    return types.void(NUMBER, row), code


@intrinsic
def _take_rows(typingctx: Any, table: Any, rows: Any, first: Any) -> Any:
    """Rows are loaded whole, four at a time, and turned in registers."""
    four = ir.VectorType(ir.DoubleType(), 4)

    def picked(builder: Any, a: Any, b: Any, *places: int) -> Any:
        chosen = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
        return builder.shuffle_vector(a, b, chosen)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        numbers = _load(builder, _at(context, builder, sig.args[1], args[1:], BITS))
        loaded = []
        for lane in range(LANES):
            number = builder.extract_element(numbers, ir.Constant(ir.IntType(32), lane))
            first_of_row = builder.mul(number, ir.Constant(number.type, 4))
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            place = builder.bitcast(builder.gep(data, [first_of_row]), four.as_pointer())
            loaded.append(_load(builder, place))
        turned: list[list[Any]] = [[], [], [], []]
        for at in range(0, LANES, 4):
            even_a, even_b = (picked(builder, *loaded[i : i + 2], 0, 4, 2, 6) for i in (at, at + 2))
            odd_a, odd_b = (picked(builder, *loaded[i : i + 2], 1, 5, 3, 7) for i in (at, at + 2))
            turned[0].append(picked(builder, even_a, even_b, 0, 1, 4, 5))
            turned[1].append(picked(builder, odd_a, odd_b, 0, 1, 4, 5))
            turned[2].append(picked(builder, even_a, even_b, 2, 3, 6, 7))
            turned[3].append(picked(builder, odd_a, odd_b, 2, 3, 6, 7))
        columns = [picked(builder, *halves, *range(LANES)) for halves in turned]
        return context.make_tuple(builder, sig.return_type, columns)

    return types.UniTuple(NUMBER, 4)(table, rows, types.intp), code


@overload(take_lanes, strict=False)
def _take_lanes(array: Any, index: Any) -> Any:
    return lambda array, index: _take(array, index)


@overload(put_lanes, strict=False)
def _put_lanes(number: Any, array: Any, index: Any) -> Any:
    return lambda number, array, index: _put(number, array, index)


@overload(add_folded, strict=False)
def _add_folded_lanes(number: Any, row: Any) -> Any:
    return lambda number, row: _add_folded(number, row)


@overload(take_rows, strict=False)
def _rows_by_lane(table: Any, rows: Any, first: Any) -> Any:
    return lambda table, rows, first: _take_rows(table, rows, first)


def by_lane(given: Any) -> Any:
    """Arrays and records of which lanes are the last axis, as numbers by lane.

    `given` is one, or a named tuple of them. Records of fields without lanes stay as they are.
    """
    return given


def _typed(given: Any) -> Any:
    """The type by lane of a type in which lanes are the last axis."""
    if isinstance(given, types.BaseNamedTuple):
        members = [_typed(member) for member in given.types]
        return types.BaseTuple.from_types(members, given.instance_class)
    if isinstance(given, types.NestedArray):
        shape = given.shape[:-1]
        if not shape:
            return NUMBER
        nested = types.NestedArray(NUMBER, shape)
        nested.aligned = False
        return nested
    if isinstance(given, types.Record):
        if all(isinstance(field.type, types.Float) for field in given.fields.values()):
            return given
        fields = [
            (name, {"type": _typed(field.type), "offset": field.offset})
            for name, field in given.fields.items()
        ]
        return Record(fields, given.dtype)
    if isinstance(given.dtype, types.Record):
        return given.copy(dtype=_typed(given.dtype))
    return types.Array(NUMBER, given.ndim - 1, "C", aligned=False)


def _converted(context: Any, builder: Any, given: Any, made: Any, value: Any) -> Any:
    """The value of type `made` of one of type `given`."""
    if isinstance(given, types.BaseNamedTuple):
        members = cgutils.unpack_tuple(builder, value)
        types_of = zip(given.types, made.types, members, strict=True)
        return context.make_tuple(
            builder, made, [_converted(context, builder, *one) for one in types_of]
        )
    if isinstance(given, types.Record):
        return builder.bitcast(value, context.get_value_type(made))
    old = context.make_array(given)(context, builder, value)
    new = context.make_array(made)(context, builder)
    data = builder.bitcast(old.data, context.get_data_type(made.dtype).as_pointer())
    shape = cgutils.unpack_tuple(builder, old.shape)[: made.ndim]
    strides = cgutils.unpack_tuple(builder, old.strides)[: made.ndim]
    size = context.get_abi_sizeof(context.get_data_type(made.dtype))
    from numba.np.arrayobj import populate_array

    populate_array(
        new, data=data, shape=shape, strides=strides,
        itemsize=context.get_constant(types.intp, size), meminfo=None,
    )  # fmt: skip
    return new._getvalue()


@infer_global(by_lane)
class _ByLane(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(_typed(args[0]), *args)


@lower_builtin(by_lane, types.Any)
def _by_lane(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _converted(context, builder, sig.args[0], sig.return_type, args[0])
