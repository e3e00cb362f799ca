"""Moments keep their digits: means and squared deviations beside those of exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sim.kernels import loop
from sim.kernels.simd.vectors import GROUP
from sim.model.blocks import BLOCK

Array = np.ndarray[Any, Any]
EPSILON = float(np.finfo(float).eps)
# Columns [column, draw]: spread out, far from 0, all but constant, constant, and one draw apart.
SHAPES = {
    "spread": lambda rng: rng.normal(size=(8, BLOCK)),
    "far from 0": lambda rng: 1e8 + rng.normal(size=(8, BLOCK)),
    "negative": lambda rng: -1e3 - rng.random(size=(8, BLOCK)),
    "a bit apart": lambda rng: 0.1 + 2.0**-56 * rng.integers(0, 3, (8, BLOCK)),
    "constant": lambda rng: np.repeat(rng.normal(size=(8, 1)), BLOCK, axis=1),
    "one draw apart": lambda rng: np.where(np.arange(BLOCK) == 9, 1e6, rng.random((8, 1))),
}


def exact(row: Array) -> tuple[Fraction, Fraction]:
    """Mean and sum of squared deviations."""
    values = [Fraction(x) for x in row.tolist()]
    mean = sum(values, Fraction(0)) / max(len(values), 1)
    return mean, sum(((x - mean) ** 2 for x in values), Fraction(0))


def assert_close(mean: float, m2: float, row: Array, steps: int = 0) -> None:
    """Within some units in the last place of the largest value, and of the spread.

    Deviations from a centre are as wrong as that is far from the mean. A mean that moves in
    `steps` brings with each an error of a unit times the deviation.
    """
    exact_mean, exact_m2 = exact(row)
    unit = EPSILON * float(np.abs(row).max(initial=0.0))
    assert abs(mean - float(exact_mean)) <= (4 + steps) * unit
    assert m2 >= 0.0
    moved = 16 * steps * unit * (float(np.ptp(row)) + unit) if steps else 0.0
    allowed = 64 * EPSILON * float(exact_m2) + row.size * (4 * unit) ** 2 + moved
    assert abs(m2 - float(exact_m2)) <= allowed


def by_block(values: Array, counted: Array) -> tuple[Array, Array]:
    """Means and squared deviations [column] of a block, as the loop adds them up."""
    columns = np.arange(len(values), dtype=np.uint64)
    centre, (sums, squares) = np.zeros(columns.size), np.zeros((2, columns.size, GROUP // 2))
    size = 0.0
    for begin in range(0, BLOCK, GROUP):
        group = np.ascontiguousarray(values[:, begin : begin + GROUP])
        own = counted[begin : begin + GROUP].astype(float)
        if own.any():
            loop.add_moments(group, columns, own, own.sum(), size, centre, sums, squares)
        size += own.sum()
    mean, m2 = np.full((2, columns.size), np.nan)
    loop.finish_moments(centre, sums, squares, size, mean, m2)
    return mean, m2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_moments_of_a_block_are_those_of_exact_arithmetic(shape: str, share: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        values = SHAPES[shape](rng)
        counted = rng.random(BLOCK) < share
        for mean, m2, row in zip(*by_block(values, counted), values, strict=True):
            assert_close(mean, m2, row[counted])


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_of_a_sequence_are_those_of_exact_arithmetic(shape: str) -> None:
    rng = np.random.default_rng(4)
    values = SHAPES[shape](rng)[:, None, :] + np.zeros((8, GROUP, 1))
    counted = rng.random((GROUP, BLOCK)) < 0.7  # [sequence, its draws]
    columns = np.arange(8, dtype=np.uint64)
    size, (mean, m2) = np.zeros(GROUP), np.zeros((2, 8, GROUP))
    for draw in range(BLOCK):
        group = np.ascontiguousarray(values[:, :, draw])
        loop.add_to_moments(group, columns, counted[:, draw].astype(float), size, mean, m2)
    np.testing.assert_array_equal(size, counted.sum(axis=1))
    for column in range(8):
        for sequence in range(GROUP):
            row = values[column, sequence, counted[sequence]]
            found = mean[column, sequence], m2[column, sequence]
            assert_close(*found, row, steps=row.size)


@pytest.mark.parametrize("shape", SHAPES)
def test_folded_moments_are_those_of_all_draws(shape: str) -> None:
    """Parts of other sizes, some empty, in several steps: more weight for the larger."""
    rng = np.random.default_rng(5)
    values = SHAPES[shape](rng)[0]
    for cuts in ((8, 8, 16), (0, 0, 3, 3, 30), (31,), (1, 2, 3), (0,), (5, 6, 6, 20)):
        parts = np.split(values, cuts)
        sizes, (mean, m2) = np.zeros(1, np.int64), np.zeros((2, 1, 1))
        for part in parts:
            own_mean, own_m2 = exact(part)
            more = np.array([part.size])
            loop.fold_moments(
                sizes, mean, m2, more, np.array([[float(own_mean)]]), np.array([[float(own_m2)]])
            )
        assert sizes[0] == values.size
        assert_close(float(mean[0, 0]), float(m2[0, 0]), values, steps=len(parts))
