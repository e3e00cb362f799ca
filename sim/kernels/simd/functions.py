"""Functions of numbers, of one draw or by lane: those of numpy, and the same in a few operations.

By lane, exp and log are sums of a few powers after the exponent is split off (Cody and Waite
1980; Tang 1989): errors of one or two units in the last place, and the same bits on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from sim.kernels.jit import jit
from sim.kernels.simd.vectors import NUMBER, of_lanes, power_of_two, split, where

_LOG2_E = 1.4426950408889634


# ln 2 in two parts, of which the first has zeros at its end.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_root = of_lanes("sqrt")
_nearest = of_lanes("rint")
_magnitude = of_lanes("fabs")


def sqrt(x: float) -> float:
    """Square root."""
    return np.sqrt(x)


def minimum(a: float, b: float) -> float:
    """The smaller number; NaN if either is."""
    return np.minimum(a, b)


def maximum(a: float, b: float) -> float:
    """The larger number; NaN if either is."""
    return np.maximum(a, b)


def absolute(x: float) -> float:
    """The number without its sign."""
    return abs(x)


def is_nan(x: float) -> bool:
    """Whether it is not a number."""
    return x != x


def exp(x: float) -> float:
    """e^x."""
    return np.exp(x)


def expm1(x: float) -> float:
    """e^x - 1."""
    return np.expm1(x)


def log(x: float) -> float:
    """Natural logarithm."""
    return np.log(x)


def log1p(x: float) -> float:
    """log(1 + x)."""
    return np.log1p(x)


def power(a: float, b: float) -> float:
    """a^b for a >= 0."""
    return np.power(a, b)


@jit
def _expm1_near_zero(r: Any) -> Any:
    """e^r - 1 for |r| up to ln(2)/2: Taylor's series, of which the rest is below 2^-56 of it."""
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
def _lanes_expm1(x: Any) -> Any:
    within = where(x > 710.0, 710.0, where(x < -40.0, -40.0, x))  # NaN stays NaN
    k = _nearest(within * _LOG2_E)
    half_scale = power_of_two(k - 1.0)
    rest = (within - k * _LN2_HIGH) - k * _LN2_LOW
    return (half_scale * _expm1_near_zero(rest) + (half_scale - 0.5)) * 2.0


@jit
def _lanes_exp(x: Any) -> Any:
    within = where(x > 710.0, 710.0, where(x < -708.0, -708.0, x))
    k = _nearest(within * _LOG2_E)
    half_scale = power_of_two(k - 1.0)
    rest = (within - k * _LN2_HIGH) - k * _LN2_LOW
    found = (half_scale * _expm1_near_zero(rest) + half_scale) * 2.0
    return where(x < -708.0, 0.0, found)  # which would be subnormal


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
def _lanes_log(x: Any) -> Any:
    m, k = split(x)
    found = _log_of_split(m, k, 0.0)
    found = where(x < 2.2250738585072014e-308, -np.inf, found)  # subnormal numbers are 0 here
    found = where(x < 0.0, np.nan, found)
    return where((x < np.inf), found, x)  # NaN, too


@jit
def _lanes_log1p(x: Any) -> Any:
    u = 1.0 + x
    # What the sum lost, which counts where x is small.
    lost = where(x > 1.0, 1.0 - (u - x), x - (u - 1.0))
    m, k = split(u)
    found = _log_of_split(m, k, lost / u)
    found = where(x == 0.0, x, found)
    found = where(u <= 0.0, -np.inf, found)
    found = where(x < -1.0, np.nan, found)
    return where(x < np.inf, found, x)


@jit
def _lanes_power(x: Any, y: Any) -> Any:
    found = exp(y * log(x))
    return where(y == 0.0, 1.0, found)


@jit
def _lanes_minimum(a: Any, b: Any) -> Any:
    return where(a != a, a, where(a < b, a, b))


@jit
def _lanes_maximum(a: Any, b: Any) -> Any:
    return where(a != a, a, where(a > b, a, b))


@overload(is_nan, strict=False)
def _is_nan(x: Any) -> Any:
    return lambda x: x != x


def _compiled(function: Any, by_lane: Any, of_numpy: Any) -> None:
    """Tell numba what a function of one number is, by lane and else."""

    @overload(function, strict=False)
    def chosen(x: Any) -> Any:
        return (lambda x: by_lane(x)) if x == NUMBER else (lambda x: of_numpy(x))


def _compiled_of_two(function: Any, by_lane: Any, of_numpy: Any) -> None:
    """Tell numba what a function of two numbers is, by lane where one is, and else."""

    @overload(function, strict=False)
    def chosen(a: Any, b: Any) -> Any:
        lanes = NUMBER in (a, b)
        return (lambda a, b: by_lane(a, b)) if lanes else (lambda a, b: of_numpy(a, b))


_compiled(sqrt, _root, np.sqrt)
_compiled(absolute, _magnitude, np.abs)
_compiled(exp, _lanes_exp, np.exp)
_compiled(expm1, _lanes_expm1, np.expm1)
_compiled(log, _lanes_log, np.log)
_compiled(log1p, _lanes_log1p, np.log1p)
_compiled_of_two(minimum, _lanes_minimum, np.minimum)
_compiled_of_two(maximum, _lanes_maximum, np.maximum)
_compiled_of_two(power, _lanes_power, np.power)
