from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

import sim
from sim.model.blocks import replicate_of
from sim.model.catalogue import OUTPUTS
from sim.parameters.scenario import Scenario
from sim.statistics.estimators import (
    mean_with_error,
    probability_with_error,
    quantiles_with_error,
    sd_with_error,
    tail_means_with_error,
)
from sim.statistics.replicates import Replicates, mean_of_replicates, replicated, replicates_by
from sim.statistics.summary import mean_with_error as mean_of


def assert_means_of_replicates(how: Replicates, numbers: np.ndarray) -> None:
    """Every replicate has the mean of as many of its draws as it counts, the first ones."""
    values = np.random.default_rng(3).normal(size=(2, numbers.size))
    replicate = replicate_of(numbers, how.sampler)
    kept = [np.flatnonzero(replicate == r) for r in range(32)]
    kept = [places for places in kept if len(places)][: len(how.count)]
    expected = [
        values[:, places[:n]].mean(axis=-1) for places, n in zip(kept, how.count, strict=True)
    ]
    np.testing.assert_allclose(how.means(values), np.transpose(expected), rtol=1e-12)
    np.testing.assert_array_equal(how.means(values > 0), how.means((values > 0).astype(float)))


def test_replicate_r_holds_the_draws_whose_block_is_r_modulo_32() -> None:
    how = replicated(4_000, "random")
    assert list(how.count) == [96] * 32
    assert_means_of_replicates(how, np.arange(4_000))


def test_below_1024_draws_every_full_block_is_a_replicate() -> None:
    how = replicated(1_000, "random")
    assert list(how.count) == [32] * 31
    assert_means_of_replicates(how, np.arange(1_000))


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
    how = replicated(n, "random")
    value, error = quantiles_with_error(np.sort(runs, axis=-1), runs, how, [0.05, 0.5, 0.95])
    spread = value.std(axis=1, ddof=1)
    np.testing.assert_allclose(np.sqrt((error**2).mean(axis=1)), spread, rtol=0.15)
    for value, error in (mean_with_error(runs, how), sd_with_error(runs, how)):
        np.testing.assert_allclose(np.sqrt((error**2).mean()), value.std(ddof=1), rtol=0.12)
    for threshold in (0.1, 1.0, 5.0):
        how = replicated(n, "random")
        p, p_error = probability_with_error(runs > threshold, np.ones(runs.shape, bool), how)
        np.testing.assert_allclose(np.sqrt((p_error**2).mean()), p.std(ddof=1), rtol=0.2)


def test_rare_events_have_an_honest_error() -> None:
    happens = np.zeros(100_000, bool)
    valid = np.ones_like(happens)
    how = replicated(happens.size, "random")
    assert probability_with_error(happens, valid, how)[1] > 0
    happens[7] = True
    value, error = probability_with_error(happens, valid, how)
    assert value == 1e-5
    assert error == pytest.approx(1.1e-5, rel=0.1)


def test_infinities_stay_in_quantiles() -> None:
    ordered = np.array([[0.0, 1.0, np.inf, np.inf]])
    value, _ = quantiles_with_error(ordered, ordered, replicated(4, "random"), [0.0, 0.5, 1.0])
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
    value, error = mean_of_replicates(means[:, None], count, count > 0, "random")
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
        for name in ("pue_mean", "pue_sd", "pue_quantile", "pue_var", "pue_cvar", "p_top_two")
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
    levels = [0.25, 0.5, 0.75]
    value, error = quantiles_with_error(
        np.sort(runs), runs, replicated(runs.size, "random"), levels
    )
    assert np.isfinite(value[0])
    assert 0 < error[0] < np.inf
    assert np.isfinite(value[1])
    assert error[1] == np.inf
    assert value[2] == np.inf
    assert error[2] == 0


def test_quantiles_below_the_first_finite_draw_are_minus_infinity() -> None:
    runs = np.concatenate([np.full(50, -np.inf), np.arange(50.0)])
    value, _ = quantiles_with_error(runs, runs, replicated(100, "random"), [0.4, 0.5, 0.6])
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
    by_draw, by_moment = (mean_of(one, "rent_received") for one in (drawn, ds))
    np.testing.assert_allclose(by_draw[0], by_moment[0], rtol=1e-12)
    # 4,000 draws fill no whole number of tiles, of which each error makes use in its own way.
    np.testing.assert_allclose(by_draw[1], by_moment[1], rtol=0.3)


# The draws of the three samplers, made here: 600 runs of 10,240 draws of a function of a few
# inputs whose law is known, so that all statistics have known answers.
RUNS, N = 600, 10_240
REACH = 2.0395134464  # the 97.5 % point of t with 31 degrees
SAMPLERS = ("random", "stratified", "sobol")


def reversed_bits(x: np.ndarray) -> np.ndarray:
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        by, kept = np.uint32(shift), np.uint32(mask)
        x = ((x >> by) & kept) | ((x & kept) << by)
    return (x >> np.uint32(16)) | (x << np.uint32(16))


def scrambled(x: np.ndarray, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Nested uniform scrambling by hashing (Laine and Karras 2011), and a random digital shift."""
    x = reversed_bits(x) + rng.integers(0, 2**32, shape, dtype=np.uint32)
    for factor in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6):
        x = x ^ (x * np.uint32(factor))
    return reversed_bits(x) ^ rng.integers(0, 2**32, shape, dtype=np.uint32)


def normal_runs(sampler: str, inputs: int, seed: int, runs: int = RUNS) -> np.ndarray:
    """Runs [run, draw] of a standard normal, the sum of so many inputs."""
    rng = np.random.default_rng(seed)
    if sampler == "random":
        u = rng.random((inputs, runs, N))
    elif sampler == "stratified":
        strata = np.broadcast_to(np.arange(32), (inputs, runs, N // 32, 32))
        u = (rng.permuted(strata, axis=-1) + rng.random(strata.shape)) / 32
    else:
        points = qmc.Sobol(inputs, scramble=False, bits=32).random(512)[: N // 32].T * 2**32
        sequences = scrambled(points.astype(np.uint32)[:, None, None], rng, (inputs, runs, 32, 1))
        u = (sequences.swapaxes(-1, -2) + 0.5) / 2**32
    return ndtri(u.reshape(inputs, runs, N)).sum(axis=0) / np.sqrt(inputs)


Found = dict[str, tuple[np.ndarray, np.ndarray, float]]


def statistics_of(runs: np.ndarray, sampler: str) -> Found:
    """Value and error [run] of the statistics of normal draws, and the known answer."""
    how = replicated(N, sampler)
    ordered = np.sort(runs, axis=-1)
    found: Found = {"mean": (*mean_with_error(runs, how), 0.0)}
    found["sd"] = *sd_with_error(runs, how), 1.0
    levels = [0.05, 0.5, 0.9, 0.37]
    values, errors = quantiles_with_error(ordered, runs, how, levels)
    for level, value, error in zip(levels, values, errors, strict=True):
        found["median" if level == 0.5 else f"VaR {level}"] = value, error, float(ndtri(level))
    tails = [0.05, 0.95, 0.01]
    values, errors = tail_means_with_error(ordered, runs, how, tails)
    for level, value, error in zip(tails, values, errors, strict=True):
        density = np.exp(-(float(ndtri(level)) ** 2) / 2) / np.sqrt(2 * np.pi)
        answer = density / (1 - level) if level > 0.5 else -density / level
        found[f"CVaR {level}"] = value, error, answer
    for least in (0.5, -1.2):
        value, error = probability_with_error(runs >= least, np.ones(runs.shape, bool), how)
        found[f"P(>= {least})"] = value, error, 1 - float(ndtr(least))
    return found


def repeated(sampler: str, inputs: int) -> Found:
    """The statistics of 1,200 runs: their coverage is known to 0.6 %."""
    one, two = (statistics_of(normal_runs(sampler, inputs, seed), sampler) for seed in (2, 3))
    both = {name: np.concatenate([one[name][:2], two[name][:2]], axis=1) for name in one}
    return {name: (*both[name], one[name][2]) for name in one}


@pytest.fixture(scope="module", params=SAMPLERS)
def several(request: pytest.FixtureRequest) -> Found:
    return repeated(request.param, inputs=3)


def test_intervals_of_95_percent_cover(several: Found) -> None:
    for name, (value, error, truth) in several.items():
        covered = (np.abs(value - truth) <= REACH * error).mean()
        assert 0.93 < covered < 0.97, (name, covered)


def test_reported_errors_are_the_spread_over_seeds(several: Found) -> None:
    for name in ("mean", "median", "P(>= 0.5)"):
        value, error, _ = several[name]
        seeds = slice(300)
        spread = value[seeds].std(ddof=1)
        assert np.sqrt((error[seeds] ** 2).mean()) == pytest.approx(spread, rel=0.1), name


@pytest.mark.parametrize("sampler", SAMPLERS[1:])
def test_intervals_cover_where_one_input_rules(sampler: str) -> None:
    """Quantiles of replicates of such even draws jump from stratum to stratum; shares do not."""
    found = repeated(sampler, inputs=1)
    # A median at the edge of two strata is known to a draw or two.
    value, error, _ = found.pop("median")
    assert 0.8 < np.sqrt((error**2).mean()) / value.std() < 1.6
    for name, (value, error, truth) in found.items():
        covered = (np.abs(value - truth) <= REACH * error).mean()
        assert 0.93 < covered < 0.97, (name, covered)


def test_replicates_of_sobol_draws_are_the_sequences_in_turn() -> None:
    how = replicated(100, "sobol")
    assert list(how.count) == [3] * 32
    assert_means_of_replicates(how, np.arange(100))
    assert not replicated(63, "sobol").enough


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_draws_left_out_keep_the_others_in_their_replicates(sampler: str) -> None:
    rng = np.random.default_rng(5)
    numbers = np.flatnonzero(rng.random(5 * 1_024) > 0.01)
    how = replicates_by(numbers, sampler, None)
    np.testing.assert_array_equal(
        how.count, np.bincount(replicate_of(numbers, sampler), minlength=32)
    )
    assert_means_of_replicates(how, numbers)
    few = np.delete(np.arange(1_000), [3, 700])
    how = replicates_by(few, sampler, None)
    assert len(how.count) == (32 if sampler == "sobol" else 31)  # the last block is not full
    assert_means_of_replicates(how, few)
    # Of 2,000 draws that were evaluated these are some: all their blocks are full.
    assert len(replicates_by(few, sampler, 2_000).count) == 32


@pytest.mark.parametrize(("sampler", "n"), [*((s, N) for s in SAMPLERS), ("stratified", 960)])
@pytest.mark.parametrize("inputs", [1, 3])
def test_intervals_cover_where_draws_are_left_out(sampler: str, n: int, inputs: int) -> None:
    """Of a normal, the draws above 1.5 and 2 % of the others: the answers are still known."""
    cut = 1.5
    share = float(ndtr(cut))
    density = float(np.exp(-(cut**2) / 2) / np.sqrt(2 * np.pi))
    mean = -density / share
    answers = {"mean": mean, "sd": np.sqrt(1 - cut * density / share - mean**2)}
    answers |= {"median": float(ndtri(share / 2))}
    answers |= {"P": 1 - float(ndtr(-0.5)) / share}
    rng = np.random.default_rng(6)
    errors: dict[str, list[float]] = {name: [] for name in answers}
    missed: dict[str, list[float]] = {name: [] for name in answers}
    for run in normal_runs(sampler, inputs, seed=7)[:, :n]:
        numbers = np.flatnonzero((run < cut) & (rng.random(n) > 0.02))
        left, how = run[numbers], replicates_by(numbers, sampler, n)
        assert how.draws == left.size == how.count.sum()
        median = quantiles_with_error(np.sort(left), left, how, [0.5])
        for name, (value, error) in {
            "mean": mean_with_error(left, how),
            "sd": sd_with_error(left, how),
            "median": (median[0][0], median[1][0]),
            "P": probability_with_error(left >= -0.5, np.ones(left.shape, bool), how),
        }.items():
            errors[name].append(float(error))
            missed[name].append(float(value) - answers[name])
    reach = REACH if n == N else 2.0452  # 30 replicates
    for name in answers:
        off, error = np.array(missed[name]), np.array(errors[name])
        if n < N and name == "P" and inputs == 1:
            continue  # a threshold in one stratum: Wilson's interval is far too wide, not wrong
        assert 0.92 < (np.abs(off) <= reach * error).mean() < 0.98, name
        assert 0.85 < np.sqrt((error**2).mean()) / off.std() < 1.35, name


def test_errors_hold_where_draws_are_left_out(ds: xr.Dataset) -> None:
    """Values are those of all draws that are left, and errors hardly change."""
    names = ["inference_gross_margin", "p_margin_above_hurdle"]
    left = ds.isel(draw=np.flatnonzero(np.random.default_rng(1).random(ds.sizes["draw"]) > 0.002))
    whole, summary = sim.summarise(ds, names), sim.summarise(left, names)
    np.testing.assert_allclose(
        summary.inference_gross_margin_mean, left.inference_gross_margin.mean("draw")
    )
    for name in summary.data_vars:
        if str(name).endswith("_error"):
            assert (summary[name] / whole[name]).median() == pytest.approx(1.0, abs=0.2), name


@pytest.mark.parametrize(
    ("sampler", "n"), [("random", 3_072), ("random", 1_000), ("random", 300), ("sobol", 3_072)]
)
def test_moments_with_draws_left_out(base: Scenario, sampler: str, n: int) -> None:
    """Counts that differ a bit, and those of Sobol' sequences, against the draws themselves."""
    drawn = sim.simulate(base, draws=n, seed=4, keep=["unit_cost"])
    gone = np.random.default_rng(2).random(n) < 0.02
    left = drawn.isel(draw=np.flatnonzero(~gone)).assign_attrs(sampler=sampler)
    replicate = replicate_of(left.draw.values, sampler)
    groups = [left.unit_cost.values[replicate == r] for r in range(32)]
    nothing = np.zeros(left.unit_cost.shape[1:])
    moments_of = [(g.mean(0), len(g) * g.var(0)) if len(g) else (nothing, nothing) for g in groups]
    dims = ("replicate", *left.unit_cost.dims[1:])
    moments = xr.Dataset(
        {
            "replicate_count": ("replicate", np.array([len(group) for group in groups])),
            "unit_cost_replicate_mean": (dims, np.stack([mean for mean, _ in moments_of])),
            "unit_cost_replicate_m2": (dims, np.stack([m2 for _, m2 in moments_of])),
        },
        attrs=left.attrs,
    )
    for pool in (("draw",), ("draw", "regime")):
        by_moments = sim.summarise(moments, ["unit_cost"], dims=pool)
        by_draws = sim.summarise(left, ["unit_cost"], dims=pool)
        for statistic in ("mean", "sd"):
            name = f"unit_cost_{statistic}"
            assert by_moments[name].dims == by_draws[name].dims
            np.testing.assert_allclose(by_moments[name], by_draws[name], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(
                by_moments[f"{name}_error"], by_draws[f"{name}_error"], rtol=1e-6, atol=1e-12
            )
            assert np.isfinite(by_draws[f"{name}_error"]).all()


def test_any_dataset_with_draws_is_summarised() -> None:
    rng = np.random.default_rng(8)
    loss = xr.DataArray(rng.normal(size=(5_000, 3)), dims=("draw", "site"))
    made = xr.Dataset({"loss": loss, "code": loss.astype(int), "fixed": loss.mean()})
    made = made.assign_coords(site=["a", "b", "c"])
    summary = sim.summarise(made, tails=[0.01, 0.99], at_least=[0.0, 2.0])
    kinds = ("mean", "sd", "quantile", "var", "cvar", "exceedance")
    assert set(summary.data_vars) == {f"loss_{k}{e}" for k in kinds for e in ("", "_error")}
    assert summary.loss_exceedance.dims == ("at_least", "site")
    np.testing.assert_allclose(summary.loss_exceedance.sel(at_least=2.0), (loss >= 2).mean("draw"))
    np.testing.assert_allclose(
        summary.loss_var.sel(tail=0.99), loss.quantile(0.99, dim="draw"), rtol=1e-12
    )
    assert (summary.loss_cvar.sel(tail=0.01) < summary.loss_var.sel(tail=0.01)).all()
    assert list(summary.site.values) == ["a", "b", "c"]
    with pytest.raises(KeyError, match="did you mean 'loss'"):
        sim.summarise(made, ["los"])
    with pytest.raises(KeyError, match="did you mean 'site'"):
        sim.summarise(made, dims=("draw", "sites"))
    with pytest.raises(ValueError, match="'draw' among them"):
        sim.summarise(made, dims=("site",))
    with pytest.raises(ValueError, match="levels between 0 and 1"):
        sim.summarise(made, tails=[5])


def test_names_stand_for_meanings_that_are_not_said() -> None:
    draws = np.random.default_rng(3).normal(size=2_048)
    made = xr.Dataset({"loss": ("draw", draws)})
    assert sim.summarise(made).loss_mean.attrs["long_name"] == "loss"


def test_levels_may_be_none_and_the_ends_have_no_error() -> None:
    draws = np.random.default_rng(3).normal(size=2_048)
    made = xr.Dataset({"loss": ("draw", draws)})
    assert set(sim.summarise(made, quantiles=[], tails=[]).data_vars) == {
        f"loss_{k}{e}" for k in ("mean", "sd") for e in ("", "_error")
    }
    assert "loss_quantile" not in sim.summarise(made, quantiles=[])
    ends = sim.summarise(made, quantiles=np.array([0, 0.5, 1]))
    assert ends.loss_quantile.values[[0, 2]].tolist() == [draws.min(), draws.max()]
    assert np.isnan(ends.loss_quantile_error).values.tolist() == [True, False, True]


def test_tails_are_of_whole_draws() -> None:
    made = xr.Dataset({"loss": ("draw", np.arange(100.0))})
    found = sim.summarise(made, tails=[0.07, 0.57]).loss_cvar.values
    assert found.tolist() == [3.0, 78.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": "sales"}, "names: expected a list of names, got 'sales'"),
        ({"dims": "draw"}, "dims: expected a list of names, got 'draw'"),
        ({"quantiles": ["a"]}, "quantiles: expected levels from 0 to 1, got 'a'"),
        ({"quantiles": 0.5}, "quantiles: expected a list of levels from 0 to 1, got 0.5"),
        ({"tails": [math.nan]}, "tails: expected levels between 0 and 1, got nan"),
        ({"at_least": [None]}, "at_least: expected numbers, got None"),
    ],
)
def test_what_cannot_be_summarised_is_said(options: dict[str, Any], message: str) -> None:
    made = xr.Dataset({"sales": ("draw", np.arange(64.0))})
    with pytest.raises(ValueError, match=re.escape(message)):
        sim.summarise(made, **options)
    with pytest.raises(ValueError, match="ds: expected draws, got none"):
        sim.summarise(made.isel(draw=slice(0)))


def test_pooled_dims_keep_the_replicates_of_their_draws() -> None:
    """Sites that are copies of one another tell no more than one of them."""
    rng = np.random.default_rng(9)
    one = xr.DataArray(rng.normal(size=10_240), dims="draw")
    made = xr.Dataset({"loss": xr.concat([one] * 4, "site").transpose("draw", "site")})
    asked = {"quantiles": [0.003, 0.5], "at_least": [0.1, 3.0]}
    exclusive_lock = sim.summarise(xr.Dataset({"loss": one}), **asked)
    pooled = sim.summarise(made, **asked, dims=("draw", "site"))
    assert set(pooled.sizes) == {"quantile", "tail", "at_least"}
    for name in exclusive_lock.data_vars:
        np.testing.assert_allclose(
            pooled[name], exclusive_lock[name], rtol=0.05, atol=2e-3, err_msg=name
        )


def test_a_narrowed_dataset_is_summarised(ds: xr.Dataset) -> None:
    quarter = ds.sel(quarter="2026Q4")
    summary = sim.summarise(quarter)
    assert summary.inference_gross_margin_mean.dims == ()
    assert "p_margin_above_hurdle" not in summary
    pooled = sim.summarise(ds, ["gw", "p_npv_positive"], dims=("draw", "lab"))
    assert pooled.gw_quantile.dims == ("quantile", "quarter")
    assert pooled.p_npv_positive.dims == ()
