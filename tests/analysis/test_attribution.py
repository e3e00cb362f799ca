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
    before, after = (1.0,) * 7, tuple(range(2, 9))
    for exact in (7, 2):
        found = of(lambda *x: math.prod(x[:6]) ** 0.25, before, after, exact=exact)
        assert found.parts[6, 0] == 0.0
        assert found.order_errors[6, 0] == 0.0


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
    before, after = (1.0,) * 8, tuple(1 + 0.1 * i for i in range(8))
    exact = of(lambda *x: math.prod(x), before, after)
    drawn = of(lambda *x: math.prod(x), before, after, exact=3)
    size = np.abs(drawn.parts).sum()
    assert drawn.orders[0] >= 6
    assert drawn.order_errors.max() <= 0.01 * size
    deviations = np.abs(drawn.parts - exact.parts)
    assert (deviations <= 4 * drawn.order_errors + 1e-12).all()


def test_edits_that_act_in_the_middle_alone_have_their_parts() -> None:
    """Two edits act only together, and only before a third: neither alone nor last."""

    def value(edits: frozenset[int]) -> Point:
        acting = edits >= {0, 1} and 2 not in edits
        return Point(np.array([acting + 0.01 * len(edits - {0, 1, 2})]), np.zeros((1, 1)))

    found = attribute(value, 10, exact=2)
    assert found.first[:2].tolist() == found.last[:2].tolist() == [[0.0], [0.0]]
    expected = [1 / 6, 1 / 6, -1 / 3]
    apart = np.abs(found.parts[:3, 0] - expected)
    assert (apart <= 4 * found.order_errors[:3, 0]).all()
    assert (found.parts[:2, 0] > 0.05).all()
    assert found.parts.sum() == pytest.approx(found.total[0], abs=1e-12)


def _two_formulas(edits: frozenset[int]) -> Point:
    """A product of the first three edits, and one of all seven."""
    factors = [1.5, 0.7, 1.2, 1.1, 0.9, 1.3, 1.05]
    few = math.prod(factors[i] for i in edits & {0, 1, 2})
    return Point(
        np.array([few, math.prod(factors[i] for i in edits)]), np.full((2, 1), float(len(edits)))
    )


def test_what_few_edits_can_reach_has_no_error_of_the_order() -> None:
    """Its parts are those of all subsets, although there are more edits."""
    found = attribute(_two_formulas, 7, reach=[{0, 1, 2}, range(7)], exact=3)
    exact = attribute(_two_formulas, 7)
    np.testing.assert_allclose(found.parts[:, 0], exact.parts[:, 0], atol=1e-12)
    assert found.parts[3:, 0].tolist() == [0.0] * 4
    assert not found.order_errors[:, 0].any()
    assert found.orders[0] == 0 < found.orders[1]
    np.testing.assert_allclose(found.parts.sum(axis=0), found.total, atol=1e-12)
    pairs = {pair: of[0] for pair, of in zip(found.pairs, found.interactions, strict=True)}
    of_all = dict(zip(exact.pairs, exact.interactions[:, 0], strict=True))
    assert pairs == pytest.approx({pair: of_all[pair] for pair in pairs}, abs=1e-12)


def test_a_reach_that_is_too_small_is_not_believed() -> None:
    found = attribute(_two_formulas, 7, reach=[{0, 1}, range(7)])
    exact = attribute(_two_formulas, 7)
    np.testing.assert_allclose(found.parts, exact.parts, atol=1e-12)


def test_a_group_has_the_parts_of_its_edits_as_owen_shares_them() -> None:
    """1 - ab/c with a and b as one edit: -0.07875 + 0.12375, and -0.095 of c."""
    found = of(lambda ab, c: 1 - ab / c, (2.0, 5.0), (1.8, 4.0))
    np.testing.assert_allclose(found.parts[:, 0], [0.045, -0.095], atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6))
def test_edits_that_do_the_same_have_the_same_part(table: list[float]) -> None:
    """Of a function of the first edit and the number of the other two."""

    def value(edits: frozenset[int]) -> Point:
        return Point(np.array([table[3 * (0 in edits) + len(edits - {0})]]), np.zeros((1, 1)))

    found = attribute(value, 3)
    assert found.parts[1, 0] == pytest.approx(found.parts[2, 0], abs=1e-12)
    assert found.parts.sum() == pytest.approx(table[5] - table[0], abs=1e-12)


def test_one_edit_has_the_whole_difference() -> None:
    found = of(lambda a: 3 * a, (1.0,), (2.0,))
    assert found.parts.tolist() == [[3.0]]
    assert found.pairs == []
    assert found.interactions.shape == (0, 1)


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
