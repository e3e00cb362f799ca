"""Numbers of histogram bins, and indices of values that are not finite."""

from __future__ import annotations

BINS = 2048
PER_COARSE = 16  # bins of a coarse bin; draws are counted by replicate in coarse bins
COARSE_BINS = BINS // PER_COARSE
NAN, LOWER, UPPER = range(3)  # indices of the counts of NaN, -inf and +inf
