from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sim
from sim.model.blocks import replicate_of
from sim.model.catalogue import OUTPUTS
from sim.parameters.scenario import Scenario
from sim.statistics.summary import mean_with_error as mean_of


def test_summary_of_too_few_draws_has_no_errors(base: Scenario) -> None:
    few = sim.summarise(sim.simulate(base, draws=255))
    errors = [name for name in few.data_vars if str(name).endswith("_error")]
    assert all(np.isnan(few[name]).all() for name in errors)
    enough = sim.summarise(sim.simulate(base, draws=256))
    assert np.isfinite(enough.inference_gross_margin_mean_error).all()


def test_summary_of_one_draw_is_finite(base: Scenario) -> None:
    single = sim.summarise(sim.simulate(base, draws=1))
    assert np.isfinite(single.inference_gross_margin_quantile).all()
    assert np.isfinite(single.unit_cost_mean).all()


def test_summary_from_moments_agrees_with_that_from_draws(base: Scenario) -> None:
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


def test_mean_layers_add_up_to_the_mean_cost(summary: xr.Dataset) -> None:
    compute = summary.unit_cost_mean.isel(layer=slice(11)).sum("layer")
    np.testing.assert_allclose(compute, summary.compute_cost_mean, rtol=1e-12)


def test_cvar_is_the_mean_of_the_tail(ds: xr.Dataset, summary: xr.Dataset) -> None:
    margin = ds.inference_gross_margin.sel(quarter="2026Q4").values
    low = np.sort(margin)[:200].mean()
    high = np.sort(margin)[3_800:].mean()
    actual = summary.inference_gross_margin_cvar.sel(quarter="2026Q4")
    np.testing.assert_allclose(actual, [low, high])


def test_summarise_takes_names_of_outputs_inputs_and_probabilities(base: Scenario) -> None:
    ds = sim.simulate(base, draws=512, keep=["pue", "gw"])
    chosen = sim.summarise(ds, names=["pue", "p_top_two"], quantiles=[0.1, 0.9])
    names = ("pue_mean", "pue_sd", "pue_quantile", "pue_var", "pue_cvar", "p_top_two")
    with_errors = {f"{name}{error}" for name in names for error in ("", "_error")}
    shares = {f"pue_{statistic}_worst_share" for statistic in ("mean", "sd", "cvar")}
    assert set(chosen.data_vars) == with_errors | shares
    assert chosen.pue_quantile.sizes == {"quantile": 2}
    with pytest.raises(KeyError, match="batch"):
        sim.summarise(ds, names=["batch"])


def test_every_statistic_has_an_error_and_a_unit(summary: xr.Dataset) -> None:
    for name in summary.data_vars:
        assert summary[name].attrs["units"]
        assert str(name).endswith(("_error", "_worst_share")) or f"{name}_error" in summary


def test_nan_draws_make_statistics_nan_but_not_probabilities(
    ds: xr.Dataset,
) -> None:
    spoiled = ds.copy(deep=True)
    spoiled.inference_gross_margin[:400, 3] = np.nan
    summary, full = sim.summarise(spoiled), sim.summarise(ds)
    spoiled_quarter = {"quarter": "2026Q4"}
    for statistic in ("mean", "sd", "quantile", "cvar"):
        name = f"inference_gross_margin_{statistic}"
        assert np.isnan(summary[name].sel(spoiled_quarter)).all()
        untouched = {"quarter": "2027Q4"}
        np.testing.assert_array_equal(summary[name].sel(untouched), full[name].sel(untouched))
    reached = ds.inference_gross_margin.sel(spoiled_quarter)[400:] >= ds.hurdle_margin
    assert float(summary.p_margin_above_hurdle.sel(spoiled_quarter)) == float(reached.mean())
    assert float(summary.p_margin_above_hurdle_error.sel(spoiled_quarter)) > 0


def test_unbounded_ratios_have_quantiles_but_no_moments(
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


def test_infinite_payback_and_margin_stay_in_quantiles(ds: xr.Dataset, summary: xr.Dataset) -> None:
    """+inf is the longest payback and -inf the lowest margin; both are kept in quantiles."""
    payback = summary.payback_months_quantile.sel(lab="openai")
    assert np.isinf(payback.sel(quantile=0.5))
    assert float(summary.payback_months_quantile_error.sel(lab="openai", quantile=0.5)) == 0
    margin = summary.training_margin_quantile.sel(lab="openai", quantile=0.05)
    assert np.isneginf(margin)
    share = float((ds.training_moic.sel(lab="openai") <= 0).mean())
    finite = float(summary.training_margin_finite.sel(lab="openai"))
    assert share == pytest.approx(1 - finite)


def test_probabilities_by_lab_are_shares_of_draws(
    base: Scenario, ds: xr.Dataset, summary: xr.Dataset
) -> None:
    """Draws of the loaded margin are not kept; its probability is counted while they are drawn."""
    loaded = sim.simulate(base, draws=4_000, seed=1, keep=["lab_loaded_margin"]).lab_loaded_margin
    for name, happens in {
        "p_lab_margin_above_hurdle": ds.lab_paid_margin >= ds.hurdle_margin,
        "p_lab_loaded_margin_above_hurdle": loaded >= ds.hurdle_margin,
        "p_training_worth_it": ds.training_moic >= 1,
        "p_npv_positive": ds.training_npv_busd >= 0,
    }.items():
        reports = ds.lab.isin(["openai", "anthropic", "xai"])
        xr.testing.assert_allclose(
            summary[name].where(reports, drop=True), happens.mean("draw").where(reports, drop=True)
        )
        assert summary[name].where(~reports, drop=True).isnull().all()


def test_mean_with_error_agrees_between_draws_and_moments(base: Scenario, ds: xr.Dataset) -> None:
    drawn = sim.simulate(base, draws=4_000, seed=1, keep=["rent_received"])
    by_draw, by_moment = (mean_of(part, "rent_received") for part in (drawn, ds))
    np.testing.assert_allclose(by_draw[0], by_moment[0], rtol=1e-12)
    np.testing.assert_allclose(by_draw[1], by_moment[1], rtol=1e-9)


def test_errors_hardly_change_where_draws_are_left_out(ds: xr.Dataset) -> None:
    """Values are those of all remaining draws."""
    names = ["inference_gross_margin", "p_margin_above_hurdle"]
    remaining = ds.isel(
        draw=np.flatnonzero(np.random.default_rng(1).random(ds.sizes["draw"]) > 0.002)
    )
    full, summary = sim.summarise(ds, names), sim.summarise(remaining, names)
    np.testing.assert_allclose(
        summary.inference_gross_margin_mean, remaining.inference_gross_margin.mean("draw")
    )
    for name in summary.data_vars:
        if str(name).endswith("_error"):
            assert (summary[name] / full[name]).median() == pytest.approx(1.0, abs=0.2), name


@pytest.mark.parametrize(
    ("sampler", "n"), [("random", 3_072), ("random", 1_000), ("random", 300), ("sobol", 3_072)]
)
def test_moments_agree_with_draws_where_some_are_left_out(
    base: Scenario, sampler: str, n: int
) -> None:
    """Replicates have different counts; moments are compared with the draws themselves."""
    drawn = sim.simulate(base, draws=n, seed=4, keep=["unit_cost"])
    left_out = np.random.default_rng(2).random(n) < 0.02
    remaining = drawn.isel(draw=np.flatnonzero(~left_out)).assign_attrs(sampler=sampler)
    replicate = replicate_of(remaining.draw.values, sampler)
    groups = [remaining.unit_cost.values[replicate == r] for r in range(32)]
    nothing = np.zeros(remaining.unit_cost.shape[1:])
    moments_of = [(g.mean(0), len(g) * g.var(0)) if len(g) else (nothing, nothing) for g in groups]
    dims = ("replicate", *remaining.unit_cost.dims[1:])
    moments = xr.Dataset(
        {
            "replicate_count": ("replicate", np.array([len(group) for group in groups])),
            "unit_cost_replicate_mean": (dims, np.stack([mean for mean, _ in moments_of])),
            "unit_cost_replicate_m2": (dims, np.stack([m2 for _, m2 in moments_of])),
        },
        attrs=remaining.attrs,
    )
    for pool in (("draw",), ("draw", "regime")):
        by_moments = sim.summarise(moments, ["unit_cost"], dims=pool)
        by_draws = sim.summarise(remaining, ["unit_cost"], dims=pool)
        for statistic in ("mean", "sd"):
            name = f"unit_cost_{statistic}"
            assert by_moments[name].dims == by_draws[name].dims
            np.testing.assert_allclose(by_moments[name], by_draws[name], rtol=1e-9, atol=1e-12)
            # Under sobol' the 32 replicates are all that there is, else those of moments are fewer.
            exact = sampler == "sobol" or (statistic == "mean" and pool == ("draw",))
            if exact:
                errors = by_moments[f"{name}_error"], by_draws[f"{name}_error"]
                np.testing.assert_allclose(*errors, rtol=1e-6, atol=1e-12)
            assert np.isfinite(by_draws[f"{name}_error"]).all()


def test_summarise_takes_any_dataset_with_draws() -> None:
    rng = np.random.default_rng(8)
    loss = xr.DataArray(rng.normal(size=(5_000, 3)), dims=("draw", "site"))
    loss_ds = xr.Dataset({"loss": loss, "code": loss.astype(int), "fixed": loss.mean()})
    loss_ds = loss_ds.assign_coords(site=["a", "b", "c"])
    summary = sim.summarise(loss_ds, tails=[0.01, 0.99], at_least=[0.0, 2.0])
    kinds = ("mean", "sd", "quantile", "var", "cvar", "exceedance")
    shares = {f"loss_{k}_worst_share" for k in ("mean", "sd", "cvar")}
    names = {f"loss_{k}{e}" for k in kinds for e in ("", "_error")}
    assert set(summary.data_vars) == names | shares
    assert summary.loss_exceedance.dims == ("at_least", "site")
    np.testing.assert_allclose(summary.loss_exceedance.sel(at_least=2.0), (loss >= 2).mean("draw"))
    np.testing.assert_allclose(
        summary.loss_var.sel(tail=0.99), loss.quantile(0.99, dim="draw"), rtol=1e-12
    )
    assert (summary.loss_cvar.sel(tail=0.01) < summary.loss_var.sel(tail=0.01)).all()
    assert list(summary.site.values) == ["a", "b", "c"]
    with pytest.raises(KeyError, match="did you mean 'loss'"):
        sim.summarise(loss_ds, ["los"])
    with pytest.raises(KeyError, match="did you mean 'site'"):
        sim.summarise(loss_ds, dims=("draw", "sites"))
    with pytest.raises(ValueError, match="'draw' among them"):
        sim.summarise(loss_ds, dims=("site",))
    with pytest.raises(ValueError, match="levels between 0 and 1"):
        sim.summarise(loss_ds, tails=[5])


def test_long_name_defaults_to_the_name() -> None:
    draws = np.random.default_rng(3).normal(size=2_048)
    loss_ds = xr.Dataset({"loss": ("draw", draws)})
    assert sim.summarise(loss_ds).loss_mean.attrs["long_name"] == "loss"


def test_levels_may_be_empty_and_extremes_have_no_error() -> None:
    draws = np.random.default_rng(3).normal(size=2_048)
    loss_ds = xr.Dataset({"loss": ("draw", draws)})
    assert set(sim.summarise(loss_ds, quantiles=[], tails=[]).data_vars) == {
        f"loss_{k}{e}" for k in ("mean", "sd") for e in ("", "_error", "_worst_share")
    }
    assert "loss_quantile" not in sim.summarise(loss_ds, quantiles=[])
    ends = sim.summarise(loss_ds, quantiles=np.array([0, 0.5, 1]))
    assert ends.loss_quantile.values[[0, 2]].tolist() == [draws.min(), draws.max()]
    assert np.isnan(ends.loss_quantile_error).values.tolist() == [True, False, True]


def test_cvar_is_over_whole_draws() -> None:
    loss_ds = xr.Dataset({"loss": ("draw", np.arange(100.0))})
    actual = sim.summarise(loss_ds, tails=[0.07, 0.57]).loss_cvar.values
    assert actual.tolist() == [3.0, 78.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": "sales"}, "names: expected a list of names, got 'sales'"),
        ({"dims": "draw"}, "dims: expected a list of names, got 'draw'"),
        ({"quantiles": ["a"]}, "quantiles: expected levels from 0 to 1, got 'a'"),
        ({"quantiles": 0.5}, "quantiles: expected a list of levels from 0 to 1, got 0.5"),
        ({"quantiles": [-0.1]}, "quantiles: expected levels from 0 to 1, got -0.1"),
        ({"quantiles": [1.1]}, "quantiles: expected levels from 0 to 1, got 1.1"),
        ({"tails": [0]}, "tails: expected levels between 0 and 1, got 0"),
        ({"tails": [1.0]}, "tails: expected levels between 0 and 1, got 1.0"),
        ({"tails": [math.nan]}, "tails: expected levels between 0 and 1, got nan"),
        ({"at_least": [None]}, "at_least: expected numbers, got None"),
    ],
)
def test_summarise_refuses_invalid_arguments_and_datasets_without_draws(
    options: dict[str, Any], message: str
) -> None:
    loss_ds = xr.Dataset({"sales": ("draw", np.arange(64.0))})
    with pytest.raises(ValueError, match=re.escape(message)):
        sim.summarise(loss_ds, **options)
    with pytest.raises(ValueError, match="ds: expected draws, got none"):
        sim.summarise(loss_ds.isel(draw=slice(0)))


def test_pooled_copies_have_the_error_of_one() -> None:
    """Sites that are copies of one another add no information."""
    rng = np.random.default_rng(9)
    single = xr.DataArray(rng.normal(size=10_240), dims="draw")
    loss_ds = xr.Dataset({"loss": xr.concat([single] * 4, "site").transpose("draw", "site")})
    levels = {"quantiles": [0.003, 0.5], "at_least": [0.1, 3.0]}
    of_one_site = sim.summarise(xr.Dataset({"loss": single}), **levels)
    pooled = sim.summarise(loss_ds, **levels, dims=("draw", "site"))
    assert set(pooled.sizes) == {"quantile", "tail", "at_least"}
    for name in of_one_site.data_vars:
        np.testing.assert_allclose(
            pooled[name], of_one_site[name], rtol=0.05, atol=2e-3, err_msg=name
        )


def test_summarise_takes_a_selection_of_a_dataset(ds: xr.Dataset) -> None:
    quarter = ds.sel(quarter="2026Q4")
    summary = sim.summarise(quarter)
    assert summary.inference_gross_margin_mean.dims == ()
    assert "p_margin_above_hurdle" not in summary
    pooled = sim.summarise(ds, ["gw", "p_npv_positive"], dims=("draw", "lab"))
    assert pooled.gw_quantile.dims == ("quantile", "quarter")
    assert pooled.p_npv_positive.dims == ()


def test_summarise_takes_an_array_and_other_numbers_than_floats() -> None:
    draws = np.random.default_rng(1).integers(0, 9, 500)
    expected = sim.summarise(xr.Dataset({"value": ("draw", draws.astype(float))}))
    for given in (xr.DataArray(draws, dims="draw"), xr.Dataset({"value": ("draw", draws)})):
        xr.testing.assert_identical(sim.summarise(given).drop_attrs(), expected.drop_attrs())
    named = sim.summarise(xr.DataArray(draws, dims="draw", name="dice"))
    assert float(named.dice_mean) == draws.mean()


def test_draws_of_an_array_depend_on_one_another_as_its_sampler_says() -> None:
    draws = np.random.default_rng(1).normal(size=512)
    array = xr.DataArray(np.sort(draws), dims="draw", name="x", attrs={"sampler": "stratified"})
    blocks = np.sort(draws).reshape(16, 32).mean(axis=1)
    error = float(sim.summarise(array).x_mean_error)
    assert error == pytest.approx(blocks.std(ddof=1) / 4)


def test_summarise_says_what_it_wants() -> None:
    draws = np.zeros(40)
    with pytest.raises(TypeError, match="expected a Dataset or DataArray, got ndarray"):
        sim.summarise(draws)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected a dim 'draw', .*ds\.rename\(sample='draw'\)"):
        sim.summarise(xr.Dataset({"x": ("sample", draws)}))
    with pytest.raises(ValueError, match=r"expected a dim 'draw', got dims \[\]"):
        sim.summarise(xr.Dataset({"x": 1.0}))


def test_runs_of_two_seeds_are_joined_to_one_of_more_draws(base: Scenario) -> None:
    runs = [sim.simulate(base, draws=512, seed=seed) for seed in (1, 2)]
    minimal: Any = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
    both = xr.concat(runs, "draw", **minimal)
    assert both.nbytes < sum(run.nbytes for run in runs)
    name = "inference_gross_margin"
    summary, *parts = (sim.summarise(ds, [name])[f"{name}_mean"] for ds in (both, *runs))
    np.testing.assert_allclose(summary, sum(parts) / 2)
    errors = [sim.summarise(ds, [name])[f"{name}_mean_error"] for ds in (both, *runs)]
    np.testing.assert_allclose(errors[0], np.hypot(errors[1], errors[2]) / 2, rtol=0.05)
    everything = sim.summarise(both)
    assert "gw_mean" in everything
    assert "unit_cost_mean" not in everything  # of which there are moments of one run only
    with pytest.raises(KeyError, match="unit_cost"):
        sim.summarise(both, ["unit_cost"])
    with pytest.warns(FutureWarning):  # xarray's own
        repeated = xr.concat([run[["gw", "replicate_count"]] for run in runs], "draw")
    with pytest.raises(ValueError, match="data_vars='minimal'"):
        sim.summarise(repeated)
