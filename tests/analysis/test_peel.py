"""Boxes of percentiles: known answers."""

from __future__ import annotations

import numpy as np

from sim.analysis.peel import choose, peel

DRAWS = 20_000


def corner() -> tuple[np.ndarray, np.ndarray]:
    ranks = np.random.default_rng(5).random((5, DRAWS))
    return ranks, (ranks[0] > 0.7) & (ranks[1] < 0.5)


def test_a_corner_is_found_and_no_other_input_is_bounded() -> None:
    ranks, event = corner()
    fit, held = slice(0, None, 2), slice(1, None, 2)
    box = choose(peel(ranks[:, fit], event[fit], 4), ranks[:, fit], event[fit])
    assert box.restricted == (0, 1)
    np.testing.assert_allclose((box.low[0], box.high[1]), (0.7, 0.5), atol=0.02)
    assert (box.high[0], box.low[1]) == (1.0, 0.0)
    densities = []
    for part in (fit, held):
        inside = box.contains(ranks[:, part])
        densities.append(event[part][inside].mean())
        assert densities[-1] > 0.97
        assert inside[event[part]].mean() > 0.97
    error = np.sqrt(0.03 * 0.97 / (0.15 * DRAWS / 2))
    assert abs(densities[0] - densities[1]) < 3 * error


def test_no_more_inputs_are_bounded_than_there_may_be_conditions() -> None:
    ranks = np.random.default_rng(6).random((5, 4096))
    event = (ranks > 0.4).all(axis=0)
    for conditions in (1, 2, 4):
        assert max(len(box.restricted) for box in peel(ranks, event, conditions)) == conditions


def test_equal_values_of_a_discrete_input_stay_together() -> None:
    ranks = np.random.default_rng(7).integers(0, 3, (2, 4096)) / 2
    event = ranks[0] == 1
    box = choose(peel(ranks, event, 2), ranks, event)
    assert box.restricted == (0,)
    assert (box.contains(ranks) == event).all()
