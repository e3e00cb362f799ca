from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import sim
from sim.results import OUTPUTS
from sim.scenario import Scenario
from sim.statistics import (
    mean_of_replicates,
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
    replicated,
    standard_error,
)


def test_replicate_r_holds_the_draws_whose_block_is_r_modulo_32() -> None:
    cut, share = replicated(np.arange(4_000))
    assert cut.shape == (32, 96)
    assert share == pytest.approx(3_072 / 4_000)
    assert all(draw // 32 % 32 == r for r in range(32) for draw in cut[r])


def test_below_1024_draws_every_full_block_is_a_replicate() -> None:
    cut, share = replicated(np.arange(1_000))
    assert cut.shape == (31, 32)
    assert share == pytest.approx(992 / 1_000)


def test_too_few_draws_have_no_error(base: Scenario) -> None:
    few = sim.summarise(sim.simulate(base, draws=255))
    errors = [name for name in few.data_vars if str(name).endswith("_error")]
    assert all(np.isnan(few[name]).all() for name in errors)
    enough = sim.summarise(sim.simulate(base, draws=256))
    assert np.isfinite(enough.inference_gross_margin_mean_error).all()


def test_one_draw_is_summarised(base: Scenario) -> None:
    one = sim.summarise(sim.simulate(base, draws=1))
    assert np.isfinite(one.inference_gross_margin_quantile).all()
    assert np.isfinite(one.unit_cost_mean).all()


@pytest.mark.parametrize("n", [512, 2_000, 10_240])
def test_reported_errors_are_those_of_repeated_runs(n: int) -> None:
    """Errors of mean, sd, quantiles and probability against the spread over independent runs."""
    rng = np.random.default_rng(12)
    runs = rng.lognormal(size=(600, n))
    cut, share = replicated(runs)
    ordered, by_replicate = np.sort(runs, axis=-1), np.sort(cut, axis=-1)
    levels = [0.05, 0.5, 0.95]
    value, error = quantiles_with_error(ordered, by_replicate, share, levels)
    spread = value.std(axis=1, ddof=1)
    np.testing.assert_allclose(np.sqrt((error**2).mean(axis=1)), spread, rtol=0.15)
    mean_error = standard_error(cut.mean(axis=-1), share)
    np.testing.assert_allclose(
        np.sqrt((mean_error**2).mean()), runs.mean(axis=-1).std(ddof=1), rtol=0.12
    )
    for threshold in (0.1, 1.0, 5.0):
        p, p_error = probability_with_error(runs > threshold, np.ones(runs.shape, bool))
        np.testing.assert_allclose(np.sqrt((p_error**2).mean()), p.std(ddof=1), rtol=0.2)


def test_intervals_of_95_percent_cover(base: Scenario) -> None:
    """Student t with 31 degrees on the replicate error, for known answers."""
    rng = np.random.default_rng(3)
    runs = rng.normal(size=(2_000, 10_240))
    cut, share = replicated(runs)
    reach = 2.0395  # the 97.5 % point of t with 31 degrees
    mean, error = runs.mean(axis=-1), standard_error(cut.mean(axis=-1), share)
    assert 0.93 < (np.abs(mean) < reach * error).mean() < 0.97
    value, error = quantiles_with_error(
        np.sort(runs, axis=-1), np.sort(cut, axis=-1), share, [0.05, 0.5]
    )
    truth = np.array([-1.6448536269514722, 0.0])[:, None]
    covered = (np.abs(value - truth) < reach * error).mean(axis=1)
    assert ((covered > 0.93) & (covered < 0.97)).all()


def test_rare_events_have_an_honest_error() -> None:
    happens = np.zeros(100_000, bool)
    valid = np.ones_like(happens)
    assert probability_with_error(happens, valid)[1] > 0
    happens[7] = True
    value, error = probability_with_error(happens, valid)
    assert value == 1e-5
    assert error == pytest.approx(1.1e-5, rel=0.1)


def test_infinities_stay_in_quantiles() -> None:
    ordered = np.array([[0.0, 1.0, np.inf, np.inf]])
    value, _ = quantiles_with_error(ordered, ordered[:, None], 1.0, [0.0, 0.5, 1.0])
    assert value[:, 0].tolist() == [0.0, np.inf, np.inf]


def test_moments_agree_with_the_draws_they_stand_for(base: Scenario) -> None:
    n = 5_000
    moments = sim.summarise(sim.simulate(base, draws=n, seed=4))
    draws = sim.simulate(base, draws=n, seed=4, keep=["unit_cost", "capex_binds", "duty_cycle"])
    for name in ("unit_cost", "capex_binds", "duty_cycle"):
        values = draws[name].astype(float)
        np.testing.assert_allclose(
            moments[f"{name}_mean"], values.mean("draw"), rtol=1e-12, atol=1e-15
        )
        np.testing.assert_allclose(
            moments[f"{name}_sd"], values.std("draw", ddof=1), rtol=1e-9, atol=1e-14
        )
    kept = sim.summarise(draws)
    for statistic in ("mean_error", "sd_error"):
        ratio = moments[f"unit_cost_{statistic}"] / kept[f"unit_cost_{statistic}"]
        assert 0.75 < float(ratio.median()) < 1.25


def test_the_error_of_a_mean_from_replicates_weighs_them_by_size() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=2_000)
    groups = np.arange(2_000) // 32 % 32
    count = np.bincount(groups, minlength=32)
    means = np.bincount(groups, x) / count
    value, error = mean_of_replicates(means[:, None], count)
    assert value[0] == pytest.approx(x.mean())
    assert error[0] == pytest.approx(1 / np.sqrt(2_000), rel=0.3)


def test_layers_sum_to_the_mean_total(summary: xr.Dataset) -> None:
    compute = summary.unit_cost_mean.isel(layer=slice(11)).sum("layer")
    np.testing.assert_allclose(compute, summary.compute_cost_mean, rtol=1e-12)


def test_tail_means_are_means_of_the_tails(ds: xr.Dataset, summary: xr.Dataset) -> None:
    margin = ds.inference_gross_margin.sel(quarter="2026Q4").values
    low = np.sort(margin)[:200].mean()
    high = np.sort(margin)[3_800:].mean()
    found = summary.inference_gross_margin_cvar.sel(quarter="2026Q4")
    np.testing.assert_allclose(found, [low, high])


def test_a_choice_can_be_summarised_inputs_too(base: Scenario) -> None:
    ds = sim.simulate(base, draws=512, keep=["pue", "gw"])
    chosen = sim.summarise(ds, names=["pue", "p_top_two"], quantiles=[0.1, 0.9])
    assert set(chosen.data_vars) == {
        f"{name}{error}"
        for name in ("pue_mean", "pue_sd", "pue_quantile", "pue_cvar", "p_top_two")
        for error in ("", "_error")
    }
    assert chosen.pue_quantile.sizes == {"quantile": 2}
    with pytest.raises(KeyError, match="batch"):
        sim.summarise(ds, names=["batch"])


def test_every_statistic_has_an_error_and_a_unit(summary: xr.Dataset) -> None:
    for name in summary.data_vars:
        assert summary[name].attrs["units"]
        assert str(name).endswith("_error") or f"{name}_error" in summary


def test_draws_that_are_nan_neither_shift_quantiles_nor_count_in_probabilities(
    ds: xr.Dataset,
) -> None:
    spoiled = ds.copy(deep=True)
    spoiled.inference_gross_margin[:400, 3] = np.nan
    summary, whole = sim.summarise(spoiled), sim.summarise(ds)
    touched = {"quarter": "2026Q4"}
    for statistic in ("mean", "sd", "quantile", "cvar"):
        name = f"inference_gross_margin_{statistic}"
        assert np.isnan(summary[name].sel(touched)).all()
        other = {"quarter": "2027Q4"}
        np.testing.assert_array_equal(summary[name].sel(other), whole[name].sel(other))
    reached = ds.inference_gross_margin.sel(touched)[400:] >= ds.hurdle_margin
    assert float(summary.p_margin_above_hurdle.sel(touched)) == float(reached.mean())
    assert float(summary.p_margin_above_hurdle_error.sel(touched)) > 0


def test_unbounded_ratios_have_quantiles_and_probabilities_and_no_mean(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    unbounded = [name for name, output in OUTPUTS.items() if output.unbounded]
    assert {"training_moic", "payback_months", "lab_paid_margin", "gross_margin"} <= set(unbounded)
    for name in set(unbounded) & set(ds.data_vars):
        assert f"{name}_quantile" in summary
        for statistic in ("mean", "sd", "cvar"):
            assert f"{name}_{statistic}" not in summary, name
        assert (f"{name}_finite" in summary) == OUTPUTS[name].may_be_infinite
    paid_back = np.isfinite(ds.payback_months.sel(lab="anthropic")).mean()
    assert float(summary.payback_months_finite.sel(lab="anthropic")) == float(paid_back)
    assert np.isnan(summary.payback_months_finite.sel(lab="meta"))


def test_never_and_never_again_stay_in_quantiles(ds: xr.Dataset, summary: xr.Dataset) -> None:
    """+inf is the longest payback, -inf the lowest margin, and neither has a finite error."""
    payback = summary.payback_months_quantile.sel(lab="openai")
    assert np.isinf(payback.sel(quantile=0.5))
    assert float(summary.payback_months_quantile_error.sel(lab="openai", quantile=0.5)) == 0
    margin = summary.training_margin_quantile.sel(lab="openai", quantile=0.05)
    assert np.isneginf(margin)
    share = float((ds.training_moic.sel(lab="openai") <= 0).mean())
    finite = float(summary.training_margin_finite.sel(lab="openai"))
    assert share == pytest.approx(1 - finite)


def test_a_quantile_next_to_infinity_has_an_infinite_error() -> None:
    """Some replicates put the median at never: then nothing finite bounds it above."""
    runs = np.arange(1.0, 10_241.0)
    runs[5_130:] = np.inf
    rng = np.random.default_rng(1)
    rng.shuffle(runs)
    cut, share = replicated(runs)
    ordered, by_replicate = np.sort(runs), np.sort(cut, axis=-1)
    value, error = quantiles_with_error(ordered, by_replicate, share, [0.25, 0.5, 0.75])
    assert np.isfinite(value[0])
    assert 0 < error[0] < np.inf
    assert np.isfinite(value[1])
    assert error[1] == np.inf
    assert value[2] == np.inf
    assert error[2] == 0


def test_quantiles_below_the_first_finite_draw_are_minus_infinity() -> None:
    runs = np.concatenate([np.full(50, -np.inf), np.arange(50.0)])
    value, _ = quantiles_with_error(runs, np.tile(runs, (8, 1)), 1.0, [0.4, 0.5, 0.6])
    assert value[0] == value[1] == -np.inf
    assert np.isfinite(value[2])


def test_probabilities_by_lab_are_shares_of_draws(ds: xr.Dataset, summary: xr.Dataset) -> None:
    for name, happens in {
        "p_lab_margin_above_hurdle": ds.lab_paid_margin >= ds.hurdle_margin,
        "p_lab_loaded_margin_above_hurdle": ds.lab_loaded_margin >= ds.hurdle_margin,
        "p_training_worth_it": ds.training_moic >= 1,
        "p_npv_positive": ds.training_npv_busd >= 0,
    }.items():
        reports = ds.lab.isin(["openai", "anthropic", "xai"])
        xr.testing.assert_allclose(
            summary[name].where(reports, drop=True), happens.mean("draw").where(reports, drop=True)
        )
        assert summary[name].where(~reports, drop=True).isnull().all()


def test_the_mean_is_the_same_from_draws_and_from_moments(base: Scenario, ds: xr.Dataset) -> None:
    drawn = sim.simulate(base, draws=4_000, seed=1, keep=["rent_received"])
    by_draw, by_moment = (mean_with_error(one, "rent_received") for one in (drawn, ds))
    np.testing.assert_allclose(by_draw[0], by_moment[0], rtol=1e-12)
    # 4,000 draws fill no whole number of tiles, of which each error makes use in its own way.
    np.testing.assert_allclose(by_draw[1], by_moment[1], rtol=0.3)
