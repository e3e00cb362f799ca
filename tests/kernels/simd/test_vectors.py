"""Draws side by side: each lane computes what one draw would, whatever is in the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import worlds
from hypothesis import given
from hypothesis import strategies as st
from naive import MATRICES
from random_worlds import anywhere

from sim.kernels.simd import functions as mathematics
from sim.kernels.simd.memory import add_folded, aligned, by_lane, put_lanes, take_lanes, take_rows
from sim.kernels.simd.vectors import LANES, in_any_lane, sum_of_lanes, where

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]
FUNCTIONS = {
    "exp": (np.exp, (-700.0, 709.0)),
    "expm1": (np.expm1, (-40.0, 709.0)),
    "log": (np.log, (1e-300, 1e300)),
    "log1p": (np.log1p, (-1 + 1e-12, 1e12)),
}
ODD = [0.0, np.inf, -np.inf, np.nan, -1.0, -2.0, 800.0, -800.0]


def by_lanes(function: Function) -> Function:
    """A function of numbers, of all lanes of arrays [n, lane]."""
    if not hasattr(function, "py_func") and function.__name__ == "<lambda>":
        function = compiled_here(function)

    def run(values: Array, found: Array) -> None:
        given, made = by_lane(values), by_lane(found)
        for i in range(given.shape[0]):
            made[i] = function(given[i])

    compiled = compiled_here(run)

    def applied(values: Array) -> Array:
        values = np.ascontiguousarray(values, float).reshape(-1, LANES)
        found = np.full_like(values, np.nan)
        with np.errstate(all="ignore"):
            compiled(values, found)
        return found.ravel()

    return applied


def compiled_here(function: Function) -> Function:
    """Compiled, not cached: the file of a test has no part in the name of the cache."""
    import numba

    return numba.njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


of_lanes = {name: by_lanes(getattr(mathematics, name)) for name in [*FUNCTIONS, "sqrt"]}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(seed=st.integers(0, 2**32 - 1))
def test_functions_by_lane_are_within_two_units_in_the_last_place(name: str, seed: int) -> None:
    function, (low, high) = FUNCTIONS[name]
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, 512)
    small = rng.normal(size=256) * 10.0 ** rng.uniform(-14, 0, 256)
    x = np.concatenate([x, 1.0 + small if name == "log" else small, rng.uniform(0.25, 4.0, 256)])
    x = x[(x > low) & (x < high)][: 1024 // LANES // 2 * LANES]
    found, expected = of_lanes[name](x), function(x.astype(np.longdouble)).astype(float)
    assert (np.abs(found - expected) <= 2 * np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_by_lane_are_those_of_numpy_where_numbers_are_odd(name: str) -> None:
    function, _ = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        expected = function(np.array(ODD))
    np.testing.assert_allclose(
        of_lanes[name](np.resize(ODD, LANES)), np.resize(expected, LANES), rtol=1e-15, atol=1e-300
    )


def test_growth_from_nothing_is_exact() -> None:
    zeros = np.zeros(LANES)
    assert (of_lanes["exp"](zeros) == 1.0).all()
    for name in ("expm1", "log1p", "sqrt"):
        assert (of_lanes[name](zeros) == 0.0).all()
    assert (of_lanes["log"](zeros + 1.0) == 0.0).all()


def test_a_choice_is_made_in_every_lane() -> None:
    x = np.arange(LANES) - 2.5
    positive = by_lanes(lambda x: where(x > 0.0, x, -1.0))
    np.testing.assert_array_equal(positive(x), np.where(x > 0, x, -1.0))
    uniform = by_lanes(lambda x: where(True, x, 0.0) + (1.0 if in_any_lane(x > 1.0) else 0.0))
    np.testing.assert_array_equal(uniform(x), x + 1.0)
    np.testing.assert_array_equal(uniform(x - LANES), x - LANES)


def test_the_smaller_of_a_number_and_of_none_is_none() -> None:
    x = np.resize([1.0, np.nan, -3.0], LANES)
    least = by_lanes(lambda x: mathematics.minimum(x, 0.5))
    np.testing.assert_array_equal(least(x), np.minimum(x, 0.5))
    most = by_lanes(lambda x: mathematics.maximum(0.5, x))
    np.testing.assert_array_equal(most(x), np.maximum(x, 0.5))


def test_a_sum_over_lanes_is_that_of_its_halves() -> None:
    x = np.random.default_rng(1).normal(size=LANES)
    total = by_lanes(lambda x: where(x == x, sum_of_lanes(x), 0.0))
    np.testing.assert_array_equal(total(x), np.full(LANES, sum_of_lanes(x)))
    assert sum_of_lanes(x) == pytest.approx(x.sum())


def test_memory_for_lanes_begins_where_a_line_of_the_cache_does() -> None:
    for shape in [(3, LANES), (1, LANES), (5, 2, LANES)]:
        memory = aligned(*shape)
        assert memory.shape == shape
        assert memory.ctypes.data % (8 * LANES) == 0
        assert not memory.any()


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="takes minutes")
@given(x=anywhere(), seed=st.integers(0, 2**32 - 1))
def test_a_draw_does_not_depend_on_those_beside_it(x: dict[str, Array], seed: int) -> None:
    """Also where one takes more steps than another to find when it is paid back."""
    order = np.random.default_rng(seed).permutation(len(x["pue"]))
    found = worlds.evaluate(x)
    shuffled = worlds.evaluate({n: v if n in MATRICES else v[order] for n, v in x.items()})
    for name, value in found.items():
        np.testing.assert_array_equal(value[order], shuffled[name], err_msg=name)


def test_lanes_are_taken_from_and_put_into_any_place_of_an_array() -> None:
    def move(table: Array, rows: Array, given: Array, made: Array, folded: Array) -> None:
        for i in range(3):  # places that no line of the cache begins at
            number = take_lanes(given, 5 * i + 1)
            a, b, c, d = take_rows(table, rows, 3 * i)
            put_lanes(a + number * (b + number * (c + number * d)), made, LANES * i)
            add_folded(number, folded)

    rng = np.random.default_rng(4)
    table, given = rng.normal(size=(20, 4)), rng.normal(size=40)
    rows = rng.integers(0, 20, 40).astype(np.uint64)
    found = {}
    for how in (move, compiled_here(move)):
        made, folded = np.zeros(3 * LANES), np.ones(LANES // 2)
        how(table, rows, given, made, folded)
        found[how] = made.tobytes(), folded.tobytes()
    assert len(set(found.values())) == 1
    expected = [
        np.polynomial.polynomial.polyval(given[5 * i + 1 + lane], table[rows[3 * i + lane]])
        for i in range(3)
        for lane in range(LANES)
    ]
    np.testing.assert_allclose(made, expected, rtol=1e-12)
    parts = [given[5 * i + 1 :][:LANES].reshape(2, -1).sum(axis=0) for i in range(3)]
    np.testing.assert_allclose(folded, 1.0 + np.sum(parts, axis=0), rtol=1e-12)
