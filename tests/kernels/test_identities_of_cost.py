"""Identities of the cost of an hour and of a token, and of energy, in random worlds."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import assert_agree
from hypothesis import given
from hypothesis import strategies as st
from identities import (
    COMPUTE,
    FINE_TUNE,
    INFERENCE,
    LAYER,
    TRAINING,
    close,
    gross,
    rental_modes,
    views,
    without,
)
from random_worlds import REFERENCE, Inputs, anywhere, multiplied, replaced

from sim.engine import worlds
from sim.kernels.formulas.hardware import capital_recovery_factor
from sim.model.catalogue import OUTPUTS

OWNERS_LAYERS = slice(0, LAYER["landlord_margin"])

# 1-4: the cost of an hour and of a token


@given(anywhere(), views, rental_modes)
def test_the_compute_layers_sum_to_the_compute_cost(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    layers = out["unit_cost"][..., COMPUTE]
    assert close(layers.sum(axis=-1), out["compute_cost"], gross(layers))


@given(anywhere(), views, rental_modes)
def test_a_renter_of_everything_pays_the_rent(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(replaced(x, rented_share=1), view=view, rental_mode=mode)
    layers = out["accelerator_hour_cost"]
    assert close(layers.sum(axis=-1), out["rent_per_hour"], gross(layers))


# Equal in both views, but for the rounding of the landlord margin.
COSTS_AND_WHAT_FOLLOWS = (
    "compute_cost",
    "cost_output",
    "cost_input",
    "cost_cached",
    "inference_gross_margin",
    "loaded_gross_margin",
    "fine_tune_gross_margin",
    "margin_output",
    "margin_input",
    "margin_cached",
    "price_multiplier_at_hurdle",
    "duty_at_hurdle",
    "gross_margin",
    "run_cost_usd",
    "final_run_share",
    "lifetime_gross_profit_busd",
    "training_moic",
    "training_moic_final_run",
    "training_npv_busd",
    "payback_months",
    "training_margin",
    "sustainable_growth_per_generation",
    "sustainable_growth_annual",
    "external_funding_share",
)


@given(anywhere(), rental_modes)
def test_the_view_moves_layers_and_not_what_a_renter_pays(x: Inputs, mode: str) -> None:
    x = replaced(x, rented_share=1)
    economic = worlds.evaluate(x, view="economic", rental_mode=mode)
    accounting = worlds.evaluate(x, view="accounting", rental_mode=mode)
    amount = np.maximum(gross(economic["unit_cost"]), gross(accounting["unit_cost"]))
    assert close(accounting["compute_cost"], economic["compute_cost"], amount)
    moved = {"accelerator_hour_cost", "unit_cost", *COSTS_AND_WHAT_FOLLOWS}
    for name in set(OUTPUTS) - moved:
        np.testing.assert_array_equal(accounting[name], economic[name], err_msg=name)
    followed = {name: accounting[name] for name in COSTS_AND_WHAT_FOLLOWS}
    assert_agree({**economic, **followed}, economic, x, mode)
    for layer in ("electricity_it", "electricity_overhead", "maintenance", "site_operations"):
        at = LAYER[layer]
        np.testing.assert_array_equal(
            accounting["unit_cost"][..., at], economic["unit_cost"][..., at], err_msg=layer
        )


@given(anywhere(), rental_modes)
def test_the_capital_layer_is_zero_without_interest_and_residual(x: Inputs, mode: str) -> None:
    free = replaced(x, cost_of_capital=0, it_residual_fraction=0)
    hourly = worlds.evaluate(free, rental_mode=mode)["accelerator_hour_cost"]
    assert (hourly[..., LAYER["cost_of_capital"]] == 0).all()


@given(anywhere())
def test_capital_never_has_a_negative_cost(x: Inputs) -> None:
    out = worlds.evaluate(x)
    charge = out["accelerator_hour_cost"][..., LAYER["cost_of_capital"]]
    assert (charge >= -1e-12 * out["owner_cost_economic"]).all()


@given(st.floats(0.001, 0.3), st.floats(1, 30))
def test_the_capital_recovery_factor_has_its_limits(rate: float, years: float) -> None:
    assert capital_recovery_factor(0.0, years) == 1 / years
    assert capital_recovery_factor(1e-12, years) == pytest.approx(1 / years, rel=1e-9)
    assert capital_recovery_factor(rate, np.inf) == rate
    assert capital_recovery_factor(rate, years) > max(rate, 1 / years)


@given(anywhere(), views, rental_modes)
def test_twice_the_serving_throughput_halves_cost_and_energy_of_inference(
    x: Inputs, view: str, mode: str
) -> None:
    """And of nothing else: what training and fine-tuning achieve is measured."""
    x = without(x, "measured_tps_decode", "measured_tps_prefill")
    once = worlds.evaluate(x, view=view, rental_mode=mode)
    twice = worlds.evaluate(multiplied(x, 2, "throughput_multiplier"), view=view, rental_mode=mode)
    before, after = once["unit_cost"][..., COMPUTE], twice["unit_cost"][..., COMPUTE]
    assert close(after[..., INFERENCE, :], before[..., INFERENCE, :] / 2)
    for name in ("wh_per_token", "wh_per_query"):
        assert close(twice[name], once[name] / 2)
    assert close(twice["fleet_tokens_per_s"], once["fleet_tokens_per_s"] * 2)
    for regime in (TRAINING, FINE_TUNE):
        np.testing.assert_array_equal(after[..., regime, :], before[..., regime, :])
    for name in ("tps_train", "tps_fine_tune", "run_hours", "run_cost_usd", "compute_bill"):
        np.testing.assert_array_equal(twice[name], once[name], err_msg=name)


# 7, 9: energy, and kinds of token


@given(anywhere(), views, rental_modes)
def test_electricity_is_the_energy_at_its_price(x: Inputs, view: str, mode: str) -> None:
    """Times the measured owner's cost over the computed one, where it is measured."""
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    computed = worlds.evaluate(without(x, "measured_owner_cost_usd_per_hour"), rental_mode=mode)
    owner = (REFERENCE, INFERENCE)
    scale = out["owner_cost_economic"][:, *owner] / computed["owner_cost_economic"][:, *owner]
    electricity = out["unit_cost"][..., INFERENCE, : LAYER["electricity_overhead"] + 1].sum(axis=-1)
    kwh_per_mtok = out["wh_per_token"] * 1e3
    assert close(electricity, scale[:, None] * kwh_per_mtok * out["power_price"])


@given(anywhere(), views, rental_modes)
def test_the_kinds_of_token_share_out_the_bundle(x: Inputs, view: str, mode: str) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    ratio, hit = x["input_output_ratio"][:, None], x["cache_hit_rate"][:, None]
    inputs = (1 - hit) * out["cost_input"] + hit * out["cost_cached"]
    bundle = out["cost_output"] + ratio * inputs
    assert close(bundle, (1 + ratio) * out["compute_cost"][..., INFERENCE])


@given(anywhere(), views)
def test_a_query_takes_the_energy_of_its_tokens(x: Inputs, view: str) -> None:
    out = worlds.evaluate(x, view=view)
    tokens = (1 + x["input_output_ratio"]) * x["query_output_tokens"]
    assert close(out["wh_per_query"], out["wh_per_token"] * tokens[:, None])


# 40, 41: measured inputs


@given(anywhere(), views, rental_modes)
def test_throughputs_and_hours_measured_as_computed_change_nothing(
    x: Inputs, view: str, mode: str
) -> None:
    own = ("tps_decode", "tps_prefill", "tps_train")
    x = without(x, *(f"measured_{name}" for name in own), "measured_run_hours")
    computed = worlds.evaluate(x, view=view, rental_mode=mode)
    measured = {f"measured_{name}": computed[name] for name in (*own, "run_hours")}
    out = worlds.evaluate({**x, **measured}, view=view, rental_mode=mode)
    for name in OUTPUTS:
        np.testing.assert_array_equal(out[name], computed[name], err_msg=name)


@given(anywhere(), views, rental_modes)
def test_measured_throughputs_replace_all_that_the_roofline_says_of_cost(
    x: Inputs, view: str, mode: str
) -> None:
    for name in ("measured_tps_decode", "measured_tps_prefill"):
        x = {**x, name: np.where(np.isnan(x[name]), 1234.0, x[name])}
    before = worlds.evaluate(x, view=view, rental_mode=mode)
    roofline = ("throughput_multiplier", "mbu_decode", "mfu_decode", "mfu_prefill")
    after = worlds.evaluate(multiplied(x, 0.9, *roofline), view=view, rental_mode=mode)
    of_the_block = {
        "step_time_s",
        "batch",
        "user_speed",
        "full_batch_speed",
        "half_speed",
        "speed_cost",
        "speed_unreachable",
        *(name for name in OUTPUTS if name.startswith("hbm")),
    }
    for name in set(OUTPUTS) - of_the_block:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)


@given(anywhere(), views, rental_modes)
def test_a_measured_owners_cost_is_that_of_every_regime_and_keeps_shares_of_layers(
    x: Inputs, view: str, mode: str
) -> None:
    computed = worlds.evaluate(
        without(x, "measured_owner_cost_usd_per_hour"), view=view, rental_mode=mode
    )
    x = {**x, "measured_owner_cost_usd_per_hour": np.geomspace(0.01, 1e3, len(x["pue"]))}
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    owner, measured = out["owner_cost_economic"], x["measured_owner_cost_usd_per_hour"]
    for regime in (TRAINING, FINE_TUNE, INFERENCE):
        assert close(owner[:, REFERENCE, regime], measured)
    chosen = "owner_cost_book" if view == "accounting" else "owner_cost_economic"
    for result in (computed, out):
        result["shares"] = (
            result["accelerator_hour_cost"][..., OWNERS_LAYERS] / result[chosen][..., None]
        )
    assert close(out["shares"], computed["shares"], of=1.0)
    ratio = computed["owner_cost_book"] / computed["owner_cost_economic"]
    assert close(out["owner_cost_book"], ratio * out["owner_cost_economic"])
    for name in ("capex_per_gw", "depreciation_booked", "net_book_value", "wh_per_token"):
        np.testing.assert_array_equal(out[name], computed[name], err_msg=name)


@pytest.mark.parametrize("regime", [TRAINING, FINE_TUNE, INFERENCE])
@given(x=anywhere(32), view=views, mode=rental_modes)
def test_an_owners_cost_measured_as_computed_changes_nothing_in_its_regime(
    regime: int, x: Inputs, view: str, mode: str
) -> None:
    x = without(x, "measured_owner_cost_usd_per_hour")
    computed = worlds.evaluate(x, view=view, rental_mode=mode)
    own = computed["owner_cost_economic"][:, REFERENCE, regime]
    measured = {**x, "measured_owner_cost_usd_per_hour": own}
    out = worlds.evaluate(measured, view=view, rental_mode=mode)
    for name in ("owner_cost_economic", "owner_cost_book", "rent_per_hour", "compute_cost"):
        scale = gross(computed["accelerator_hour_cost"])[..., regime]
        scale = scale * computed[name][..., regime] / computed["owner_cost_economic"][..., regime]
        assert close(out[name][..., regime], computed[name][..., regime], scale), name
    hours = "accelerator_hour_cost"
    layers = computed[hours][:, :, regime]
    assert close(out[hours][:, :, regime], layers, gross(layers)[..., None])
