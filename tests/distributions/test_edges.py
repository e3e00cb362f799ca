"""Over their whole lawful range distributions are right to 1e-9, or refused by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.special import ndtr, ndtri

from sim.distributions import from_scipy
from sim.distributions.moments import moments
from sim.distributions.quantile_tables import BOUND, check_drawable, table_of
from sim.parameters.distribution_errors import read_named_distribution

SCORES = np.array([-7.0, -4.0, -2.0, -0.7, -0.1, 0.0, 0.1, 0.7, 2.0, 4.0, 7.0])
Entry = dict[str, Any]


def powers(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers from 10^low to 10^high, by their logarithm."""
    return st.floats(low, high).map(lambda x: float(10.0**x))


def anything(low: float, high: float) -> st.SearchStrategy[float]:
    return st.one_of(st.just(0.0), powers(low, high), powers(low, high).map(lambda x: -x))


def rising(count: int) -> st.SearchStrategy[list[float]]:
    """That many different numbers, rising, from one end of the doubles to the other."""
    return st.lists(anything(-10, 308.2), min_size=count, max_size=count, unique=True).map(sorted)


def family(name: str, **parameters: st.SearchStrategy[float]) -> st.SearchStrategy[Entry]:
    return st.fixed_dictionaries({"family": st.just(name), **parameters})


ENDS = ("min", "mode", "max")
UNIT = {"min": st.just(0.0), "max": st.just(1.0)}
LAWFUL = {
    "normal": family("normal", mean=anything(-308, 308.2), sd=powers(-308, 308.2)),
    "lognormal": family("lognormal", median=powers(-300, 308), sigma=powers(-8, 3)),
    "logit_normal": family(
        "logit_normal", median=st.floats(1e-9, 0.999), sigma=powers(-8, 3), **UNIT
    ),
    "uniform": rising(2).map(lambda x: {"family": "uniform", "min": x[0], "max": x[1]}),
    "log_uniform": st.lists(powers(-307, 308), min_size=2, max_size=2, unique=True).map(
        lambda x: {"family": "log_uniform", "min": min(x), "max": max(x)}
    ),
    "triangular": rising(3).map(
        lambda x: {"family": "triangular", "min": x[0], "mode": x[1], "max": x[2]}
    ),
    "pert": st.tuples(rising(3), powers(-3, 8)).map(
        lambda x: {"family": "pert", **dict(zip(ENDS, x[0], strict=True)), "shape": x[1]}
    ),
    "beta": family("beta", a=powers(-4, 17), b=powers(-4, 17)),
    "gamma": family("gamma", shape=powers(-4, 17), scale=powers(-200, 200)),
    "weibull": family("weibull", shape=powers(-4, 12), scale=powers(-200, 200)),
    "student_t": family(
        "student_t", df=powers(-3, 20), median=anything(-3, 3), scale=powers(-3, 3)
    ),
    "generalized_pareto": family(
        "generalized_pareto", shape=anything(-20, 3), scale=powers(-3, 3), threshold=anything(-3, 3)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWFUL)
def test_a_distribution_is_right_or_refused_by_name(name: str) -> None:
    @settings(derandomize=True, max_examples=25, deadline=None, database=None)
    @given(LAWFUL[name])
    def check(entry: Entry) -> None:
        started = time.process_time()
        try:
            distribution = read_named_distribution(entry, "x")
            check_drawable(distribution)
        except ValueError:
            assert time.process_time() - started < 2.0
            return
        with np.errstate(all="ignore"):
            check_agreement(distribution, entry)

    check()


def check_agreement(distribution: Any, entry: Entry) -> None:
    """Quantiles, table and probabilities above and below agree, for all scores of `SCORES`."""
    x = distribution.quantile(SCORES)
    assert np.isfinite(x).all(), entry
    assert (np.diff(x) >= 0).all(), entry
    low, middle, high = distribution.quantile(ndtri(np.array([0.25, 0.5, 0.75])))
    scale = np.maximum(np.abs(x - middle), high - low)
    # Doubles of this size can be no nearer.
    off = 1e-9 * scale + 16 * np.spacing(np.abs(x))
    for known, tolerance in ((distribution, 1e-9), (reference(entry), 1e-9)):
        if known is None:
            continue
        p_low, q_low = probabilities(known, x - off)
        p_high, q_high = probabilities(known, x + off)
        assert (p_low <= ndtr(SCORES) * (1 + tolerance)).all(), (entry, known)
        assert (p_high >= ndtr(SCORES) * (1 - tolerance)).all(), (entry, known)
        assert (q_low >= ndtr(-SCORES) * (1 - tolerance)).all(), (entry, known)
        assert (q_high <= ndtr(-SCORES) * (1 + tolerance)).all(), (entry, known)
    standard, shift, factor = distribution.standard()
    if entry["family"] != "normal":
        values = shift + factor * table_of(standard).at(SCORES)
        assert (np.abs(values - x) <= 1.1 * BOUND * scale + 40 * np.spacing(np.abs(x))).all(), entry
    mean, sd = moments(distribution)
    assert not math.isinf(mean), entry
    assert not sd < 0, entry


def probabilities(known: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(X <= x) and P(X > x) of a distribution of scipy, or of one of ours."""
    if hasattr(known, "log_probabilities_at"):
        log_p, log_q = known.log_probabilities_at(x)
        return np.exp(log_p), np.exp(log_q)
    return known.cdf(x), known.sf(x)


def reference(entry: Entry) -> Any:
    """The distribution of scipy, where that is right; else None."""
    kind = entry["family"]
    if kind == "gamma" and entry["shape"] < 1e5:  # its lower tail is wrong beyond
        return stats.gamma(entry["shape"], scale=entry["scale"])
    if kind == "weibull":
        return stats.weibull_min(entry["shape"], scale=entry["scale"])
    if kind == "student_t" and entry["df"] < 1e5:
        return stats.t(entry["df"], entry["median"], entry["scale"])
    if kind == "normal":
        return stats.norm(entry["mean"], entry["sd"])
    if kind == "lognormal" and entry["sigma"] < 300:
        return stats.lognorm(entry["sigma"], scale=entry["median"])
    return None


@pytest.mark.parametrize(
    ("entry", "known"),
    [
        # Large shapes: the mean plus sd times (z + (z^2 - 1)/(3 sqrt(shape)) + ...).
        (
            {"family": "gamma", "shape": 1e12, "scale": 1.0},
            lambda z: 1e12 + 1e6 * z + (z * z - 1) / 3,
        ),
        (
            {"family": "gamma", "shape": 1e16, "scale": 1.0},
            lambda z: 1e16 + 1e8 * z + (z * z - 1) / 3,
        ),
        ({"family": "student_t", "df": 1e15, "median": 0.0, "scale": 1.0}, lambda z: z),
        ({"family": "student_t", "df": 1e300, "median": 0.0, "scale": 1.0}, lambda z: z),
        (
            {"family": "student_t", "df": 2e6, "median": 0.0, "scale": 1.0},
            lambda z: z + (z**3 + z) / 8e6 + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * 4e12),
        ),
        (
            {"family": "log_uniform", "min": 1e-307, "max": 1e300},
            lambda z: 10.0 ** (-307 + 607 * ndtr(z)),
        ),
        ({"family": "uniform", "min": -8e299, "max": 8e299}, lambda z: 1.6e300 * (ndtr(z) - 0.5)),
    ],
    ids=lambda x: str(x) if isinstance(x, dict) else "limit",
)  # fmt: skip
def test_extreme_parameters_have_the_quantiles_of_their_limit(
    entry: Entry, known: Callable[[float], float]
) -> None:
    z = np.array([-6.0, -1.0, 0.0, 1.0, 6.0])
    exact = np.array([float(known(score)) for score in z])
    values = read_named_distribution(entry, "x").quantile(z)
    scale = abs(exact[3] - exact[1])
    if entry["family"] == "log_uniform":
        np.testing.assert_allclose(values, exact, rtol=1e-11)
    else:
        np.testing.assert_allclose(values, exact, rtol=4e-16, atol=2e-9 * scale)


def test_the_sd_of_a_student_t_with_many_degrees_of_freedom_is_1() -> None:
    for df in (1e6, 1e15, 1e18, 1e30):
        entry = {"family": "student_t", "df": df, "median": 0.0, "scale": 1.0}
        assert moments(read_named_distribution(entry, "x"))[1] == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"family": "beta", "a": 1e3, "b": 1e10}, "x.b: expected a number at or below 1e+07"),
        ({"family": "beta", "a": 1e11, "b": 1e13}, "x.a: expected a number at or below 1e+07"),
        ({"family": "beta", "mean": 0.5, "sd": 1e-6}, "too narrow: a beta with a = 1.25e+11"),
        ({"family": "beta", "p50": 0.5, "p95": 0.500001}, "too near one another"),
        ({"family": "beta", "p50": 1e-300, "p51": 1 - 1e-9}, "too far apart"),
        ({"family": "uniform", "min": -1e308, "max": 1e308}, "farther apart than a double holds"),
        ({"family": "normal", "mean": 1e308, "sd": 1e308}, "beyond 1e+300"),
        ({"family": "lognormal", "median": 1.0, "sigma": 200.0}, "beyond 1e+300"),
        ({"family": "student_t", "df": 0.01, "median": 0.0, "scale": 1.0}, "at or above 0.1"),
        ({"family": "gamma", "p10": 1.0, "p90": 1.0000001}, "no gamma with a shape from"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_computed_is_refused_with_the_true_reason(
    entry: Entry, message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        check_drawable(read_named_distribution(entry, "x"))
    assert message in str(caught.value)


def test_beta_has_every_two_quantiles_between_its_limits() -> None:
    rng = np.random.default_rng(11)
    for _ in range(150):
        a, b = 10.0 ** rng.uniform(-1.5, 6, 2)
        levels = np.sort(rng.choice(np.arange(1, 100), 2, replace=False)) / 100
        x = special.betaincinv(a, b, levels)
        if not (x[0] > 1e-300 and x[1] < 1 - 1e-9 and x[1] - x[0] > 1e-11 * x[1]):
            continue
        entry = {
            "family": "beta",
            "quantiles": [list(map(float, p)) for p in zip(levels, x, strict=True)],
        }
        found = read_named_distribution(entry, "x").quantile(ndtri(levels))
        np.testing.assert_allclose(
            found, x, atol=1e-9 * (x[1] - x[0]), rtol=1e-9, err_msg=str(entry)
        )


@pytest.mark.parametrize("name", ["triangular", "pert"])
def test_three_quantiles_of_a_skewed_distribution_lead_back_to_them(name: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        mode = rng.uniform(-5, 5)
        below, above = 10.0 ** rng.uniform(-2, 3, 2)
        entry = {"family": name, "min": mode - below, "mode": mode, "max": mode + above}
        levels = np.sort(rng.choice([1, 5, 10, 25, 50, 75, 90, 95, 99], 3, replace=False))
        z = ndtri(levels / 100)
        x = read_named_distribution(entry, "x").quantile(z)
        keys = {f"p{level}": float(value) for level, value in zip(levels, x, strict=True)}
        found = read_named_distribution({"family": name, **keys}, "x").quantile(z)
        np.testing.assert_allclose(found, x, atol=1e-9 * (x[2] - x[0]), rtol=0, err_msg=str(entry))


def test_whether_a_law_of_scipy_is_too_slow_is_a_count_of_evaluations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overrun = {"family": "scipy.exponnorm", "K": 1.5, "loc": 0.15, "scale": 0.02, "min": 0.05}
    assert not hasattr(from_scipy, "time")  # no clock
    read_named_distribution(overrun, "x")
    for entry in (
        {"family": "scipy.studentized_range", "k": 3, "df": 10},
        {"family": "scipy.norminvgauss", "a": 1.25, "b": 0.5},
    ):
        with pytest.raises(ValueError, match="computes its functions more than 500 times"):
            read_named_distribution(entry, "x")
    monkeypatch.setattr(from_scipy, "MOST_EVALUATIONS", 5)
    with pytest.raises(ValueError, match=r"x: scipy\.exponnorm is too slow"):
        read_named_distribution(overrun, "x")


def test_draws_of_a_law_of_scipy_stay_within_its_support() -> None:
    entry = {"family": "scipy.gamma", "a": 0.1, "loc": 2.0}
    assert read_named_distribution(entry, "x").support == (2.0, math.inf)
    assert read_named_distribution({**entry, "min": 3, "max": 4}, "x").support == (3.0, 4.0)
