"""Several draws side by side: kernels are written for one draw, and compiled for `LANES` of them.

To numba a number of the model is a vector of the processor, with the arithmetic of a float: the
same operation, rounded in the same way, in every lane. So a formula reads as for one draw, gives
the bits of one draw, and costs about as much for all lanes as for one. What depends on a number
of a draw is told by `where` in place of `if`, and by the functions of `sim.kernels.mathematics`.
Without a compiler a number is an array of so many draws.
"""

from __future__ import annotations

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

LANES = 8
types: Any = numba_types  # of which half has types itself
BITS = ir.VectorType(ir.IntType(64), LANES)
DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


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
        super().__init__(dmm, fe_type, DOUBLES)


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
            declared = ir.FunctionType(DOUBLES, [DOUBLES])
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
        bits = builder.bitcast(shifted, BITS)
        bits = builder.add(bits, ir.Constant(BITS, [1023] * LANES))
        return builder.bitcast(builder.shl(bits, ir.Constant(BITS, [52] * LANES)), DOUBLES)

    return NUMBER(NUMBER), code


@intrinsic
def split(typingctx: Any, x: Any) -> Any:
    """Numbers m from 1 to 2 and k such that x = m 2^k; x is positive, finite and normal."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def all_lanes(bits: int) -> Any:
            return ir.Constant(BITS, [bits] * LANES)

        bits = builder.bitcast(args[0], BITS)
        within = builder.and_(bits, all_lanes((1 << 52) - 1))
        mantissa = builder.bitcast(builder.or_(within, all_lanes(1023 << 52)), DOUBLES)
        # In the last bits of 2^52, a whole number is added to it.
        exponent = builder.or_(builder.lshr(bits, all_lanes(52)), all_lanes((1023 + 52) << 52))
        less = spread(builder, ir.Constant(ir.DoubleType(), 2.0**52 + 1023))
        exponent = builder.fsub(builder.bitcast(exponent, DOUBLES), less)
        return context.make_tuple(builder, sig.return_type, [mantissa, exponent])

    return types.UniTuple(NUMBER, 2)(NUMBER), code
