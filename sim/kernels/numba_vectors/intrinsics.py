"""Functions of vectors as processor instructions, callable in compiled code only."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from sim.kernels.numba_vectors.internals import cgutils, populate_array
from sim.kernels.numba_vectors.vector_types import (
    BITS,
    DOUBLES,
    NUMBER,
    Record,
    broadcast,
    types,
)
from sim.model.blocks import GROUP

HALF = GROUP // 2
_HALF_DOUBLES = ir.VectorType(ir.DoubleType(), HALF)
_INT32 = ir.IntType(32)


def _shuffle(builder: Any, a: Any, b: Any, *lanes: int) -> Any:
    """Emit a vector of chosen lanes of two vectors.

    The lanes of the second are counted on from the first's.
    """
    chosen = ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes)
    return builder.shuffle_vector(a, b, chosen)


# Choices and arithmetic


@intrinsic
def select(typingctx: Any, condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where a condition holds and `no` elsewhere, by lane."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(args[1:], (yes, no), strict=True)
        return builder.select(
            args[0], *(context.cast(builder, arg, kind, NUMBER) for arg, kind in pairs)
        )

    return NUMBER(condition, yes, no), code


@intrinsic
def in_all_lanes(typingctx: Any, x: Any) -> Any:
    """A number in every lane."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.cast(builder, args[0], x, NUMBER)

    return NUMBER(x), code


@intrinsic
def first_lane(typingctx: Any, x: Any) -> Any:
    """The number in the first lane."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], ir.Constant(_INT32, 0))

    return types.float64(NUMBER), code


@intrinsic
def any_lane(typingctx: Any, condition: Any) -> Any:
    """Whether a condition holds in some lane."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(GROUP))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(condition), code


@intrinsic
def lane_sum(typingctx: Any, x: Any) -> Any:
    """The sum over all lanes: of halves, quarters, then neighbours."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, width = args[0], GROUP
        while width > 1:
            width //= 2
            low = _shuffle(builder, vector, vector, *range(width))
            high = _shuffle(builder, vector, vector, *range(width, 2 * width))
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, ir.Constant(_INT32, 0))

    return types.float64(NUMBER), code


def _llvm_function(name: str) -> Any:
    """A function of one number that LLVM has for vectors."""

    @intrinsic
    def function(typingctx: Any, x: Any) -> Any:
        def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(DOUBLES, [DOUBLES])
            declared = cgutils.get_or_insert_function(
                builder.module, kind, f"llvm.{name}.v{GROUP}f64"
            )
            return builder.call(declared, args)

        return NUMBER(NUMBER), code

    return function


square_root, nearest, magnitude = map(_llvm_function, ("sqrt", "rint", "fabs"))


@intrinsic
def power_of_two(typingctx: Any, exponent: Any) -> Any:
    """2^k of integers k by lane, from -1,022 to 1,023."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # Added to 1.5 * 2^52, an integer stands in the last bits.
        shifted = builder.fadd(
            args[0], broadcast(builder, ir.Constant(ir.DoubleType(), 1.5 * 2.0**52))
        )
        bits = builder.bitcast(shifted, BITS)
        bits = builder.add(bits, ir.Constant(BITS, [1023] * GROUP))
        return builder.bitcast(builder.shl(bits, ir.Constant(BITS, [52] * GROUP)), DOUBLES)

    return NUMBER(NUMBER), code


@intrinsic
def split(typingctx: Any, x: Any) -> Any:
    """Numbers m from 1 to 2 and k such that x = m 2^k.

    x is positive, finite and normal.
    """

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def all_lanes(bits: int) -> Any:
            return ir.Constant(BITS, [bits] * GROUP)

        bits = builder.bitcast(args[0], BITS)
        within = builder.and_(bits, all_lanes((1 << 52) - 1))
        mantissa = builder.bitcast(builder.or_(within, all_lanes(1023 << 52)), DOUBLES)
        # In the last bits of 2^52, an integer is added to it.
        exponent = builder.or_(builder.lshr(bits, all_lanes(52)), all_lanes((1023 + 52) << 52))
        bias = broadcast(builder, ir.Constant(ir.DoubleType(), 2.0**52 + 1023))
        exponent = builder.fsub(builder.bitcast(exponent, DOUBLES), bias)
        return context.make_tuple(builder, sig.return_type, [mantissa, exponent])

    return types.UniTuple(NUMBER, 2)(NUMBER), code


# Memory; no address need be a multiple of more than 8 bytes


def _indices(context: Any, builder: Any, kind: Any, index: Any) -> list[Any]:
    """Emit the numbers of an array's index, an integer or a tuple."""
    kinds, numbers = [kind], [index]
    if isinstance(kind, types.BaseTuple):
        kinds, numbers = kind, cgutils.unpack_tuple(builder, index)
    pairs = zip(kinds, numbers, strict=True)
    return [context.cast(builder, number, of, types.intp) for of, number in pairs]


def _pointer(context: Any, builder: Any, array: Any, value: Any, indices: Any, kind: Any) -> Any:
    """Emit a pointer to the memory of an array from an index on.

    It points to values of the LLVM type `kind`.
    """
    struct = context.make_array(array)(context, builder, value)
    item = cgutils.get_item_pointer(context, builder, array, struct, indices)
    return builder.bitcast(item, kind.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    loaded = builder.load(pointer)
    loaded.align = 8
    return loaded


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """Load the numbers of an array from an index on.

    One in each lane, along the last axis.
    """

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        indices = _indices(context, builder, index, args[1])
        return _load(builder, _pointer(context, builder, array, args[0], indices, DOUBLES))

    return NUMBER(array, index), code


@intrinsic
def store(typingctx: Any, number: Any, array: Any, index: Any) -> Any:
    """Write a number by lane to an array from an index on."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        indices = _indices(context, builder, index, args[2])
        pointer = _pointer(context, builder, array, args[1], indices, DOUBLES)
        builder.store(args[0], pointer).align = 8
        return context.get_dummy_value()

    return types.void(NUMBER, array, index), code


@intrinsic
def add_halves(typingctx: Any, number: Any, row: Any) -> Any:
    """Add the sum of a vector's halves to an array [HALF]."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = context.get_constant(types.intp, 0)
        pointer = _pointer(context, builder, row, args[1], [first], _HALF_DOUBLES)
        low = _shuffle(builder, args[0], args[0], *range(HALF))
        high = _shuffle(builder, args[0], args[0], *range(HALF, GROUP))
        total = builder.fadd(_load(builder, pointer), builder.fadd(low, high))
        builder.store(total, pointer).align = 8
        return context.get_dummy_value()

    return types.void(NUMBER, row), code


@intrinsic
def load_rows(typingctx: Any, table: Any, rows: Any, first: Any) -> Any:
    """Load rows of a table [row, 4] as its four columns.

    The numbers of rows stand in `rows` from `first` on. Rows are loaded one by one, and four of
    them are transposed in registers.
    """
    four = ir.VectorType(ir.DoubleType(), 4)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        indices = _indices(context, builder, first, args[2])
        numbers = _load(builder, _pointer(context, builder, rows, args[1], indices, BITS))
        data = context.make_array(table)(context, builder, args[0]).data
        loaded = []
        for lane in range(GROUP):
            number = builder.extract_element(numbers, ir.Constant(_INT32, lane))
            offset = builder.mul(number, ir.Constant(number.type, 4))
            pointer = builder.bitcast(builder.gep(data, [offset]), four.as_pointer())
            loaded.append(_load(builder, pointer))
        parts: list[list[Any]] = [[], [], [], []]  # [column][four lanes]
        for lane in range(0, GROUP, 4):
            pairs = [loaded[lane : lane + 2], loaded[lane + 2 : lane + 4]]
            even = [_shuffle(builder, *pair, 0, 4, 2, 6) for pair in pairs]
            odd = [_shuffle(builder, *pair, 1, 5, 3, 7) for pair in pairs]
            parts[0].append(_shuffle(builder, *even, 0, 1, 4, 5))
            parts[1].append(_shuffle(builder, *odd, 0, 1, 4, 5))
            parts[2].append(_shuffle(builder, *even, 2, 3, 6, 7))
            parts[3].append(_shuffle(builder, *odd, 2, 3, 6, 7))
        columns = [_shuffle(builder, *halves, *range(GROUP)) for halves in parts]
        return context.make_tuple(builder, sig.return_type, columns)

    return types.UniTuple(NUMBER, 4)(table, rows, first), code


def type_by_lane(kind: Any) -> Any:
    """The type by lane of one whose last axis is the lane.

    Records of numbers, which have no lanes, keep their type.
    """
    if isinstance(kind, types.BaseNamedTuple):
        members = [type_by_lane(member) for member in kind.types]
        return types.BaseTuple.from_types(members, kind.instance_class)
    if isinstance(kind, types.NestedArray):
        shape = kind.shape[:-1]
        if not shape:
            return NUMBER
        nested = types.NestedArray(NUMBER, shape)
        nested.aligned = False
        return nested
    if isinstance(kind, types.Record):
        if all(isinstance(field.type, types.Number) for field in kind.fields.values()):
            return kind
        fields = [
            (name, {"type": type_by_lane(field.type), "offset": field.offset})
            for name, field in kind.fields.items()
        ]
        return Record(fields, kind.dtype)
    if isinstance(kind.dtype, types.Record):
        return kind.copy(dtype=type_by_lane(kind.dtype))
    return types.Array(NUMBER, kind.ndim - 1, "C", aligned=False)


def convert_by_lane(context: Any, builder: Any, kind: Any, by_lane: Any, value: Any) -> Any:
    """Emit a value of type `by_lane` from one of type `kind`.

    Both are the same memory. Arrays come back without a reference to their owner, which callers
    keep alive.
    """
    if isinstance(kind, types.BaseNamedTuple):
        members = zip(kind.types, by_lane.types, cgutils.unpack_tuple(builder, value), strict=True)
        converted = [convert_by_lane(context, builder, *member) for member in members]
        return context.make_tuple(builder, by_lane, converted)
    if isinstance(kind, types.Record):
        return builder.bitcast(value, context.get_value_type(by_lane))
    old = context.make_array(kind)(context, builder, value)
    new = context.make_array(by_lane)(context, builder)
    item = context.get_data_type(by_lane.dtype)
    populate_array(
        new,
        data=builder.bitcast(old.data, item.as_pointer()),
        shape=cgutils.unpack_tuple(builder, old.shape)[: by_lane.ndim],
        strides=cgutils.unpack_tuple(builder, old.strides)[: by_lane.ndim],
        itemsize=context.get_constant(types.intp, context.get_abi_sizeof(item)),
        meminfo=None,
    )
    return new._getvalue()
