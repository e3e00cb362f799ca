from __future__ import annotations

import math

import numpy as np
import pytest

from sim.statistics.replicates import Replicates, replicated, standard_error
from sim.statistics.sums import (
    AT_MOST,
    DISTANCE,
    EXCESS,
    SHORTFALL,
    SQUARE,
    VALUE,
    count_by_block,
    form_term,
    sum_squared_deviations,
    sum_terms,
    sum_terms_by_block,
)

SIZES = [*range(1, 140), 255, 256, 257, 1_000, 3_125, 99_999, 100_000]


def make_rows(draws: int) -> np.ndarray:
    return np.random.default_rng(draws).lognormal(size=(2, draws))


@pytest.mark.parametrize("term", [VALUE, SQUARE, DISTANCE])
def test_sums_have_the_bits_of_numpy(term: int) -> None:
    for draws in SIZES:
        rows, numbers = make_rows(draws), np.array([1.25, 0.3])
        expected = form_term(rows, term, numbers[:, None]).sum(axis=-1)
        assert sum_terms(rows, term, numbers).tolist() == expected.tolist(), draws


@pytest.mark.parametrize("term", [VALUE, SQUARE, DISTANCE, EXCESS, SHORTFALL, AT_MOST])
def test_sums_of_blocks_have_the_bits_of_numpy(term: int) -> None:
    for draws in (1, 7, 31, 32, 33, 64, 95, 3_200, 4_009):
        rows, number = make_rows(draws), 1.25
        terms = form_term(rows, term, number)
        blocks = [terms[:, begin : begin + 32].sum(axis=-1) for begin in range(0, draws, 32)]
        actual = sum_terms_by_block(rows, term, number)
        assert actual.tolist() == np.stack(blocks, axis=-1).tolist(), draws


def test_sums_of_values_that_are_not_finite_are_those_of_numpy() -> None:
    rows = np.ones((3, 300))
    rows[0, 5], rows[1, 250], rows[2, 7], rows[2, 8] = math.nan, math.inf, math.inf, -math.inf
    with np.errstate(invalid="ignore"):
        for term in (VALUE, SQUARE, DISTANCE):
            expected = form_term(rows, term, 0.5).sum(axis=-1)
            np.testing.assert_array_equal(sum_terms(rows, term, 0.5), expected)
        for term in (EXCESS, SHORTFALL):
            expected = form_term(rows[:, :32], term, math.inf).sum(axis=-1)
            actual = sum_terms_by_block(rows[:, :32], term, math.inf)
            np.testing.assert_array_equal(actual[:, 0], expected)
    counts = sum_terms_by_block(rows, AT_MOST, 2.0).sum(axis=-1)
    assert counts.tolist() == [299, 299, 299]  # neither NaN nor infinity; -infinity is


def test_squared_deviations_have_the_bits_of_numpy() -> None:
    for count in (8, 32, 313, 3_125):
        rows = make_rows(count)
        weight = np.random.default_rng(1).dirichlet(np.ones(count))
        deviation = weight * (rows - (weight * rows).sum(axis=-1, keepdims=True))
        expected = (deviation**2).sum(axis=-1)
        assert sum_squared_deviations(rows, weight).tolist() == expected.tolist()


def test_flags_are_counted_by_block() -> None:
    for draws in (1, 31, 32, 33, 640, 1_001):
        flags = np.random.default_rng(draws).random((2, 3, draws)) < 0.7
        expected = [flags[..., k : k + 32].sum(axis=-1) for k in range(0, draws, 32)]
        np.testing.assert_array_equal(count_by_block(flags), np.stack(expected, axis=-1))
    assert count_by_block(np.ones(64, bool)).tolist() == [32, 32]


@pytest.mark.parametrize("sampler", ["random", "stratified", "sobol"])
@pytest.mark.parametrize("draws", [64, 1_000, 1_024])
def test_means_of_terms_are_means_of_what_is_formed(sampler: str, draws: int) -> None:
    rows, numbers = make_rows(draws), np.array([1.25, 0.3])
    left_out = replicated(draws, sampler)
    in_order = Replicates(left_out.count, sampler, np.argsort(left_out.of_draws(), kind="stable"))
    for replicates in (left_out, in_order):
        for term in (VALUE, SQUARE, EXCESS, SHORTFALL, AT_MOST):
            expected = replicates.means(form_term(rows, term, numbers[:, None]))
            actual = replicates.means_of_term(rows, term, numbers, 0)
            np.testing.assert_allclose(actual, expected, rtol=1e-14)
            pooled = replicates.means_of_term(rows, term, 1.25, 1)
            expected = replicates.means(form_term(rows, term, 1.25)).mean(axis=0)
            np.testing.assert_allclose(pooled, expected, rtol=1e-14)


def test_standard_error_is_the_same_in_any_order_of_memory() -> None:
    replicates = replicated(32 * 313, "stratified")
    values = np.random.default_rng(3).normal(size=(4, 313))
    expected = standard_error(values, replicates).tolist()
    assert standard_error(np.asfortranarray(values), replicates).tolist() == expected
