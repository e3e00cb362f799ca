"""The bins of histograms, and what is counted of numbers that are not finite."""

from __future__ import annotations

BINS = 2048
PER_COARSE = 16  # bins that are one where they are counted by replicate
COARSE_BINS = BINS // PER_COARSE
NAN, LOWER, UPPER = range(3)  # the places of what is not finite
