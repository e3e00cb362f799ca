"""Correlation groups: what they may say, and the correlations of scores that give it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from sim.distributions.copulas import (
    at_scores,
    mixing,
    score_matrix,
    spearman_of_scores,
    t_scale_table,
    t_score_table,
)
from sim.distributions.groups import Group, GroupError, read_group
from sim.engine.rank_correlation import spearman
from sim.parameters.distribution_errors import read_named_distribution

DISTRIBUTIONS = {
    name: read_named_distribution(entry, name)
    for name, entry in {
        "a": {"family": "lognormal", "median": 1, "sigma": 0.8},
        "b": {"family": "lognormal", "median": 5, "sigma": 0.5},
        "u": {"family": "uniform", "min": 0, "max": 1},
        "v": {"family": "uniform", "min": 2, "max": 3},
        "coin": {"family": "bernoulli", "p": 0.5},
        "rare": {"family": "bernoulli", "p": 0.1},
        "dice": {"family": "discrete", "values": [1, 2, 5], "weights": [0.2, 0.5, 0.3]},
        "t": {"family": "student_t", "df": 2, "median": 0, "scale": 1},
    }.items()
}


def score(first: str, second: str, rho: float, kind: str) -> float:
    group = read_group({"inputs": [first, second], "kind": kind, "pairs": [[first, second, rho]]})
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


def test_an_impossible_pearson_correlation_is_refused_with_its_range() -> None:
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
    matrix = factors @ factors.T
    np.fill_diagonal(matrix, 1.0)
    return matrix


@settings(deadline=None)
@given(matrices())
def test_mixing_gives_the_matrix_also_where_it_is_singular(matrix: np.ndarray) -> None:
    weights = mixing(matrix)
    np.testing.assert_allclose(weights @ weights.T, matrix, atol=3e-6)
    np.testing.assert_array_equal(weights, np.tril(weights))


def test_mixing_of_a_barely_indefinite_matrix_is_that_of_the_nearest() -> None:
    high = 1 - 1e-11
    matrix = np.array([[1, high, 0.5], [high, 1, 0.500009], [0.5, 0.500009, 1]])
    weights = mixing(matrix)
    np.testing.assert_allclose(weights @ weights.T, matrix, atol=1e-5)


@settings(deadline=None)
@given(matrices())
def test_a_correlation_matrix_is_accepted_and_kept_as_it_is(matrix: np.ndarray) -> None:
    names = [f"x{i}" for i in range(len(matrix))]
    entry = {"inputs": names, "kind": "copula", "matrix": np.clip(matrix, -1, 1).tolist()}
    entry["matrix"] = [[entry["matrix"][min(i, j)][max(i, j)] for j in range(len(names))]
                      for i in range(len(names))]  # fmt: skip
    result = score_matrix(read_group(entry), {})
    np.testing.assert_allclose(result, matrix, atol=1e-12)


def test_three_impossible_entries_are_named_with_the_range_of_the_third() -> None:
    matrix = [[1, 0.9, 0.9, 0], [0.9, 1, -0.5, 0], [0.9, -0.5, 1, 0], [0, 0, 0, 1]]
    group = read_group({"inputs": ["a", "b", "u", "v"], "kind": "copula", "matrix": matrix})
    with pytest.raises(GroupError) as raised:
        score_matrix(group, DISTRIBUTIONS)
    message = str(raised.value)
    assert "a, b = 0.9 and a, u = 0.9 leave b, u between 0.62 and 1, not -0.5" in message
    assert f"smallest eigenvalue of the matrix is {np.linalg.eigvalsh(matrix)[0]:.3g}" in message


def test_impossible_entries_are_named_by_the_eigenvector_where_any_three_could_be() -> None:
    pairs = [["a", "b", -0.4], ["a", "u", -0.4], ["a", "v", -0.4], ["b", "u", -0.4],
             ["b", "v", -0.4], ["u", "v", -0.4]]  # fmt: skip
    group = read_group({"inputs": ["a", "b", "u", "v"], "kind": "copula", "pairs": pairs})
    with pytest.raises(GroupError, match=r"most of all .* = -0\.4; .*smallest eigenvalue.*-0\.2"):
        score_matrix(group, DISTRIBUTIONS)


def test_possible_rank_correlations_may_need_impossible_scores() -> None:
    rho = -0.499
    pairs = [["a", "b", rho], ["a", "u", rho], ["b", "u", rho]]
    entry = {"inputs": ["a", "b", "u"], "pairs": pairs}
    score_matrix(read_group({**entry, "kind": "copula"}), DISTRIBUTIONS)
    with pytest.raises(GroupError, match=r"eigenvalue of the matrix of normal scores is -0\.03"):
        score_matrix(read_group({**entry, "kind": "spearman"}), DISTRIBUTIONS)


@pytest.mark.parametrize("nu", [0.5, 1.0, 4.0, 30.0, 1e6])
def test_the_tables_of_a_t_copula_are_those_of_scipy(nu: float) -> None:
    z = np.linspace(-6.9, 6.9, 20_001)
    chi_square = np.where(
        z < 0, stats.chi2.ppf(ndtr(np.minimum(z, 0)), nu), stats.chi2.isf(ndtr(-np.abs(z)), nu)
    )
    np.testing.assert_allclose(t_scale_table(nu).at(z), np.sqrt(nu / chi_square), rtol=3e-9)
    t = np.copysign(stats.t.isf(ndtr(-np.abs(z)), nu), z)
    result = t_score_table(nu).at(np.copysign(np.sqrt(np.log1p(t * t)), t))
    np.testing.assert_allclose(result, z, atol=1e-8)
    assert t_score_table(nu).at(np.zeros(1))[0] == 0.0
    far = t_score_table(nu).at(np.array([-1e9, 1e9]))
    assert far[0] == -far[1]
    assert 9 < far[1] < 13
    assert t_score_table(nu).cells.nbytes < 64_000


def test_rank_correlations_share_the_ranks_of_ties() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 5, (3, 400)).astype(float)
    np.testing.assert_allclose(spearman(values), stats.spearmanr(values.T).statistic)


def orthant(low: float, other: float, r: float) -> float:
    """P(both normal scores of correlation r above these)."""
    return float(stats.multivariate_normal(cov=[[1, r], [r, 1]]).cdf([-low, -other]))


def expected_spearman(first: str, second: str, r: float) -> float:
    """By orthants of the bivariate normal.

    A mean rank is a sum over the scores at which it rises. That of a continuous distribution is
    the probability that another score lies below, so one more orthant.
    """
    rises, variances = [], []
    for name in (first, second):
        if name in ("coin", "rare", "dice"):
            p = DISTRIBUTIONS[name].atoms[1]
            edges = stats.norm.ppf(np.cumsum(p)[:-1])
            rises.append([(e, (p[k] + p[k + 1]) / 2, 1.0) for k, e in enumerate(edges)])
            variances.append((1 - (p**3).sum()) / 12)
        else:
            rises.append([(0.0, 1.0, math.sqrt(0.5))])
            variances.append(1 / 12)
    covariance = sum(
        w * v * (orthant(a, b, r * s * t) - stats.norm.sf(a) * stats.norm.sf(b))
        for a, w, s in rises[0]
        for b, v, t in rises[1]
    )
    return float(covariance / math.sqrt(variances[0] * variances[1]))


@pytest.mark.parametrize("r", [-0.95, -0.4, 0.3, 0.7])
@pytest.mark.parametrize(
    "pair", [("a", "u"), ("coin", "coin"), ("coin", "rare"), ("dice", "rare"), ("dice", "a")]
)
def test_the_rank_correlation_of_scores_is_exact_with_ties(pair: tuple[str, str], r: float) -> None:
    actual = spearman_of_scores(*(DISTRIBUTIONS[name] for name in pair), r)
    assert actual == pytest.approx(expected_spearman(*pair, r), abs=2e-5)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.7, 0.6), (-2.0, 0.5), (0.0, 3.0)])
def test_a_discrete_distribution_at_other_scores_has_their_probabilities(
    mean: float, sd: float
) -> None:
    z = mean + sd * stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    values = DISTRIBUTIONS["dice"].quantile(z)
    weights = at_scores(DISTRIBUTIONS["dice"], mean, sd).atoms[1]
    shares = [(values == value).mean() for value in (1, 2, 5)]
    np.testing.assert_allclose(weights, shares, atol=2e-5)
    assert at_scores(DISTRIBUTIONS["a"], mean, sd) is DISTRIBUTIONS["a"]


def test_at_far_scores_probabilities_keep_their_digits() -> None:
    weights = at_scores(DISTRIBUTIONS["coin"], 12.0, 1.0).atoms[1]
    assert weights[0] == pytest.approx(stats.norm.cdf(-12), rel=1e-9)


@pytest.mark.parametrize("n", [2, 200])
@pytest.mark.parametrize("share", [0.5, 2.0])
def test_the_smallest_eigenvalue_is_judged_by_the_largest(n: int, share: float) -> None:
    """Inputs that all but move together have the eigenvalues n and, by rounding, less than 0."""
    excess = share * 1e-10 * n
    matrix = np.full((n, n), 1.0 + excess)
    np.fill_diagonal(matrix, 1.0)
    names = tuple(f"x{i:03}" for i in range(n))
    group = Group("g", names, "copula", tuple(map(tuple, matrix.tolist())))
    if share > 1:
        with pytest.raises(GroupError, match=r"the smallest eigenvalue of the matrix is -"):
            score_matrix(group, {})
    else:
        weights = mixing(score_matrix(group, {}))
        np.testing.assert_allclose(weights @ weights.T, 1.0, atol=1e-6)
