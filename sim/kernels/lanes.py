"""Several draws side by side: kernels are written for one draw, and compiled for `LANES` of them.

To numba a number of the model is a vector of the processor, with the arithmetic of a float: the
same operation, rounded in the same way, in every lane. So a formula reads as for one draw, gives
the bits of one draw, and costs about as much for all lanes as for one. What depends on a number
of a draw is told by `where` in place of `if`, and by the functions of `sim.kernels.mathematics`.
Without a compiler a number is an array of so many draws.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core import types as numba_types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

LANES = 8
FOLDED = LANES // 2
types: Any = numba_types  # of which half has types itself
_BITS = ir.VectorType(ir.IntType(64), LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_FOLDED = ir.VectorType(ir.DoubleType(), FOLDED)
ALIGNMENT = LANES * 8  # bytes


def aligned(*shape: int) -> NDArray[np.float64]:
    """Zeros of a shape, in memory that begins where a line of the cache does: loads are faster."""
    size = math.prod(shape)
    memory = np.zeros(size + LANES)
    first = -memory.ctypes.data % ALIGNMENT // 8
    return memory[first : first + size].reshape(shape)


class Number(types.Type):  # type: ignore[misc]
    """One number in each of the lanes."""

    bitwidth = LANES * 64

    def __init__(self) -> None:
        super().__init__(f"Number(lanes={LANES})")

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """A number that is the same in all lanes."""
        return Conversion.promote if isinstance(other, types.Number | types.Boolean) else None

    def unify(self, typingctx: Any, other: Any) -> Any:
        """A variable that is one number here and a number by lane there."""
        return self if isinstance(other, types.Number) else None


class Truth(types.Type):  # type: ignore[misc]
    """True or false in each of the lanes."""

    def __init__(self) -> None:
        super().__init__(f"Truth(lanes={LANES})")

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """What is the same in all lanes."""
        return Conversion.promote if isinstance(other, types.Boolean) else None

    def unify(self, typingctx: Any, other: Any) -> Any:
        """A variable that is the same in all lanes here, and not there."""
        return self if isinstance(other, types.Boolean) else None


class Record(types.Record):  # type: ignore[misc]
    """A record of numbers by lane."""

    def __init__(self, fields: Any, dtype: Any) -> None:
        self.numpy_dtype = dtype
        super().__init__(fields, dtype.itemsize, aligned=False)

    @property
    def dtype(self) -> Any:
        """The dtype of the memory, in which lanes are the last axis."""
        return self.numpy_dtype


NUMBER, TRUTH = Number(), Truth()


@register_default(Number)
class _NumberModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _DOUBLES)


@register_default(Truth)
class _TruthModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.IntType(1), LANES))


register_default(Record)(models.RecordModel)


def spread(builder: Any, scalar: Any) -> Any:
    """A scalar in all lanes."""
    vector = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    vector = builder.insert_element(vector, scalar, ir.Constant(ir.IntType(32), 0))
    places = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(vector, vector, places)


@lower_cast(types.Float, Number)
@lower_cast(types.Integer, Number)
@lower_cast(types.Boolean, Number)
def _spread(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return spread(builder, context.cast(builder, val, fromty, types.float64))


@lower_cast(types.Boolean, Truth)
def _spread_truth(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return spread(builder, context.cast(builder, val, fromty, types.boolean))


def _are_numbers(args: Any) -> bool:
    scalars = (types.Float, types.Integer)
    return NUMBER in args and all(one == NUMBER or isinstance(one, scalars) for one in args)


def _define(name: str, functions: Any, given: Any, made: Any, emit: Any) -> None:
    """Tell numba the type and the machine code of operators."""

    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            numbers = given == NUMBER and _are_numbers(args)
            if numbers or (args and all(one == given for one in args)):
                return signature(made, *[given] * len(args))
            return None

    def lowered(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *args)

    for function, arguments in functions:
        infer_global(function)(type(f"Lanes_{function.__name__}", (Template,), {}))
        lower_builtin(function, *[given] * arguments)(lowered)


def _binary(method: str) -> Any:
    return lambda builder, a, b: getattr(builder, method)(a, b)


def _compared(symbol: str) -> Any:
    if symbol == "!=":  # NaN differs from everything
        return lambda builder, a, b: builder.fcmp_unordered(symbol, a, b)
    return lambda builder, a, b: builder.fcmp_ordered(symbol, a, b)


for _name, _method in {"add": "fadd", "sub": "fsub", "mul": "fmul", "truediv": "fdiv"}.items():
    _both = [(getattr(operator, _name), 2), (getattr(operator, f"i{_name}"), 2)]
    _define(_name, _both, NUMBER, NUMBER, _binary(_method))
for _name, _symbol in {
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
}.items():
    _define(_name, [(getattr(operator, _name), 2)], NUMBER, TRUTH, _compared(_symbol))
for _name in ("and_", "or_"):
    _define(_name, [(getattr(operator, _name), 2)], TRUTH, TRUTH, _binary(_name))
_define("neg", [(operator.neg, 1)], NUMBER, NUMBER, lambda builder, a: builder.fneg(a))


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds and `no` elsewhere, by lane; both are evaluated."""
    return np.where(condition, yes, no)[()]


@intrinsic
def _select(typingctx: Any, condition: Any, yes: Any, no: Any) -> Any:
    """`where`, of numbers by lane."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        given = zip(args[1:], (yes, no), strict=True)
        return builder.select(args[0], *(context.cast(builder, a, t, NUMBER) for a, t in given))

    return NUMBER(condition, yes, no), code


@overload(where, strict=False)
def _where(condition: Any, yes: Any, no: Any) -> Any:
    if condition == TRUTH or NUMBER in (yes, no):
        return lambda condition, yes, no: _select(condition, yes, no)
    return lambda condition, yes, no: yes if condition else no


def in_any_lane(condition: Any) -> bool:
    """Whether a condition holds for some of the draws."""
    return bool(np.any(condition))


@intrinsic
def _some(typingctx: Any, condition: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(condition), code


@overload(in_any_lane, strict=False)
def _in_any_lane(condition: Any) -> Any:
    if condition == TRUTH:
        return lambda condition: _some(condition)
    return lambda condition: condition


def sum_of_lanes(x: Any) -> Any:
    """The sum over all lanes, always in the same order: halves, quarters, ..."""
    while len(x) > 1:
        x = x[: len(x) // 2] + x[len(x) // 2 :]
    return x[0]


@intrinsic
def _sum(typingctx: Any, x: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole, width = args[0], LANES
        while width > 1:
            width //= 2
            halves = [
                builder.shuffle_vector(
                    whole, whole,
                    ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(at, at + width))),
                )
                for at in (0, width)
            ]  # fmt: skip
            whole = builder.fadd(*halves)
        return builder.extract_element(whole, ir.Constant(ir.IntType(32), 0))

    return types.float64(NUMBER), code


@overload(sum_of_lanes, strict=False)
def _sum_of_lanes(x: Any) -> Any:
    return lambda x: _sum(x)


def of_lanes(name: str) -> Any:
    """A function of one number by lane that LLVM has: `sqrt`, `rint`, ..."""

    @intrinsic
    def function(typingctx: Any, x: Any) -> Any:
        def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            declared = ir.FunctionType(_DOUBLES, [_DOUBLES])
            found = cgutils.get_or_insert_function(
                builder.module, declared, f"llvm.{name}.v{LANES}f64"
            )
            return builder.call(found, args)

        return NUMBER(NUMBER), code

    return function


@intrinsic
def power_of_two(typingctx: Any, exponent: Any) -> Any:
    """2^k of whole numbers k by lane, from -1,022 to 1,023."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # Added to 1.5 * 2^52, a whole number stands in the last bits.
        shifted = builder.fadd(
            args[0], spread(builder, ir.Constant(ir.DoubleType(), 1.5 * 2.0**52))
        )
        bits = builder.bitcast(shifted, _BITS)
        bits = builder.add(bits, ir.Constant(_BITS, [1023] * LANES))
        return builder.bitcast(builder.shl(bits, ir.Constant(_BITS, [52] * LANES)), _DOUBLES)

    return NUMBER(NUMBER), code


@intrinsic
def split(typingctx: Any, x: Any) -> Any:
    """Numbers m from 1 to 2 and k such that x = m 2^k; x is positive, finite and normal."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def all_lanes(bits: int) -> Any:
            return ir.Constant(_BITS, [bits] * LANES)

        bits = builder.bitcast(args[0], _BITS)
        within = builder.and_(bits, all_lanes((1 << 52) - 1))
        mantissa = builder.bitcast(builder.or_(within, all_lanes(1023 << 52)), _DOUBLES)
        # In the last bits of 2^52, a whole number is added to it.
        exponent = builder.or_(builder.lshr(bits, all_lanes(52)), all_lanes((1023 + 52) << 52))
        less = spread(builder, ir.Constant(ir.DoubleType(), 2.0**52 + 1023))
        exponent = builder.fsub(builder.bitcast(exponent, _DOUBLES), less)
        return context.make_tuple(builder, sig.return_type, [mantissa, exponent])

    return types.UniTuple(NUMBER, 2)(NUMBER), code


def take_lanes(row: Any, first: int) -> Any:
    """The numbers of an array from `first` on, one in each lane."""
    return row[first : first + LANES].copy()


def put_lanes(number: Any, row: Any, first: int) -> None:
    """Write a number by lane to an array from `first` on."""
    row[first : first + LANES] = number


def put_folded(number: Any, row: Any) -> None:
    """Write the sum of both halves of its lanes to an array of `FOLDED` numbers."""
    row[:] = number[:FOLDED] + number[FOLDED:]


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


@intrinsic
def _take(typingctx: Any, row: Any, first: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, _at(context, builder, sig.args[0], args, _DOUBLES))

    return NUMBER(row, types.intp), code


@intrinsic
def _put(typingctx: Any, number: Any, row: Any, first: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        there = _at(context, builder, sig.args[1], args[1:], _DOUBLES)
        builder.store(args[0], there).align = 8
        return context.get_dummy_value()

    return types.void(NUMBER, row, types.intp), code


def _fold(builder: Any, number: Any) -> Any:
    """The sum of both halves of the lanes."""
    kind = ir.VectorType(ir.IntType(32), FOLDED)
    low, high = (
        builder.shuffle_vector(number, number, ir.Constant(kind, list(range(at, at + FOLDED))))
        for at in (0, FOLDED)
    )
    return builder.fadd(low, high)


@intrinsic
def _put_folded(typingctx: Any, number: Any, row: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        there = _at(context, builder, sig.args[1], (args[1], context.get_constant(types.intp, 0)),
                    _FOLDED)  # fmt: skip
        builder.store(_fold(builder, args[0]), there).align = 8
        return context.get_dummy_value()

    return types.void(NUMBER, row), code


@intrinsic
def _add_folded(typingctx: Any, number: Any, row: Any) -> Any:
    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        there = _at(context, builder, sig.args[1], (args[1], context.get_constant(types.intp, 0)),
                    _FOLDED)  # fmt: skip
        total = builder.fadd(_load(builder, there), _fold(builder, args[0]))
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
        numbers = _load(builder, _at(context, builder, sig.args[1], args[1:], _BITS))
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
def _take_lanes(row: Any, first: Any) -> Any:
    return lambda row, first: _take(row, first)


@overload(put_lanes, strict=False)
def _put_lanes(number: Any, row: Any, first: Any) -> Any:
    return lambda number, row, first: _put(number, row, first)


@overload(put_folded, strict=False)
def _put_folded_lanes(number: Any, row: Any) -> Any:
    return lambda number, row: _put_folded(number, row)


@overload(add_folded, strict=False)
def _add_folded_lanes(number: Any, row: Any) -> Any:
    return lambda number, row: _add_folded(number, row)


@overload(take_rows, strict=False)
def _rows_by_lane(table: Any, rows: Any, first: Any) -> Any:
    return lambda table, rows, first: _take_rows(table, rows, first)


def by_lane(given: Any) -> Any:
    """Arrays and records of floats of which lanes are the last axis, as numbers by lane.

    `given` is one, or a named tuple of them.
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
        fields = [
            (name, {"type": _typed(field.type), "offset": field.offset})
            for name, field in given.fields.items()
        ]
        return Record(fields, given.dtype)
    if isinstance(given.dtype, types.Record):
        return types.Array(_typed(given.dtype), given.ndim, given.layout)
    return types.Array(NUMBER, given.ndim - 1, "C", aligned=False)


def _converted(context: Any, builder: Any, given: Any, made: Any, value: Any) -> Any:
    """The value of type `made` of one of type `given`."""
    if isinstance(given, types.BaseNamedTuple):
        members = cgutils.unpack_tuple(builder, value)
        types_of = zip(given.types, made.types, members, strict=True)
        return context.make_tuple(
            builder, made, [_converted(context, builder, *one) for one in types_of]
        )
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


@intrinsic
def _by_lane(typingctx: Any, given: Any) -> Any:
    made = _typed(given)

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _converted(context, builder, given, made, args[0])

    return made(given), code


@overload(by_lane, strict=False)
def _(given: Any) -> Any:
    return lambda given: _by_lane(given)
