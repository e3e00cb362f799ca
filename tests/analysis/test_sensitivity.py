"""What drives an output: known answers, identities, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.analysis.dependent import (
    dependent_shapley,
    factor_correlation,
    independent_shapley_of_factors,
)
from sim.analysis.first_order import first_order
from sim.analysis.regression import share_variance
from sim.analysis.shapley import goda_shapley
from sim.statistics.replicates import replicated

MARGIN = "inference_gross_margin@2026Q4"
DRAWS = 20_000
NORMAL = np.random.default_rng(7).standard_normal((4, DRAWS))
INDEPENDENT = replicated(DRAWS, "random")


def correlation(*pairs: tuple[int, int, float], size: int) -> np.ndarray:
    matrix = np.eye(size)
    for i, j, rho in pairs:
        matrix[i, j] = matrix[j, i] = rho
    return matrix


# Linear Gaussian models (Owen and Prieur 2017; Iooss and Prieur 2019): correlation of scores,
# slopes, Shapley effects as shares of the variance.
LINEAR = {
    "two": (correlation((0, 1, 0.9), size=2), (1, 2), (0.466860, 0.533140)),
    "three": (correlation((1, 2, 0.9), size=3), (1, 1, 2), (0.104167, 0.418229, 0.477604)),
    "opposed": (correlation((1, 2, -0.9), size=3), (1, 1, 2), (0.416667, 0.172917, 0.410417)),
    "joke": (correlation((0, 1, 0.8), size=2), (1, 0), (0.68, 0.32)),
}
LOADS, BETA = np.array([[0.6], [0.6], [-0.4], [0.6]]), np.array([1.0, 1.0, 0.5, 0.0])


@pytest.mark.parametrize("name", LINEAR)
def test_dependent_effects_of_linear_models_are_known(name: str) -> None:
    matrix, slopes, expected = LINEAR[name]
    effects = dependent_shapley(matrix, np.array(slopes, float))
    np.testing.assert_allclose(effects.values / effects.variance, expected, atol=4e-3)
    error = 4 * effects.errors / effects.variance + 1e-6
    assert (np.abs(effects.values / effects.variance - expected) <= error).all()
    assert effects.values.sum() == pytest.approx(effects.variance, rel=1e-12)


def test_a_factor_model_has_its_known_shares() -> None:
    """Dependent effects credit an input that is not used; independent causes do not."""
    effects = dependent_shapley(factor_correlation(LOADS), BETA)
    expected = (0.449247, 0.449247, 0.047086, 0.054420)
    np.testing.assert_allclose(effects.values / effects.variance, expected, atol=4e-3)
    factors, own = independent_shapley_of_factors(LOADS, BETA)
    np.testing.assert_allclose(factors, [0.401606], atol=1e-6)
    np.testing.assert_allclose(own, [0.257028, 0.257028, 0.084337, 0], atol=1e-6)


def test_first_order_indices_of_a_factor_model_are_known() -> None:
    """Valid under dependence: an input that is not used tells something, too."""
    weight = np.sqrt(1 - (LOADS**2).sum(axis=1))
    own = np.random.default_rng(3).standard_normal((5, DRAWS))
    z = LOADS @ own[4:] + weight[:, None] * own[:4]
    y = BETA @ z
    values, errors = first_order(z, y[None], INDEPENDENT)
    expected = np.array([0.617510, 0.617510, 0.000161, 0.144578])
    assert (np.abs(values[:, 0] - expected) <= 4 * errors[:, 0] + 1e-3).all()


@pytest.mark.parametrize(("rho", "index"), [(0.5, 0.160861), (0.8, 0.442132)])
def test_first_order_index_of_a_median_indicator_is_known(rho: float, index: float) -> None:
    x = NORMAL[0]
    y = rho * x + np.sqrt(1 - rho**2) * NORMAL[1]
    value, error = first_order(x[None], (y > 0).astype(float)[None], INDEPENDENT)
    assert abs(float(value[0, 0]) - index) <= 4 * float(error[0, 0]) + 1e-3


@pytest.mark.parametrize(("rho", "index"), [(0.3, 0.022688), (0.5, 0.076692), (0.8, 0.306330)])
def test_first_order_index_of_a_tail_is_known(rho: float, index: float) -> None:
    x = NORMAL[0]
    y = rho * x + np.sqrt(1 - rho**2) * NORMAL[1]
    tail = (y <= -1.6448536269514722).astype(float)
    value, error = first_order(x[None], tail[None], INDEPENDENT)
    assert abs(float(value[0, 0]) - index) <= 4 * float(error[0, 0]) + 2e-3


def test_shares_of_a_polynomial_are_known_and_sum_to_one() -> None:
    """y = a + b^2 + a c: variances 1, 2, 1, of which a product counts half for either."""
    a, b, c, _ = NORMAL
    y = a + b**2 + a * c
    shares = share_variance(NORMAL, (y - y.mean())[None], INDEPENDENT)
    expected = np.array([1.5, 2.0, 0.5, 0.0]) / 4
    assert (np.abs(shares.values[:, 0] - expected) <= 4 * shares.errors[:, 0]).all()
    assert abs(shares.explained[0] - 1) <= 4 * shares.explained_errors[0]
    assert abs(shares.values[3, 0]) <= 4 * shares.errors[3, 0]


def ishigami(u: np.ndarray) -> np.ndarray:
    x = np.pi * (2 * u - 1)
    return np.asarray(np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0]))


def g_function(u: np.ndarray, a: tuple[float, ...] = (0, 1, 9)) -> np.ndarray:
    return np.prod([(abs(4 * x - 2) + k) / (1 + k) for x, k in zip(u, a, strict=True)], axis=0)


@pytest.mark.parametrize(
    ("model", "variance", "expected"),
    [
        (ishigami, 13.844588, (0.435747, 0.442411, 0.121842)),
        (g_function, None, (0.774182, 0.216783, 0.009034)),
    ],
)
def test_pick_freeze_finds_known_shapley_effects(model, variance, expected) -> None:  # type: ignore[no-untyped-def]
    x, y = np.random.default_rng(11).random((2, 64, 3, 512))

    def evaluate(order: int, taken: frozenset[int]) -> np.ndarray:
        chosen = [i in taken for i in range(3)]
        return model(np.where(np.array(chosen)[:, None], y[order], x[order]))

    found = goda_shapley(evaluate, 3)
    shares, errors = found.values / found.variance, found.errors / found.variance
    assert (np.abs(shares - expected) <= 4 * errors + 1e-9).all()
    assert found.values.sum() == pytest.approx(found.variance, rel=1e-9)
    if variance:
        assert abs(found.variance - variance) <= 4 * found.variance_error


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3).filter(any))
def test_effects_of_an_order_sum_to_half_the_squared_difference(slopes: list[float]) -> None:
    """Goda's identity, whatever the model."""
    x, y = np.random.default_rng(5).standard_normal((2, 8, 3, 32))

    def evaluate(order: int, taken: frozenset[int]) -> np.ndarray:
        chosen = np.array([i in taken for i in range(3)])[:, None]
        return np.asarray(np.array(slopes) @ np.where(chosen, y[order], x[order]))

    found = goda_shapley(evaluate, 3, orders=8, threads=1)
    assert found.values.sum() == pytest.approx(found.variance, abs=1e-12)


def test_shares_of_the_margin_sum_to_one_and_rest_on_sources(run: xr.Dataset) -> None:
    result = sim.sensitivity(run, MARGIN)
    total = float(result.share.sum() + result.remainder)
    assert total == pytest.approx(1, abs=1e-12)
    assert abs(float(result.remainder)) <= 4 * float(result.remainder_error)
    by_grade = float(result.share_by_grade.sum())
    assert by_grade == pytest.approx(float(result.share.sum()), abs=1e-12)
    assert set(result.by_grade.values) >= {"A", "B", "judgement", "shared"}
    largest = str(result.cause.values[int(result.share.values.argmax())])
    assert largest == "accelerator.throughput_multiplier"


def test_an_input_that_the_margin_does_not_use_has_no_share(run: xr.Dataset) -> None:
    result = sim.sensitivity(run, MARGIN).sel(cause="labs.xai.arr_growth_2027")
    assert abs(float(result.share)) <= 4 * float(result.share_error) + 1e-4
    assert float(result.tells) > 3 * float(result.tells_error)  # through the factor of demand


@pytest.mark.parametrize(
    ("output", "reason"),
    [("gross_margin[frontier_training]@2026Q4", "draws that are not finite"), ("y", "tail index")],
)
def test_raw_variance_of_a_heavy_tail_is_refused_in_words(
    run: xr.Dataset, output: str, reason: str
) -> None:
    ds = sim.sample({"x": {"family": "normal", "mean": 0, "sd": 1}}, draws=4096)
    ds["y"] = np.exp(3 * ds.x)
    chosen = ds if output == "y" else run
    message = rf"variance need not exist \({reason}.*take the scale rank"
    with pytest.raises(sim.InputError, match=message):
        sim.sensitivity(chosen, output, scale="raw")
    assert float(sim.sensitivity(chosen, output).share.sum()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"when": "inference_gross_margin@2026Q4 >= 70"}, "fractions: 0.70"),
        ({"when": "inference_gross_margin@2026Q4 > 1"}, "in every draw, or in none"),
        ({"tail": 120.0}, "between 0 and 100"),
        ({"scale": "rang"}, "expected rank or raw, got 'rang'"),
        ({"method": "sobol"}, "expected regression, shapley, dependent"),
        ({"tail": 5.0, "when": "gw[xai]@2027Q4 > 5"}, "cannot stand beside tail"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    run: xr.Dataset, options: dict[str, object], message: str
) -> None:
    with pytest.raises(sim.InputError, match=message):
        sim.sensitivity(run, MARGIN, **options)  # type: ignore[arg-type]


def test_too_few_draws_are_refused(run: xr.Dataset) -> None:
    with pytest.raises(sim.InputError, match=r"are too few for .* causes"):
        sim.sensitivity(run.isel(draw=slice(64)), MARGIN)


def test_all_labs_and_quarters_are_explained_at_once(run: xr.Dataset) -> None:
    some = run.isel(lab=slice(1, 3), quarter=[3, 7])
    result = sim.sensitivity(some, "gw")
    assert result.share.dims == ("cause", "lab", "quarter")
    assert result.share.shape[1:] == (2, 2)
    one = sim.sensitivity(run, "gw[Google DeepMind]@2027Q4")
    both = result.share.sel(lab="google_deepmind", quarter="2027Q4")
    np.testing.assert_allclose(both, one.share, atol=2e-3)  # products are of other causes


def test_a_model_of_the_user_is_explained_as_well() -> None:
    """profit = 3 a + 2 b - c, of normal inputs: shares of the squares, with a shared factor."""
    normal = {"family": "normal", "mean": 0, "sd": 1}
    loaded = {**normal, "loads": {"demand": 0.6}}
    ds = sim.sample({"a": normal, "b": loaded, "c": loaded}, draws=8192)
    ds["profit"] = 3 * ds.a + 2 * ds.b - ds.c
    result = sim.sensitivity(ds, "profit", scale="raw")
    squares = {"a": 9, "b": 4 * 0.64, "c": 0.64, "factor.demand": 0.36}
    total = sum(squares.values())
    for cause, square in squares.items():
        of = result.sel(cause=cause)
        assert abs(float(of.share) - square / total) <= 4 * float(of.share_error) + 1e-6, cause


def test_a_dataset_of_unknown_origin_is_refused() -> None:
    ds = xr.Dataset({"y": ("draw", np.arange(100.0))})
    with pytest.raises(sim.InputError, match=r"none of simulate or sample"):
        sim.sensitivity(ds, "y")


@pytest.mark.long
def test_pick_freeze_agrees_with_the_regression(base: sim.Scenario) -> None:
    ds = sim.simulate(base, draws=20_000)
    fit = sim.sensitivity(ds, MARGIN)
    exact = sim.sensitivity(ds, MARGIN, method="shapley")
    apart = np.abs(fit.share - exact.share)
    error = np.hypot(fit.share_error, exact.share_error)
    assert float((apart <= 4 * error + 1e-3).mean()) == 1.0
