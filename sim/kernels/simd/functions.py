"""Functions of numbers, of one draw or by lane.

Of numbers by lane, exp and log are sums of a few powers after the exponent is split off (Cody and
Waite 1980; Tang 1989): errors of one or two units in the last place, and the same bits on every
machine. Of a single number in compiled code they are the same, in the first lane. Python gets
those of numpy, unless kernels are compiled for one lane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from sim.kernels.jit import jit
from sim.kernels.numba_vectors.availability import LANES
from sim.kernels.simd.vectors import where
from sim.model.blocks import GROUP

if LANES == GROUP:
    from sim.kernels.numba_vectors.intrinsics import first_lane, in_all_lanes
    from sim.kernels.numba_vectors.vector_types import NUMBER
    from sim.kernels.simd.eight_lanes import magnitude, nearest, power_of_two, split, square_root
else:
    from sim.kernels.simd.one_lane import magnitude, nearest, power_of_two, split, square_root

_LOG2_E = 1.4426950408889634

# ln 2 in two parts, of which the first has zeros at its end.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10


@jit
def _expm1_near_zero(r: Any) -> Any:
    """e^r - 1 for |r| up to ln(2)/2.

    Taylor's series, of which the rest is below 2^-56 of it.
    """
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    return p * r * r + r


@jit
def _expm1(x: Any) -> Any:
    within = where(x > 710.0, 710.0, where(x < -40.0, -40.0, x))  # NaN stays NaN
    k = nearest(within * _LOG2_E)
    half_scale = power_of_two(k - 1.0)
    rest = (within - k * _LN2_HIGH) - k * _LN2_LOW
    return (half_scale * _expm1_near_zero(rest) + (half_scale - 0.5)) * 2.0


@jit
def _exp(x: Any) -> Any:
    within = where(x > 710.0, 710.0, where(x < -708.0, -708.0, x))
    k = nearest(within * _LOG2_E)
    half_scale = power_of_two(k - 1.0)
    rest = (within - k * _LN2_HIGH) - k * _LN2_LOW
    result = (half_scale * _expm1_near_zero(rest) + half_scale) * 2.0
    return where(x < -708.0, 0.0, result)  # which would be subnormal


@jit
def _log_of_split(m: Any, k: Any, correction: Any) -> Any:
    """log(m 2^k) + correction, m from 1 to 2."""
    above = m > 1.4142135623730951
    m = where(above, m * 0.5, m)
    k = where(above, k + 1.0, k)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    # 2 atanh(s) = log(m): minimax coefficients of fdlibm's e_log.c.
    p = 1.479819860511658591e-01
    p = p * z + 1.531383769920937332e-01
    p = p * z + 1.818357216161805012e-01
    p = p * z + 2.222219843214978396e-01
    p = p * z + 2.857142874366239149e-01
    p = p * z + 3.999999999940941908e-01
    p = p * z + 6.666666666666735130e-01
    half_square = 0.5 * f * f
    low = k * _LN2_LOW + correction
    return k * _LN2_HIGH - ((half_square - (s * (half_square + p * z) + low)) - f)


@jit
def _log(x: Any) -> Any:
    m, k = split(x)
    result = _log_of_split(m, k, 0.0)
    result = where(x < 2.2250738585072014e-308, -np.inf, result)  # subnormal numbers are 0 here
    result = where(x < 0.0, np.nan, result)
    return where((x < np.inf), result, x)  # NaN, too


@jit
def _log1p(x: Any) -> Any:
    u = 1.0 + x
    # What the sum lost, which counts where x is small.
    lost = where(x > 1.0, 1.0 - (u - x), x - (u - 1.0))
    m, k = split(u)
    result = _log_of_split(m, k, lost / u)
    result = where(x == 0.0, x, result)
    result = where(u <= 0.0, -np.inf, result)
    result = where(x < -1.0, np.nan, result)
    return where(x < np.inf, result, x)


@jit
def _power(x: Any, y: Any) -> Any:
    result = _exp(y * _log(x))
    return where(y == 0.0, 1.0, result)


@jit
def _minimum(a: Any, b: Any) -> Any:
    return where(a != a, a, where(a < b, a, b))


@jit
def _maximum(a: Any, b: Any) -> Any:
    return where(a != a, a, where(a > b, a, b))


def _of_one(of_lanes: Any, of_numpy: Any) -> Callable[[float], float]:
    """A function of one number: `of_lanes` in compiled code, `of_numpy` in Python."""
    if LANES == 1:
        return of_lanes

    def function(x: Any) -> Any:
        return of_numpy(x)

    @overload(function, strict=False)
    def _(x: Any) -> Any:
        if x == NUMBER:
            return lambda x: of_lanes(x)
        return lambda x: first_lane(of_lanes(in_all_lanes(x)))

    return function


def _of_two(of_lanes: Any, of_numpy: Any) -> Callable[[float, float], float]:
    """A function of two numbers: `of_lanes` in compiled code, `of_numpy` in Python."""
    if LANES == 1:
        return of_lanes

    def function(a: Any, b: Any) -> Any:
        return of_numpy(a, b)

    @overload(function, strict=False)
    def _(a: Any, b: Any) -> Any:
        if NUMBER in (a, b):
            return lambda a, b: of_lanes(a, b)
        return lambda a, b: first_lane(of_lanes(in_all_lanes(a), in_all_lanes(b)))

    return function


sqrt = _of_one(square_root, np.sqrt)
absolute = _of_one(magnitude, np.abs)
exp = _of_one(_exp, np.exp)
expm1 = _of_one(_expm1, np.expm1)
log = _of_one(_log, np.log)
log1p = _of_one(_log1p, np.log1p)
minimum = _of_two(_minimum, np.minimum)  # NaN if either is
maximum = _of_two(_maximum, np.maximum)
power = _of_two(_power, np.power)  # a^b for a >= 0


@jit
def is_nan(x: float) -> bool:
    """Whether it is not a number."""
    return x != x


@jit
def next_above(x: float) -> float:
    """The least float above x; NaN and infinity stay."""
    if x == 0.0:
        return 5e-324
    if not x < np.inf:
        return x
    step = np.int64(1) if x > 0.0 else np.int64(-1)
    return np.int64(np.float64(x).view(np.int64) + step).view(np.float64)
