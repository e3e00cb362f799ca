"""Draws side by side: each lane computes what one draw would, whatever is in the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import MATRICES
from random_worlds import anywhere

from sim.common.memory import aligned
from sim.engine import worlds
from sim.kernels.simd import functions
from sim.kernels.simd.memory import by_lane, put_lanes, take_lanes, take_rows
from sim.kernels.simd.vectors import (
    GROUP,
    LANES,
    UNAVAILABLE,
    add_deviations,
    in_any_lane,
    sum_where,
    where,
)

pytestmark = pytest.mark.skipif(LANES == 1, reason=f"no vectors: {UNAVAILABLE}")
Array = np.ndarray[Any, Any]
Function = Callable[..., Any]
FUNCTIONS = {
    "exp": (np.exp, (-700.0, 709.0)),
    "expm1": (np.expm1, (-40.0, 709.0)),
    "log": (np.log, (1e-300, 1e300)),
    "log1p": (np.log1p, (-1 + 1e-12, 1e12)),
}
SPECIAL = [0.0, np.inf, -np.inf, np.nan, -1.0, -2.0, 800.0, -800.0]


def compiled(function: Function) -> Function:
    """Compiled, not cached: the file of a test has no part in the name of the cache."""
    import numba

    return numba.njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def by_lanes(function: Function) -> Function:
    """A function of numbers by lane as one of arrays, whose size is a multiple of the lanes."""
    if not hasattr(function, "py_func") and function.__name__ == "<lambda>":
        function = compiled(function)

    def run(arguments: Array, results: Array) -> None:
        inputs, outputs = by_lane(arguments), by_lane(results)
        for i in range(inputs.shape[0]):
            outputs[i] = function(inputs[i])

    compiled_run = compiled(run)

    def apply(arguments: Array) -> Array:
        arguments = np.ascontiguousarray(arguments, float).reshape(-1, LANES)
        results = np.full_like(arguments, np.nan)
        with np.errstate(all="ignore"):
            compiled_run(arguments, results)
        return results.ravel()

    return apply


OF_LANES = {name: by_lanes(getattr(functions, name)) for name in [*FUNCTIONS, "sqrt"]}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(seed=st.integers(0, 2**32 - 1))
def test_functions_by_lane_are_within_two_units_in_the_last_place(name: str, seed: int) -> None:
    function, (low, high) = FUNCTIONS[name]
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, 512)
    small = rng.normal(size=256) * 10.0 ** rng.uniform(-14, 0, 256)
    x = np.concatenate([x, 1.0 + small if name == "log" else small, rng.uniform(0.25, 4.0, 256)])
    x = x[(x > low) & (x < high)][: 1024 // LANES // 2 * LANES]
    results, expected = OF_LANES[name](x), function(x.astype(np.longdouble)).astype(float)
    assert (np.abs(results - expected) <= 2 * np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_by_lane_are_those_of_numpy_at_special_numbers(name: str) -> None:
    function, _ = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        expected = function(np.array(SPECIAL))
    np.testing.assert_allclose(
        OF_LANES[name](np.resize(SPECIAL, LANES)), np.resize(expected, LANES),
        rtol=1e-15, atol=1e-300,
    )  # fmt: skip


def test_functions_by_lane_are_exact_at_zero_and_one() -> None:
    zeros = np.zeros(LANES)
    assert (OF_LANES["exp"](zeros) == 1.0).all()
    for name in ("expm1", "log1p", "sqrt"):
        assert (OF_LANES[name](zeros) == 0.0).all()
    assert (OF_LANES["log"](zeros + 1.0) == 0.0).all()


def test_where_chooses_in_every_lane() -> None:
    x = np.arange(LANES) - 2.5
    positive = by_lanes(lambda x: where(x > 0.0, x, -1.0))
    np.testing.assert_array_equal(positive(x), np.where(x > 0, x, -1.0))
    uniform = by_lanes(lambda x: where(True, x, 0.0) + (1.0 if in_any_lane(x > 1.0) else 0.0))
    np.testing.assert_array_equal(uniform(x), x + 1.0)
    np.testing.assert_array_equal(uniform(x - LANES), x - LANES)


def test_minimum_and_maximum_pass_nan_on() -> None:
    x = np.resize([1.0, np.nan, -3.0], LANES)
    least = by_lanes(lambda x: functions.minimum(x, 0.5))
    np.testing.assert_array_equal(least(x), np.minimum(x, 0.5))
    most = by_lanes(lambda x: functions.maximum(0.5, x))
    np.testing.assert_array_equal(most(x), np.maximum(0.5, x))


@pytest.mark.parametrize("name", ["power", "minimum", "maximum"])
def test_functions_of_two_numbers_are_those_of_numpy_wherever_they_are_special(name: str) -> None:
    """All pairs, either of them by lane; powers of what is not negative."""
    of_numpy, function = getattr(np, name), getattr(functions, name)
    special = [*SPECIAL, 0.5, 2.0, 1.0]
    first = [x for x in special if not x < 0.0] if name == "power" else special
    pairs = np.array([(a, b) for a in first for b in special])
    pairs = np.resize(pairs, (-(-len(pairs) // LANES) * LANES, 2))

    def run(a: Array, b: Array, results: Array) -> None:
        of_a, of_b, out = by_lane(a), by_lane(b), by_lane(results)
        for i in range(a.shape[0]):
            out[i] = function(of_a[i], of_b[i])

    a, b = (np.ascontiguousarray(column).reshape(-1, LANES) for column in pairs.T)
    results = np.full_like(a, -7.0)
    with np.errstate(all="ignore"):
        compiled(run)(a, b, results)
        expected = of_numpy(a, b)
    if name == "power":  # exp(y log x), which leaves 1^inf open where numpy has 1
        expected[(a == 1.0) & ~np.isfinite(b)] = np.nan
    np.testing.assert_allclose(results, expected, rtol=1e-12)


def test_sums_of_a_group_are_over_the_draws_that_count_and_in_a_fixed_order() -> None:
    rng = np.random.default_rng(1)
    values, counted = rng.normal(size=(3, GROUP)), (rng.random(GROUP) < 0.7).astype(float)
    column = np.uint64(1)
    chosen = np.where(counted > 0, values[1], 0.0)
    halves = chosen[: GROUP // 2] + chosen[GROUP // 2 :]
    assert sum_where(values, column, counted) == (halves[0] + halves[2]) + (halves[1] + halves[3])
    sums, squares = np.ones((2, GROUP // 2))
    add_deviations(values, column, counted, 0.5, sums, squares)
    low, high = np.where(counted > 0, values[1] - 0.5, 0.0).reshape(2, -1)
    np.testing.assert_array_equal(sums, 1.0 + (low + high))
    np.testing.assert_array_equal(squares, 1.0 + (low * low + high * high))


def test_aligned_memory_begins_where_a_line_of_the_cache_does() -> None:
    for shape in [(3, LANES), (1, LANES), (5, 2, LANES)]:
        memory = aligned(*shape)
        assert memory.shape == shape
        assert memory.ctypes.data % 64 == 0
        assert not memory.any()


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="takes minutes")
@given(x=anywhere(), seed=st.integers(0, 2**32 - 1))
def test_a_draw_does_not_depend_on_those_beside_it(x: dict[str, Array], seed: int) -> None:
    """Also where one takes more steps than another to find when it is paid back."""
    order = np.random.default_rng(seed).permutation(len(x["pue"]))
    outputs = worlds.evaluate(x)
    shuffled = worlds.evaluate({n: v if n in MATRICES else v[order] for n, v in x.items()})
    for name, value in outputs.items():
        np.testing.assert_array_equal(value[order], shuffled[name], err_msg=name)


def test_lanes_are_loaded_from_and_stored_to_any_index_of_an_array() -> None:
    def move(table: Array, rows: Array, x: Array, results: Array) -> None:
        for i in range(3):  # indices at which no line of the cache begins
            number = take_lanes(x, (1, 5 * i + 1))
            a, b, c, d = take_rows(table, rows, 3 * i)
            put_lanes(a + number * (b + number * (c + number * d)), results, LANES * i)

    rng = np.random.default_rng(4)
    table, x = rng.normal(size=(20, 4)), rng.normal(size=(2, 40))
    rows = rng.integers(0, 20, 40).astype(np.uint64)
    bits = set()
    for function in (move, compiled(move)):
        results = np.zeros(3 * LANES)
        function(table, rows, x, results)
        bits.add(results.tobytes())
    assert len(bits) == 1
    expected = [
        np.polynomial.polynomial.polyval(x[1, 5 * i + 1 + lane], table[rows[3 * i + lane]])
        for i in range(3)
        for lane in range(LANES)
    ]
    np.testing.assert_allclose(results, expected, rtol=1e-12)
