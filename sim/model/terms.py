"""Terms of sums over draws."""

from __future__ import annotations

# What is added up of a draw x and a number c: x, (x - c)^2, |x - c|, max(x - c, 0), max(c - x, 0),
# and 1 where x <= c.
VALUE, SQUARE, DISTANCE, EXCESS, SHORTFALL, AT_MOST = range(6)
