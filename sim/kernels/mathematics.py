"""Functions of numbers, of one draw or by lane: those of numpy, and the same in a few operations.

By lane, exp and log are sums of a few powers after the exponent is split off (Cody and Waite
1980; Tang 1989): errors of one or two units in the last place, and the same bits on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from sim.kernels.jit import jit
from sim.kernels.lanes import NUMBER, of_lanes, power_of_two, split, where

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


def power(x: float, y: float) -> float:
    """x^y for x >= 0."""
    return np.power(x, y)


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


@overload(sqrt, strict=False)
def _sqrt(x: Any) -> Any:
    return (lambda x: _root(x)) if x == NUMBER else (lambda x: np.sqrt(x))


@overload(minimum, strict=False)
def _minimum(a: Any, b: Any) -> Any:
    lanes = NUMBER in (a, b)
    return (lambda a, b: _lanes_minimum(a, b)) if lanes else (lambda a, b: np.minimum(a, b))


@overload(maximum, strict=False)
def _maximum(a: Any, b: Any) -> Any:
    lanes = NUMBER in (a, b)
    return (lambda a, b: _lanes_maximum(a, b)) if lanes else (lambda a, b: np.maximum(a, b))


@overload(absolute, strict=False)
def _absolute(x: Any) -> Any:
    return (lambda x: _magnitude(x)) if x == NUMBER else (lambda x: abs(x))


@overload(is_nan, strict=False)
def _is_nan(x: Any) -> Any:
    return lambda x: x != x


@overload(exp, strict=False)
def _exp(x: Any) -> Any:
    return (lambda x: _lanes_exp(x)) if x == NUMBER else (lambda x: np.exp(x))


@overload(expm1, strict=False)
def _expm1(x: Any) -> Any:
    return (lambda x: _lanes_expm1(x)) if x == NUMBER else (lambda x: np.expm1(x))


@overload(log, strict=False)
def _log(x: Any) -> Any:
    return (lambda x: _lanes_log(x)) if x == NUMBER else (lambda x: np.log(x))


@overload(log1p, strict=False)
def _log1p(x: Any) -> Any:
    return (lambda x: _lanes_log1p(x)) if x == NUMBER else (lambda x: np.log1p(x))


@overload(power, strict=False)
def _power(x: Any, y: Any) -> Any:
    lanes = NUMBER in (x, y)
    return (lambda x, y: _lanes_power(x, y)) if lanes else (lambda x, y: x**y)
