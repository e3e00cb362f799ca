"""Shapley values over edits: known answers, identities, orders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.analysis.attribution import Attribution, attribute
from sim.analysis.edited_worlds import Point

Model = Callable[..., float]


def of(
    model: Model, before: tuple[float, ...], after: tuple[float, ...], **options: int
) -> Attribution:
    """Attribute the change of a formula to its arguments."""

    def value(edits: frozenset[int]) -> Point:
        arguments = [after[i] if i in edits else before[i] for i in range(len(before))]
        return Point(np.array([model(*arguments)]), np.zeros((1, 1)))

    return attribute(value, len(before), **options)  # type: ignore[arg-type]


def test_margin_formula_has_its_known_attribution() -> None:
    """1 - ab/c from (1, 2, 5) to (1.2, 1.5, 4)."""
    found = of(lambda a, b, c: 1 - a * b / c, (1, 2, 5), (1.2, 1.5, 4))
    assert found.total[0] == pytest.approx(-0.05, abs=1e-12)
    expected = [-0.07833333333333, 0.12416666666667, -0.09583333333333]
    np.testing.assert_allclose(found.parts[:, 0], expected, atol=1e-12)
    np.testing.assert_allclose(found.first[:, 0], [-0.08, 0.10, -0.10], atol=1e-12)
    np.testing.assert_allclose(found.last[:, 0], [-0.075, 0.15, -0.09], atol=1e-12)
    assert found.pairs == [(0, 1), (0, 2), (1, 2)]
    np.testing.assert_allclose(found.interactions[:, 0], [0.0225, -0.0175, 0.0275], atol=1e-12)


def test_a_product_is_shared_at_the_mean_of_the_other_factor() -> None:
    found = of(lambda a, b: a * b, (2.0, 3.0), (5.0, 7.0))
    np.testing.assert_allclose(found.parts[:, 0], [3 * (3 + 7) / 2, 4 * (2 + 5) / 2], atol=1e-12)


def test_an_edit_that_acts_only_with_another_has_half_of_their_effect() -> None:
    found = of(lambda a, b: a * b, (0.0, 0.0), (1.0, 1.0))
    assert found.first[:, 0].tolist() == [0.0, 0.0]
    assert found.parts[:, 0].tolist() == [0.5, 0.5]


def test_an_edit_that_changes_nothing_has_exactly_no_part() -> None:
    """Whether subsets or orders are evaluated."""
    before, after = (1.0,) * 10, tuple(range(2, 12))
    for exact in (10, 2):
        found = of(lambda *x: math.prod(x[:9]) ** 0.25, before, after, exact=exact)
        assert found.parts[9, 0] == 0.0
        assert found.order_errors[9, 0] == 0.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=16, max_size=16))
def test_parts_are_the_means_over_all_orders(table: list[float]) -> None:
    """Of any function of four edits, against brute force."""

    def value(edits: frozenset[int]) -> Point:
        return Point(np.array([table[sum(1 << i for i in edits)]]), np.zeros((1, 1)))

    found = attribute(value, 4)
    effects = np.zeros(4)
    orders = list(itertools.permutations(range(4)))
    for order in orders:
        for n, i in enumerate(order):
            before, after = frozenset(order[:n]), frozenset(order[: n + 1])
            effects[i] += (value(after).values - value(before).values)[0]
    np.testing.assert_allclose(found.parts[:, 0], effects / len(orders), atol=1e-12)
    assert found.parts.sum() == pytest.approx(table[15] - table[0], abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0.5, 2), min_size=10, max_size=10))
def test_parts_of_random_orders_sum_to_the_difference(factors: list[float]) -> None:
    found = of(lambda *x: math.prod(x), (1.0,) * 10, tuple(factors), most_pairs=4)
    assert found.parts.sum() == pytest.approx(found.total[0], abs=1e-12)


def test_random_orders_agree_with_all_subsets_within_their_errors() -> None:
    before, after = (1.0,) * 10, tuple(1 + 0.1 * i for i in range(10))
    exact = of(lambda *x: math.prod(x), before, after, exact=10)
    drawn = of(lambda *x: math.prod(x), before, after, exact=8)
    size = np.abs(drawn.parts).sum()
    assert drawn.orders >= 8
    assert drawn.order_errors.max() <= 0.01 * size
    deviations = np.abs(drawn.parts - exact.parts)
    assert (deviations <= 4 * drawn.order_errors + 1e-12).all()


def test_every_world_is_evaluated_once() -> None:
    seen: list[frozenset[int]] = []

    def value(edits: frozenset[int]) -> Point:
        seen.append(edits)
        return Point(np.array([float(len(edits)) ** 2]), np.zeros((1, 1)))

    found = attribute(value, 9, most_pairs=4, threads=2)
    assert len(seen) == len(set(seen)) == found.evaluations


def test_errors_of_sampling_are_summed_like_the_statistics() -> None:
    """Deviations of a linear model by replicate give those of its parts."""
    slopes = np.array([[1.0, -1.0], [0.5, 0.25]])

    def value(edits: frozenset[int]) -> Point:
        of = sorted(edits)
        deviations = slopes[of].sum(axis=0)[None] if of else np.zeros((1, 2))
        return Point(np.array([float(len(edits))]), deviations)

    found = attribute(value, 2)
    np.testing.assert_allclose(found.deviations[:, 0], slopes, atol=1e-12)
