from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from histogram_datasets import COLUMNS, columns_with_histograms, make_draws, with_histograms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm, t

import sim
from sim.parameters.scenario import Scenario
from sim.statistics.datasets import indicators
from sim.statistics.estimators import (
    probability_with_error,
    quantiles_with_error,
    tail_means_with_error,
)
from sim.statistics.expressions import evaluate
from sim.statistics.histogram_estimators import HistogramEstimator, draws_of
from sim.statistics.replicates import replicated
from sim.tables import headline_tables

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SMOOTH = ("normal", "lognormal", "heavy tails", "an atom at its lower end", "infinity")
N, KEPT = 1_000_000, 65_536
NUMBERS = st.floats(-1e300, 1e300) | st.sampled_from([np.nan, np.inf, -np.inf])
Pair = tuple[np.ndarray, HistogramEstimator]


@pytest.fixture(scope="module")
def million() -> Pair:
    """A million draws of columns of every kind, and their sketch."""
    values = make_draws(N, seed=7)
    return values, HistogramEstimator(columns_with_histograms(values, KEPT), "x")


def test_quantiles_are_off_by_a_quarter_of_their_error_at_most(million: Pair) -> None:
    values, binned = million
    found, _ = binned.quantiles_with_error(LEVELS)
    expected, error = quantiles_with_error(np.sort(values), values, replicated(N, "random"), LEVELS)
    for column, name in enumerate(COLUMNS):
        if name in SMOOTH:
            same = found[:, column] == expected[:, column]  # infinite, or an atom
            off = np.abs(found[~same, column] - expected[~same, column])
            assert (off <= 0.25 * error[~same, column]).all(), name


def test_quantiles_are_off_by_the_width_of_a_bin_at_most(million: Pair) -> None:
    values, binned = million
    levels = (1e-4, 1e-3, *LEVELS, 0.999, 0.9999)
    found, _ = binned.quantiles_with_error(levels)
    ordered = np.sort(values)
    for level, quantiles in zip(levels, found, strict=True):
        for column, (row, edges) in enumerate(zip(ordered, binned.edges, strict=True)):
            exact = row[int(level * (N - 1))]
            if not np.isfinite(exact):
                assert quantiles[column] == exact or np.isnan(exact)
                continue
            place = np.searchsorted(edges[1:-1], exact)
            beside = np.searchsorted(edges[1:-1], row[int(level * (N - 1)) + 1])
            assert edges[place] <= quantiles[column] <= edges[beside + 1]


def test_atoms_infinities_and_what_is_missing_are_exact(million: Pair) -> None:
    values, binned = million
    found, error = binned.quantiles_with_error((0.0, *LEVELS, 1.0))
    ordered = np.sort(values)
    for name in ("whole numbers", "constant", "not reported"):
        column = list(COLUMNS).index(name)
        exact = [ordered[column, round(level * (N - 1))] for level in (0.0, *LEVELS, 1.0)]
        np.testing.assert_array_equal(found[:, column], exact)
    constant = list(COLUMNS).index("constant")
    assert (error[1:-1, constant] == 0).all()
    for number in (0.3, 3.0, np.inf, -np.inf):
        for relation, holds in (
            (">=", np.greater_equal), (">", np.greater), ("<=", np.less_equal), ("<", np.less),
        ):  # fmt: skip
            share, _ = binned.probability_with_error(relation, number)
            with np.errstate(invalid="ignore"):
                exact_share = holds(values, number).sum(axis=1) / (~np.isnan(values)).sum(axis=1)
            for column, name in enumerate(COLUMNS):
                if np.isinf(number) or name in ("whole numbers", "constant", "not reported"):
                    assert share[column] == exact_share[column] or name == "not reported"


def test_tail_means_are_off_by_a_twentieth_of_their_error_at_most(million: Pair) -> None:
    values, binned = million
    tails = (0.01, 0.05, 0.25, 0.75, 0.95, 0.99)
    found, found_error = binned.tail_means_with_error(tails)
    expected, error = tail_means_with_error(np.sort(values), values, replicated(N, "random"), tails)
    for column, name in enumerate(COLUMNS):
        if name in ("infinity", "infinities", "not reported"):
            continue
        scale = 1e-12 * np.abs(expected[:, column]) + 1e-12
        off = np.abs(found[:, column] - expected[:, column])
        assert (off <= 0.05 * error[:, column] + scale).all(), name
        ratio = (found_error[:, column] + scale) / (error[:, column] + scale)
        np.testing.assert_allclose(ratio, 1.0, atol=0.1, err_msg=name)


def test_infinite_draws_are_in_tail_means(million: Pair) -> None:
    _, binned = million
    means, _ = binned.tail_means_with_error((0.05, 0.95))
    assert np.isfinite(means[0, list(COLUMNS).index("infinity")])
    assert means[1, list(COLUMNS).index("infinity")] == np.inf
    assert means[:, list(COLUMNS).index("infinities")].tolist() == [-np.inf, np.inf]
    assert np.isnan(means[:, list(COLUMNS).index("not reported")]).all()


def test_errors_are_those_of_the_draws(million: Pair) -> None:
    values, binned = million
    how = replicated(N, "random")
    levels = LEVELS[1:-1]
    _, found = binned.quantiles_with_error(levels)
    _, expected = quantiles_with_error(np.sort(values), values, how, levels)
    smooth = [i for i, name in enumerate(COLUMNS) if name in SMOOTH]
    found, expected = found[:, smooth], expected[:, smooth]
    known = np.isfinite(expected) & (expected > 0)
    np.testing.assert_allclose(found[known], expected[known], rtol=0.1)
    for number in (0.3, 1.0, 2.0):
        share, found = binned.probability_with_error(">=", number)
        happens, valid = values >= number, ~np.isnan(values)
        exact, expected = probability_with_error(happens, valid, how)
        np.testing.assert_allclose(found[smooth], expected[smooth], rtol=0.1)
        assert (np.abs(share - exact)[smooth] <= 0.1 * expected[smooth]).all()
    share, found = binned.finite_with_error()
    exact, expected = probability_with_error(np.isfinite(values), ~np.isnan(values), how)
    np.testing.assert_array_equal(share, exact)
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_intervals_hold_the_true_answer_as_often_as_they_say() -> None:
    columns, n = 1_500, 10_240
    values = np.random.default_rng(11).normal(size=(columns, n))
    binned = HistogramEstimator(columns_with_histograms(values, 2_048), "x")
    levels = (0.05, 0.5, 0.9)
    reach = t.ppf(0.975, 31)

    def held(value: np.ndarray, error: np.ndarray, true: np.ndarray | float) -> float:
        return float((np.abs(value - true) <= reach * error).mean())

    true = norm.ppf(levels)[:, None]
    assert 0.93 < held(*binned.quantiles_with_error(levels), true) < 0.97
    tails = np.array([-norm.pdf(norm.ppf(0.05)) / 0.05, norm.pdf(norm.ppf(0.9)) / 0.1])
    assert 0.93 < held(*binned.tail_means_with_error((0.05, 0.9)), tails[:, None]) < 0.97
    assert 0.93 < held(*binned.probability_with_error(">=", 1.0), norm.sf(1.0)) < 0.97


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.integers(1, 70), elements=NUMBERS),
    st.integers(1, 70),
)
def test_quantiles_of_strange_columns_rise_between_their_ends(row: np.ndarray, kept: int) -> None:
    binned = HistogramEstimator(columns_with_histograms(row[None], min(kept, row.size)), "x")
    quantiles = binned.quantiles_with_error((0.0, 0.1, 0.5, 0.9, 1.0))[0][:, 0]
    if np.isnan(row).any():
        assert np.isnan(quantiles).all()
        return
    assert quantiles[0] == row.min()
    assert quantiles[-1] == row.max()
    known = quantiles[~np.isnan(quantiles)]  # between infinities there is none
    assert (np.sort(known) == known).all()


def test_a_sketched_run_is_summarised_as_its_draws_are(base: Scenario, ds: xr.Dataset) -> None:
    found, expected = sim.summarise(with_histograms(ds, base, 2_048)), sim.summarise(ds)
    missing = set(expected.data_vars) - set(found.data_vars)
    assert not missing
    for name in expected.data_vars:
        assert found[name].dims == expected[name].dims, name
        assert found[name].attrs == expected[name].attrs, name
        if str(name).endswith("_error"):
            continue
        error = expected[f"{name}_error"].values
        mine, theirs = found[name].values, expected[name].values
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):
            off = np.abs(mine - theirs)
        near = off <= 0.35 * np.nan_to_num(error, nan=np.inf) + 1e-9 * abs(theirs)
        assert (same | near).all(), name


def test_declared_probabilities_have_the_value_and_the_error_of_the_draws(
    base: Scenario,
) -> None:
    ds = sim.simulate(base, draws=4_096, seed=2)
    found, expected = sim.summarise(with_histograms(ds, base, 2_048)), sim.summarise(ds)
    for name in indicators(ds):
        np.testing.assert_array_equal(found[name], expected[name])
        np.testing.assert_allclose(found[f"{name}_error"], expected[f"{name}_error"], rtol=1e-9)


def test_a_run_of_more_draws_than_are_kept_is_told_by_its_sketch(base: Scenario) -> None:
    few = sim.simulate(base, draws=12_000, seed=3, kept_draws=8_192)
    every = sim.simulate(base, draws=12_000, seed=3)
    assert few.sizes["draw"] == 8_192
    assert draws_of(few) == draws_of(every) == 12_000
    found, expected = sim.summarise(few), sim.summarise(every)
    for name in ("gw", "inference_gross_margin", "lab_paid_margin", "rpo_shortfall"):
        for statistic in ("quantile", "cvar"):
            if f"{name}_{statistic}" not in expected:
                continue
            value, exact = found[f"{name}_{statistic}"], expected[f"{name}_{statistic}"]
            error = expected[f"{name}_{statistic}_error"]
            assert ((abs(value - exact) <= 0.35 * error + 1e-9) | exact.isnull()).all(), name
    np.testing.assert_array_equal(found.p_gw_above, expected.p_gw_above)
    titles = [table.title for table in headline_tables(few, found)]
    assert titles == [table.title for table in headline_tables(every, expected)]


@pytest.mark.parametrize(
    "text",
    [
        "mean(gw[openai]@2027Q4)", "sd(gw[openai]@2027Q4)", "p5(inference_gross_margin@2026Q4)",
        "cvar5(inference_gross_margin@2026Q4)", "P(gw[openai]@2027Q4 > 11.3)",
        "P(lab_paid_margin[openai]@2026Q4 <= 0.5)", "p90(payback_months[openai])",
    ],
)  # fmt: skip
def test_an_expression_is_of_all_draws(base: Scenario, ds: xr.Dataset, text: str) -> None:
    value, error = evaluate(text, with_histograms(ds, base, 2_048))
    exact, exact_error = evaluate(text, ds)
    assert value == exact or abs(value - exact) < 0.25 * exact_error
    assert error == pytest.approx(exact_error, rel=0.25)


def test_bins_of_several_columns_are_not_pooled(base: Scenario, ds: xr.Dataset) -> None:
    found = with_histograms(ds, base, 1_024)
    with pytest.raises(ValueError, match="'gw' holds 4,000 draws in bins"):
        sim.summarise(found, ["gw"], dims=("draw", "lab"))
    pooled = sim.summarise(found, ["gw"], (), (), dims=("draw", "lab"))
    exact = sim.summarise(ds, ["gw"], (), (), dims=("draw", "lab"))
    np.testing.assert_allclose(pooled.gw_mean, exact.gw_mean, rtol=1e-12)
    p, p_exact = (sim.summarise(of, ["p_gw_above"], dims=("draw", "lab")) for of in (found, ds))
    np.testing.assert_allclose(p.p_gw_above, p_exact.p_gw_above, rtol=1e-12)
