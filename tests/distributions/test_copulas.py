"""Correlation groups: what they may say, and the correlations of scores that give it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from sim.distributions.copulas import mixing, score_matrix, t_scale_table, t_score_table
from sim.distributions.groups import GroupError, read_group
from sim.engine.rank_correlation import spearman
from sim.parameters.distribution_errors import read_named_distribution

DISTRIBUTIONS = {
    name: read_named_distribution(said, name)
    for name, said in {
        "a": {"family": "lognormal", "median": 1, "sigma": 0.8},
        "b": {"family": "lognormal", "median": 5, "sigma": 0.5},
        "u": {"family": "uniform", "min": 0, "max": 1},
        "v": {"family": "uniform", "min": 2, "max": 3},
        "coin": {"family": "bernoulli", "p": 0.5},
        "rare": {"family": "bernoulli", "p": 0.1},
        "t": {"family": "student_t", "df": 2, "median": 0, "scale": 1},
    }.items()
}


def score(one: str, other: str, rho: float, kind: str) -> float:
    group = read_group({"inputs": [one, other], "kind": kind, "pairs": [[one, other, rho]]})
    return float(score_matrix(group, DISTRIBUTIONS)[0, 1])


@pytest.mark.parametrize("rho", [-1.0, -0.7, 0.0, 0.2, 0.95, 1.0])
def test_a_rank_correlation_has_its_closed_form(rho: float) -> None:
    assert score("a", "u", rho, "spearman") == pytest.approx(2 * math.sin(math.pi * rho / 6))


@pytest.mark.parametrize("rho", [-0.6, -0.2, 0.1, 0.5, 0.97])
def test_pearson_between_lognormals_has_its_closed_form(rho: float) -> None:
    scale = math.sqrt(math.expm1(0.64) * math.expm1(0.25))
    expected = math.log1p(rho * scale) / (0.8 * 0.5)
    assert score("a", "b", rho, "pearson") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rho", [-0.8, 0.3, 0.9])
def test_pearson_between_uniforms_is_their_rank_correlation(rho: float) -> None:
    assert score("u", "v", rho, "pearson") == pytest.approx(score("u", "v", rho, "spearman"))


@pytest.mark.parametrize("r", [-0.9, -0.3, 0.2, 0.8, 0.98])
def test_pearson_between_coins_is_that_of_orthants(r: float) -> None:
    distributions = {"x": DISTRIBUTIONS["coin"], "y": DISTRIBUTIONS["coin"]}
    rho = 2 / math.pi * math.asin(r)
    group = read_group({"inputs": ["x", "y"], "kind": "pearson", "pairs": [["x", "y", rho]]})
    assert score_matrix(group, distributions)[0, 1] == pytest.approx(r, abs=1e-5)


def test_pearson_between_rare_events_is_that_of_the_bivariate_normal() -> None:
    z = stats.norm.ppf(0.1)
    both = stats.multivariate_normal(cov=[[1, 0.3], [0.3, 1]]).cdf([z, z])
    distributions = {"x": DISTRIBUTIONS["rare"], "y": DISTRIBUTIONS["rare"]}
    rho = (both - 0.01) / 0.09
    group = read_group({"inputs": ["x", "y"], "kind": "pearson", "pairs": [["x", "y", rho]]})
    assert score_matrix(group, distributions)[0, 1] == pytest.approx(0.3, abs=1e-5)


def test_a_pearson_correlation_that_two_laws_cannot_have_is_refused_with_the_range() -> None:
    scale = math.sqrt(math.expm1(0.64) * math.expm1(0.25))
    low, high = (math.expm1(sign * 0.4) / scale for sign in (-1, 1))
    with pytest.raises(GroupError) as raised:
        score("a", "b", -0.9, "pearson")
    assert (
        f"a, b = -0.9 cannot be: between these distributions it is from {low:.3g} to {high:.3g}"
        in str(raised.value)
    )
    with pytest.raises(GroupError, match="t has no variance"):
        score("a", "t", 0.5, "pearson")


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    """Correlation matrices of any rank."""
    n = draw(st.integers(2, 7))
    rank = draw(st.integers(1, n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    factors = rng.standard_normal((n, rank))
    factors /= np.linalg.norm(factors, axis=1, keepdims=True)
    made = factors @ factors.T
    np.fill_diagonal(made, 1.0)
    return made


@settings(deadline=None)
@given(matrices())
def test_mixing_gives_the_matrix_also_where_it_is_singular(matrix: np.ndarray) -> None:
    weights = mixing(matrix)
    np.testing.assert_allclose(weights @ weights.T, matrix, atol=3e-6)
    np.testing.assert_array_equal(weights, np.tril(weights))


def test_mixing_of_a_matrix_that_is_barely_none_is_that_of_the_nearest_one() -> None:
    high = 1 - 1e-11
    matrix = np.array([[1, high, 0.5], [high, 1, 0.500009], [0.5, 0.500009, 1]])
    weights = mixing(matrix)
    np.testing.assert_allclose(weights @ weights.T, matrix, atol=1e-5)


@settings(deadline=None)
@given(matrices())
def test_a_correlation_matrix_is_accepted_and_kept_as_it_is(matrix: np.ndarray) -> None:
    names = [f"x{i}" for i in range(len(matrix))]
    said = {"inputs": names, "kind": "copula", "matrix": np.clip(matrix, -1, 1).tolist()}
    said["matrix"] = [[said["matrix"][min(i, j)][max(i, j)] for j in range(len(names))]
                      for i in range(len(names))]  # fmt: skip
    found = score_matrix(read_group(said), {})
    np.testing.assert_allclose(found, matrix, atol=1e-12)


def test_three_entries_that_cannot_be_together_are_named_with_the_range_of_the_third() -> None:
    matrix = [[1, 0.9, 0.9, 0], [0.9, 1, -0.5, 0], [0.9, -0.5, 1, 0], [0, 0, 0, 1]]
    group = read_group({"inputs": ["a", "b", "u", "v"], "kind": "copula", "matrix": matrix})
    with pytest.raises(GroupError) as raised:
        score_matrix(group, DISTRIBUTIONS)
    told = str(raised.value)
    assert "a, b = 0.9 and a, u = 0.9 leave b, u between 0.62 and 1, not -0.5" in told
    assert f"smallest eigenvalue of the matrix is {np.linalg.eigvalsh(matrix)[0]:.3g}" in told


def test_entries_that_cannot_be_though_any_three_could_are_named_by_the_eigenvector() -> None:
    pairs = [["a", "b", -0.4], ["a", "u", -0.4], ["a", "v", -0.4], ["b", "u", -0.4],
             ["b", "v", -0.4], ["u", "v", -0.4]]  # fmt: skip
    group = read_group({"inputs": ["a", "b", "u", "v"], "kind": "copula", "pairs": pairs})
    with pytest.raises(GroupError, match=r"most of all .* = -0\.4; .*smallest eigenvalue.*-0\.2"):
        score_matrix(group, DISTRIBUTIONS)


def test_ranks_that_are_fine_as_they_stand_may_ask_for_scores_that_are_not() -> None:
    rho = -0.499
    pairs = [["a", "b", rho], ["a", "u", rho], ["b", "u", rho]]
    said = {"inputs": ["a", "b", "u"], "pairs": pairs}
    score_matrix(read_group({**said, "kind": "copula"}), DISTRIBUTIONS)
    with pytest.raises(GroupError, match=r"eigenvalue of the matrix of normal scores is -0\.03"):
        score_matrix(read_group({**said, "kind": "spearman"}), DISTRIBUTIONS)


@pytest.mark.parametrize("nu", [0.5, 1.0, 4.0, 30.0, 1e6])
def test_the_tables_of_a_t_copula_are_those_of_its_laws(nu: float) -> None:
    z = np.linspace(-6.9, 6.9, 20_001)
    chi_square = np.where(
        z < 0, stats.chi2.ppf(ndtr(np.minimum(z, 0)), nu), stats.chi2.isf(ndtr(-np.abs(z)), nu)
    )
    np.testing.assert_allclose(t_scale_table(nu).at(z), np.sqrt(nu / chi_square), rtol=3e-9)
    t = np.copysign(stats.t.isf(ndtr(-np.abs(z)), nu), z)
    found = t_score_table(nu).at(np.copysign(np.sqrt(np.log1p(t * t)), t))
    np.testing.assert_allclose(found, z, atol=1e-8)
    assert t_score_table(nu).at(np.zeros(1))[0] == 0.0
    far = t_score_table(nu).at(np.array([-1e9, 1e9]))
    assert far[0] == -far[1]
    assert 9 < far[1] < 13
    assert t_score_table(nu).cells.nbytes < 64_000


def test_rank_correlations_share_the_ranks_of_ties() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 5, (3, 400)).astype(float)
    np.testing.assert_allclose(spearman(values), stats.spearmanr(values.T).statistic)


def test_a_group_says_what_it_was_told() -> None:
    said = {"inputs": ["v", "a", "u"], "kind": "copula", "copula": "t", "nu": 3,
            "pairs": [["u", "v", 0.25]]}  # fmt: skip
    group = read_group(said)
    assert group.members == ("a", "u", "v")
    assert group.name == "a+u+v"
    assert group.matrix == ((1, 0, 0), (0, 1, 0.25), (0, 0.25, 1))
    assert read_group(group.as_entry()) == group


TWO: dict[str, Any] = {"inputs": ["a", "b"], "kind": "copula", "pairs": [["a", "b", 0.5]]}


@pytest.mark.parametrize(
    ("change", "key", "told"),
    [
        ({"inputs": "a"}, "inputs", "expected a list of inputs by full name, got 'a'"),
        ({"inputs": ["a"]}, "inputs", "expected at least two inputs"),
        ({"inputs": ["a", "b", "b"]}, "inputs", "b stands there twice"),
        ({"name": 3}, "name", "expected a name, got 3"),
        ({"kind": "speerman"}, "kind", "unknown kind 'speerman'; expected spearman, pearson or"),
        ({"kind": None}, "kind", "missing: expected spearman, pearson or copula"),
        ({"copula": "clayton"}, "copula", "unknown copula 'clayton'; known: gaussian, t"),
        ({"copula": "t"}, "nu", "missing: the degrees of freedom"),
        ({"copula": "t", "nu": 0.1}, "nu", "expected a number from 0.5 to 1e6, got 0.1"),
        ({"copula": "t", "nu": 3, "kind": "pearson"}, "kind", "pearson goes with the gaussian"),
        ({"nu": 3}, "nu", "only the t copula has degrees of freedom"),
        ({"matrix": [[1, 0], [0, 1]]}, "", "expected a matrix or pairs, got both"),
        ({"pears": []}, "pears", "unknown key; did you mean 'pairs'?"),
        ({"pairs": [["a", "c", 0.5]]}, "pairs", "'c' is not one of the inputs; known: a, b"),
        ({"pairs": [["a", "b"]]}, "pairs", "expected two inputs and a number, got ['a', 'b']"),
        ({"pairs": [["a", "b", 1.5]]}, "pairs", "expected a number from -1 to 1 for a, b, got 1.5"),
        ({"pairs": [["a", "a", 0.5]]}, "pairs", "a is paired with itself"),
        ({"pairs": [["a", "b", 0.5], ["b", "a", 0.5]]}, "pairs", "b, a is given twice"),
        ({"pairs": 0.5}, "pairs", 'expected pairs such as ["a", "b", 0.5], got 0.5'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_group_is_told_with_its_key(
    change: dict[str, Any], key: str, told: str
) -> None:
    with pytest.raises(GroupError) as raised:
        read_group({**TWO, **change})
    assert key in [at for at, _ in raised.value.faults]
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        ([[1, 0.5]], "expected 2 rows of 2 numbers"),
        ([[1, 0.5], [0.4, 1]], "expected a symmetric matrix: a, b is 0.5 and 0.4"),
        ([[2, 0.5], [0.5, 1]], "expected 1 for a with itself, got 2"),
        ([[1, 1.5], [1.5, 1]], "expected a number from -1 to 1 for a, b, got 1.5"),
        ([[1, "x"], [0.5, 1]], "expected a number for a, b, got 'x'"),
    ],
)
def test_what_is_wrong_with_a_matrix_is_told(matrix: Any, told: str) -> None:
    with pytest.raises(GroupError) as raised:
        read_group({"inputs": ["a", "b"], "kind": "copula", "matrix": matrix})
    assert told in str(raised.value)
