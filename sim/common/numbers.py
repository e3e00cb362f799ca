"""Numbers rounded by their Monte Carlo error."""

from __future__ import annotations

import math

LARGE = 1e7  # from which on zeros are not counted by eye


def significant(value: float, digits: int) -> str:
    """A number to some significant digits, without an exponent if large."""
    if abs(value) < 10.0**digits:
        return f"{value:.{digits}g}"
    return f"{round(value, digits - 1 - math.floor(math.log10(abs(value)))):.0f}"


def rounded_by(value: float, error: float) -> tuple[str, str]:
    """Round a value by its error, and the error to one digit.

    The value has three significant digits where the error is unknown (not finite), and four where
    it is zero. Both are returned as texts, from ten million on with an exponent; the error is ""
    where it is unknown.
    """
    if not math.isfinite(value):
        return str(value), ""
    if not math.isfinite(error):
        return significant(value, 3), ""
    if error <= abs(value) * 1e-12:
        return significant(value, 4), "0"
    digits = -int(f"{error:.0e}".split("e")[1])
    if digits < 0 and abs(value) >= LARGE:
        mantissa = max(0, digits + math.floor(math.log10(abs(value))))
        return f"{value:.{mantissa}e}", f"{error:.0e}"
    if digits < 0:
        return f"{round(value, digits):.0f}", f"{round(error, digits):.0f}"
    return f"{value:.{digits}f}", f"{error:.{digits}f}"


def percentage(share: float, error: float, draws: int) -> tuple[str, str]:
    """A share of draws and its error, in percent.

    `< 3/n` stands for a share of none of n draws, `> 1 - 3/n` for a share of all: 3/n, rounded up,
    is the upper end of a 95 % interval (rule of three). The error is "" there.
    """
    if share not in (0.0, 1.0):
        return rounded_by(100 * share, 100 * error)
    return bounded(share, draws, 100), ""


def bounded(share: float, draws: int, total: int = 1) -> str:
    """The bound of a share of none or all draws; see `percentage`.

    `share` is 0 or 1. `total` is the share of all draws: 1, or 100 for percent.
    """
    bound = min(float(total), 3 * total / draws)
    digits = -math.floor(math.log10(bound))
    bound = math.ceil(round(bound * 10**digits, 9)) / 10**digits
    sign, limit = ("<", bound) if share == 0.0 else (">", total - bound)
    return f"{sign} {limit:.{max(0, digits)}f}"
