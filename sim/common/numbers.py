"""Numbers rounded by their Monte Carlo error."""

from __future__ import annotations

import math


def significant(value: float, digits: int) -> str:
    """A number to so many significant digits, large ones written out."""
    if abs(value) < 10.0**digits:
        return f"{value:.{digits}g}"
    return f"{round(value, digits - 1 - math.floor(math.log10(abs(value)))):.0f}"


def rounded_by(value: float, error: float) -> tuple[str, str]:
    """A value to the digits that its error leaves, and the error to one digit.

    Three significant digits where there is no error to go by; four where the error is nil.
    """
    if not math.isfinite(value):
        return str(value), ""
    if not math.isfinite(error):
        return significant(value, 3), ""
    if error <= abs(value) * 1e-12:
        return significant(value, 4), "0"
    digits = -int(f"{error:.0e}".split("e")[1])
    if digits < 0:
        return f"{round(value, digits):.0f}", f"{round(error, digits):.0f}"
    return f"{value:.{digits}f}", f"{error:.{digits}f}"


def percentage(share: float, error: float, draws: int) -> tuple[str, str]:
    """A share of draws in percent, and its error; `< 3/n` where none shows it, `> 1 - 3/n` if all.

    Three in n, rounded up, is the upper end of a 95 % interval (rule of three).
    """
    if share not in (0.0, 1.0):
        return rounded_by(100 * share, 100 * error)
    return bounded(share, draws, 100), ""


def bounded(share: float, draws: int, whole: int = 1) -> str:
    """What is known of a share of which none or all of the draws are, see `percentage`.

    `whole` is what all draws are called: 1, or 100 for percent.
    """
    bound = min(float(whole), 3 * whole / draws)
    digits = -math.floor(math.log10(bound))
    bound = math.ceil(round(bound * 10**digits, 9)) / 10**digits
    sign, limit = ("<", bound) if share == 0.0 else (">", whole - bound)
    return f"{sign} {limit:.{max(0, digits)}f}"
