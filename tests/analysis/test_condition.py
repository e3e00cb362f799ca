"""What follows from evidence: known answers, brute force, honest errors, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import sim
from sim.analysis.condition import Conditioned, condition
from sim.analysis.evidence import log_likelihood
from sim.parameters.evidence import EvidenceError, Line, read_table, read_text

DRAWS = 20_000
THETA = {"theta": {"family": "normal", "mean": 0, "sd": 1}}
OTHER = {"other": {"family": "lognormal", "median": 2, "sigma": 0.5}}
CENTRE = "(log(arr_capacity_ratio[openai]@2026Q4) + log(arr_capacity_ratio[anthropic]@2026Q4)) / 2"


@pytest.fixture(scope="module")
def theta() -> xr.Dataset:
    return sim.sample({**THETA, **OTHER}, draws=DRAWS)


@pytest.fixture(scope="module")
def base() -> xr.Dataset:
    return sim.simulate(sim.load("params/base.toml"), draws=DRAWS)


def numbers(result: Conditioned, name: str, measure: str) -> tuple[float, float]:
    """An estimate of a measure, by its text or label, and its error."""
    s = result.statistics
    at = [*map(str, s["measure"].values)].index(measure)
    return float(s[name].values[at]), float(s[f"{name}_error"].values[at])


def is_near(found: tuple[float, float], expected: float, floor: float = 0.0) -> bool:
    value, error = found
    return abs(value - expected) <= max(4 * error, floor)


@pytest.mark.parametrize(
    ("y", "tau", "mean", "sd", "share", "log_evidence"),
    [
        (1.0, 0.5, 0.8, 0.447214, 0.420470, -1.430510),
        (1.5, 0.25, 1.411765, 0.242536, 0.121032, -2.008074),
    ],
)
def test_a_normal_mean_given_a_figure_is_known(
    theta: xr.Dataset,
    y: float, tau: float, mean: float, sd: float, share: float, log_evidence: float,
) -> None:  # fmt: skip
    found = condition(
        theta, [f"theta = {y} +- {tau}"], ["mean(theta)", "sd(theta)", "P(theta > 1)"]
    )
    assert is_near(numbers(found, "posterior", "mean(theta)"), mean)
    assert is_near(numbers(found, "posterior", "sd(theta)"), sd)
    above = float(stats.norm.sf((1 - mean) / sd))
    assert is_near(numbers(found, "posterior", "P(theta > 1)"), above)
    attrs = found.statistics.attrs
    assert is_near(
        (attrs["effective"] / DRAWS, attrs["effective_error"] / DRAWS), share, floor=2e-3
    )
    assert is_near((attrs["log_evidence"], attrs["log_evidence_error"]), log_evidence)
    surprise = 2 * float(stats.norm.sf(y / math.hypot(1, tau)))
    assert float(found.statistics["surprise"][0]) == pytest.approx(surprise, abs=2e-3)


def test_a_figure_of_infinite_error_leaves_weights_equal_to_the_bit(theta: xr.Dataset) -> None:
    found = condition(theta, [{"on": "theta", "value": 1.0, "sd": math.inf}], ["theta"])
    assert (found.dataset["weight"].values == 1 / DRAWS).all()
    assert found.statistics.attrs["effective"] == pytest.approx(DRAWS, rel=1e-12)
    np.testing.assert_allclose(found.statistics["change"], 0, atol=1e-12)


def test_weighted_quantiles_are_those_of_numpy(theta: xr.Dataset) -> None:
    """NumPy's step to the next draw, ours goes between two: they differ by less than a draw."""
    found = condition(theta, ["theta = 1 +- 0.5"], ["theta"])
    weights, values = found.dataset["weight"].values, theta["theta"].values
    ordered = np.sort(values)
    for level in (5, 50, 95):
        value, _ = numbers(found, "posterior", f"p{level}(theta)")
        expected = np.quantile(values, level / 100, weights=weights, method="inverted_cdf")
        at = np.searchsorted(ordered, expected)
        assert ordered[at - 2] <= value <= ordered[at + 2]


def test_statistics_of_the_prior_are_those_of_the_draws(theta: xr.Dataset) -> None:
    texts = ["p5(other)", "mean(other)", "sd(other)", "cvar95(other)", "P(other > 3)"]
    found = condition(theta, ["theta = 1 +- 0.5"], texts)
    x = theta["other"].values
    tail = np.sort(x)[-DRAWS // 20 :].mean()
    expected = [np.quantile(x, 0.05), x.mean(), x.std(), tail, (x > 3).mean()]
    np.testing.assert_allclose(found.statistics["prior"], expected, rtol=1e-3)


def test_a_range_keeps_the_draws_inside_it_alike(theta: xr.Dataset) -> None:
    found = condition(theta, ["0.5 <= theta <= 2"], ["mean(theta)", "p5(other)"])
    inside = (theta["theta"].values >= 0.5) & (theta["theta"].values <= 2)
    weights = found.dataset["weight"].values
    np.testing.assert_allclose(weights, inside / inside.sum(), rtol=1e-12)
    assert numbers(found, "posterior", "mean(theta)")[0] == pytest.approx(
        theta["theta"].values[inside].mean(), rel=1e-12
    )
    expected = np.quantile(theta["other"].values[inside], 0.05)
    assert numbers(found, "posterior", "p5(other)")[0] == pytest.approx(expected, rel=1e-9)
    assert float(found.statistics["surprise"][0]) == pytest.approx(inside.mean(), rel=1e-12)


@pytest.mark.parametrize(("text", "sign"), [("theta >= 1 +- 0.5", 1), ("theta <= -1 +- 0.5", -1)])
def test_a_soft_bound_is_known(theta: xr.Dataset, text: str, sign: int) -> None:
    """The mean of a normal given value + error >= 1: that of a skew normal's end."""
    found = condition(theta, [text], ["mean(theta)"])
    scale = math.hypot(1, 0.5)
    mills = stats.norm.pdf(1 / scale) / stats.norm.sf(1 / scale)
    assert is_near(numbers(found, "posterior", "mean(theta)"), sign * mills / scale)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"value": 1.0, "sd": 0.5}, stats.norm(1, 0.5)),
        ({"interval": [0.5, 1.5], "level": 0.9}, stats.norm(1, 0.5 / 1.6448536269514722)),
        ({"value": 1.0, "sd": 0.5, "family": "student_t"}, stats.t(4, 1, 0.5)),
        ({"value": 1.0, "sd": 0.5, "family": "student_t", "nu": 7}, stats.t(7, 1, 0.5)),
    ],
)
def test_likelihoods_are_the_densities_of_their_families(table: dict, expected: object) -> None:
    line = read_table({"on": "pue", **table})
    values = np.array([-1.0, 0.3, 1.0, 2.5])
    found = log_likelihood(line, values)
    density = expected.logpdf(values)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found - found[2], density - density[2], atol=1e-12)


def test_a_lognormal_interval_holds_its_level_about_the_geometric_mean() -> None:
    line = read_table({"on": "pue", "interval": [1, 4], "level": 0.8, "family": "lognormal"})
    assert line.evidence.number == pytest.approx(2)
    assert line.evidence.error == pytest.approx(math.log(4) / (2 * stats.norm.ppf(0.9)))
    found = log_likelihood(line, np.array([1.0, 2.0, 4.0]))
    assert found[0] == pytest.approx(found[2])
    assert found[0] == pytest.approx(-0.5 * stats.norm.ppf(0.9) ** 2)


def test_lines_on_independent_values_multiply(theta: xr.Dataset) -> None:
    both = condition(theta, ["theta = 1 +- 0.5", "other = 2 +- 0.4"], ["p50(theta)"])
    parts = [
        condition(theta, [of], ["p50(theta)"]) for of in ("theta = 1 +- 0.5", "other = 2 +- 0.4")
    ]
    product = math.prod(part.dataset["weight"] for part in parts)
    np.testing.assert_allclose(both.dataset["weight"], product / product.sum(), rtol=1e-9)


def test_leaving_a_line_out_is_conditioning_on_the_others(theta: xr.Dataset) -> None:
    lines = ["theta = 1 +- 0.5", "other = 2 +- 0.4"]
    both = condition(theta, lines, ["p50(theta)"])
    for i in (0, 1):
        alone = condition(theta, [lines[1 - i]], ["p50(theta)"])
        assert (
            float(both.statistics["without"][i, 0]) == numbers(alone, "posterior", "p50(theta)")[0]
        )


def test_lines_that_contradict_each_other_are_flagged(theta: xr.Dataset) -> None:
    """Neither is surprising by itself; given the other, each is."""
    found = condition(theta, ["theta = 1 +- 0.2", "theta = -1 +- 0.2"], ["theta"]).statistics
    assert json.loads(found.attrs["disagree"]) == [[0, 1]]
    assert (found["surprise"] > 0.2).all()
    assert float(found["given"][0, 1]) < 1e-6
    agreeing = condition(theta, ["theta = 1 +- 0.2", "theta = 1.2 +- 0.2"], ["theta"])
    assert json.loads(agreeing.statistics.attrs["disagree"]) == []


def test_powers_of_the_likelihood_are_those_of_other_errors(theta: xr.Dataset) -> None:
    """A normal likelihood to the power a has the error / sqrt(a)."""
    found = condition(theta, ["theta = 1 +- 0.5"], ["mean(theta)"])
    for i, power in enumerate((0.8, 1.25)):
        other = condition(
            theta, [{"on": "theta", "value": 1, "sd": 0.5 / math.sqrt(power)}], ["mean(theta)"]
        )
        expected, _ = numbers(other, "posterior", "mean(theta)")
        assert float(found.statistics["scaled"][i, 0]) == pytest.approx(expected, rel=1e-9)


def test_errors_are_those_of_repeated_runs() -> None:
    """The spread over seeds, over the mean stated error, of a ratio of two means and a quantile."""
    texts = ["mean(theta)", "p5(theta)", "P(theta > 1.2)"]
    found = [
        condition(
            sim.sample(THETA, draws=2_048, seed=seed, sampler="random"), ["theta = 1 +- 0.5"], texts
        ).statistics
        for seed in range(60)
    ]
    for i in range(len(texts)):
        values = np.array([float(of["posterior"][i]) for of in found])
        errors = np.array([float(of["posterior_error"][i]) for of in found])
        assert 0.7 < values.std(ddof=1) / errors.mean() < 1.4


def test_two_routes_weigh_as_the_model_says(base: xr.Dataset) -> None:
    """Weights of (8.7): docs/model.md states median, p5 and effective share."""
    found = condition(base, ["routes"])
    assert json.loads(found.statistics.attrs["evidence"]) == ["routes = 0 +- 0.25"]
    assert str(found.lines[0].evidence) == f"{CENTRE} = 0 +- 0.25"
    median = numbers(found, "posterior", "p50(inference_gross_margin@2026Q4)")
    assert is_near(median, 0.634, floor=5e-4)
    assert is_near(numbers(found, "posterior", "p5(inference_gross_margin@2026Q4)"), 0.34, 5e-3)
    assert found.statistics.attrs["effective"] / DRAWS == pytest.approx(0.51, abs=0.015)


def test_a_formula_of_a_users_own_is_conditioned(theta: xr.Dataset) -> None:
    """Of y = theta + log(other), linear and Gaussian: the posterior of theta is known."""
    ds = theta.assign(y=theta["theta"] + np.log(theta["other"]))
    found = condition(ds, ["y = 2 +- 0.5"], ["mean(theta)", "sd(theta)"])
    variance = 1 + 0.25 + 0.25
    mean = (2 - math.log(2)) / variance
    assert is_near(numbers(found, "posterior", "mean(theta)"), mean)
    assert is_near(numbers(found, "posterior", "sd(theta)"), math.sqrt(1 - 1 / variance))


def test_variables_of_a_users_own_are_shown_unless_some_are_asked_for(theta: xr.Dataset) -> None:
    found = condition(theta, ["theta = 1 +- 0.5"]).statistics
    assert [*found["measure"].values] == [
        f"p{level}({name})" for name in ("theta", "other") for level in (5, 50, 95)
    ]


def test_the_same_draws_give_the_same_bits(theta: xr.Dataset) -> None:
    one, other = (condition(theta, ["theta = 1 +- 0.5"], ["theta"]) for _ in range(2))
    xr.testing.assert_identical(one.statistics, other.statistics)


@pytest.mark.parametrize(
    ("on", "sign"),
    [
        ("theta = 9 +- 0.1", "draws are near"),
        ("thet = 1 +- 0.1", "unknown output or input 'thet'"),
        ("theta = 1", "how sharp it is, '+- number', is missing"),
        ("theta", "'= number +- number' is missing"),
        ("2 <= theta <= 1", "expected the lower number first"),
        ({"on": "theta", "value": 1, "sd": -1}, "sd: expected a number above 0, got -1"),
        ({"on": "theta", "value": 1}, "sd: missing"),
        ({"on": "theta", "value": 1, "sd": 1, "famly": "normal"}, "did you mean 'family'?"),
        ({"on": "theta", "value": 1, "sd": 1, "family": "cauchy"}, "expected normal, lognormal"),
        ({"on": "theta", "interval": [2, 1]}, "interval: expected two rising numbers"),
        ({"value": 1, "sd": 1}, "on: missing"),
    ],
)
def test_bad_evidence_is_named(theta: xr.Dataset, on: object, sign: str) -> None:
    with pytest.raises(sim.InputError, match="on: ") as refused:
        condition(theta, [on])  # type: ignore[list-item]
    assert sign in str(refused.value)


def test_all_faults_of_evidence_are_named_at_once(theta: xr.Dataset) -> None:
    with pytest.raises(sim.InputError) as refused:
        condition(theta, ["thet = 1 +- 0.1", {"on": "theta", "value": "x", "sd": 0}])
    assert len(refused.value.faults) == 3


def test_evidence_on_what_is_the_same_in_every_draw_is_refused(theta: xr.Dataset) -> None:
    with pytest.raises(sim.InputError, match="the same in every draw"):
        condition(theta.assign(one=("draw", np.ones(DRAWS))), ["one = 1 +- 1"])
    values = theta["theta"].values.copy()
    values[3] = np.nan
    with pytest.raises(sim.InputError, match="not known in 1 of"):
        condition(theta.assign(gap=("draw", values)), ["gap = 1 +- 1"])


def test_no_evidence_is_refused(theta: xr.Dataset) -> None:
    with pytest.raises(sim.InputError, match="expected at least one line"):
        condition(theta, [])


def test_a_table_refuses_keys_that_cannot_stand_together() -> None:
    with pytest.raises(EvidenceError) as refused:
        read_table({"on": "pue = 1.2 +- 0.1", "value": 3, "source": 7})
    assert [key for key, _ in refused.value.faults] == ["value", "source"]
    assert isinstance(read_text("pue = 1.2 +- 0.1"), Line)


def test_weighted_draws_are_not_summarised_as_if_they_counted_alike(theta: xr.Dataset) -> None:
    found = sim.condition(theta, "theta = 1 +- 0.5")
    with pytest.raises(ValueError, match="weighted by evidence"):
        sim.summarise(found.dataset, ["theta"])
