"""Types of numbers and truth values by lane, with casts and operators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.extending import lower_builtin, lower_cast, models, register_model, type_callable

from sim.kernels.numba_vectors.internals import Conversion
from sim.model.blocks import GROUP

types: Any = numba.types  # of which half has types itself
BITS = ir.VectorType(ir.IntType(64), GROUP)
DOUBLES = ir.VectorType(ir.DoubleType(), GROUP)
Emit = Callable[..., Any]  # from a builder and values to the value of an instruction


class Number(types.Type):  # type: ignore[misc]
    """One number in each of the lanes."""

    bitwidth = GROUP * 64

    def __init__(self) -> None:
        super().__init__(f"Number(lanes={GROUP})")

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """Allow a number that is the same in all lanes."""
        return Conversion.promote if isinstance(other, types.Number | types.Boolean) else None

    def unify(self, typingctx: Any, other: Any) -> Any:
        """Type a variable that holds floats and numbers by lane."""
        return self if isinstance(other, types.Number) else None


class Truth(types.Type):  # type: ignore[misc]
    """True or false in each of the lanes."""

    def __init__(self) -> None:
        super().__init__(f"Truth(lanes={GROUP})")

    def can_convert_from(self, typingctx: Any, other: Any) -> Any:
        """Allow a truth value that is the same in all lanes."""
        return Conversion.promote if isinstance(other, types.Boolean) else None

    def unify(self, typingctx: Any, other: Any) -> Any:
        """Type a variable that holds booleans and truth values by lane."""
        return self if isinstance(other, types.Boolean) else None


class Record(types.Record):  # type: ignore[misc]
    """A record of numbers by lane."""

    def __init__(self, fields: Any, dtype: Any) -> None:
        self.numpy_dtype = dtype
        super().__init__(fields, dtype.itemsize, aligned=False)

    @property
    def dtype(self) -> Any:
        """The dtype of the memory; the lane is the last axis."""
        return self.numpy_dtype


NUMBER, TRUTH = Number(), Truth()


@register_model(Number)
class _NumberModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, DOUBLES)


@register_model(Truth)
class _TruthModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.IntType(1), GROUP))


register_model(Record)(models.RecordModel)


def broadcast(builder: Any, scalar: Any) -> Any:
    """Emit a vector that has a scalar in all lanes."""
    vector = ir.Constant(ir.VectorType(scalar.type, GROUP), ir.Undefined)
    vector = builder.insert_element(vector, scalar, ir.Constant(ir.IntType(32), 0))
    lane_0 = ir.Constant(ir.VectorType(ir.IntType(32), GROUP), [0] * GROUP)
    return builder.shuffle_vector(vector, vector, lane_0)


@lower_cast(types.Float, Number)
@lower_cast(types.Integer, Number)
@lower_cast(types.Boolean, Number)
def _broadcast_number(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return broadcast(builder, context.cast(builder, val, fromty, types.float64))


@lower_cast(types.Boolean, Truth)
def _broadcast_truth(context: Any, builder: Any, fromty: Any, toty: Any, val: Any) -> Any:
    return broadcast(builder, context.cast(builder, val, fromty, types.boolean))


def _define_binary(function: Any, operand: Any, result: Any, emit: Emit) -> None:
    """Define an operator on two values of a kind for numba.

    By the type of its result and a function that emits its machine code. One of two numbers may be
    a float or an integer, the same in all lanes.
    """
    scalars = (types.Float, types.Integer) if operand == NUMBER else ()

    @type_callable(function)
    def _type(context: Any) -> Any:
        def typer(a: Any, b: Any) -> Any:
            fits = all(kind == operand or isinstance(kind, scalars) for kind in (a, b))
            return result if fits and operand in (a, b) else None

        return typer

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(args, sig.args, strict=True)
        return emit(builder, *(context.cast(builder, arg, kind, operand) for arg, kind in pairs))

    for other in (operand, *scalars):
        lower_builtin(function, operand, other)(lower)
        if other is not operand:
            lower_builtin(function, other, operand)(lower)


def _instruction(method: str) -> Emit:
    """A function that emits an arithmetic instruction of llvmlite's builder."""
    return lambda builder, a, b: getattr(builder, method)(a, b)


def _comparison(symbol: str) -> Emit:
    """A function that emits a comparison; NaN compares as in Python."""
    if symbol == "!=":  # NaN differs from everything
        return lambda builder, a, b: builder.fcmp_unordered(symbol, a, b)
    return lambda builder, a, b: builder.fcmp_ordered(symbol, a, b)


for _name, _method in {"add": "fadd", "sub": "fsub", "mul": "fmul", "truediv": "fdiv"}.items():
    for _operator in (getattr(operator, _name), getattr(operator, f"i{_name}")):
        _define_binary(_operator, NUMBER, NUMBER, _instruction(_method))
for _name, _symbol in (
    ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!="),
):  # fmt: skip
    _define_binary(getattr(operator, _name), NUMBER, TRUTH, _comparison(_symbol))
for _name in ("and_", "or_"):
    _define_binary(getattr(operator, _name), TRUTH, TRUTH, _instruction(_name))


@type_callable(operator.neg)
def _type_negative(context: Any) -> Any:
    return lambda a: NUMBER if a == NUMBER else None


@lower_builtin(operator.neg, NUMBER)
def _negative(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])
