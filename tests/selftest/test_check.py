"""The ways to make a check."""

from __future__ import annotations

import math

import numpy as np

from sim.selftest import check


def test_checks_of_nan_fail() -> None:
    nan = math.nan
    assert not check.printed("", nan, "1.0").ok
    assert not check.within_error("", nan, 1.0, 1.0).ok
    assert not check.within_error("", 1.0, nan, 1.0).ok
    assert not check.at_most("", nan, 1.0).ok
    assert not check.same("", [np.zeros(2)], [np.zeros(3)]).ok
    assert check.same("", [np.zeros(2)], [np.zeros(2)]).ok
