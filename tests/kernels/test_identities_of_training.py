"""Identities of training and its generations, in random worlds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from identities import (
    INFERENCE,
    TRAINING,
    close,
    levies,
    rental_modes,
    standing_still_in_2026,
    views,
    without,
)
from random_worlds import REFERENCE, Inputs, anywhere, replaced

from sim.engine import worlds

# 16: training

STEADY: dict[str, float] = {
    "token_price_decline": 0,
    "software_throughput_growth": 0,
    "hardware_efficiency_growth": 0,
    "capex_cost_growth": 0,
    "token_price_volatility": 0,
    "duty_volatility": 0,
    "power_price_volatility": 0,
    "power_price_reversion": 0,
}


@given(anywhere(), views, rental_modes)
def test_the_multiple_of_a_steady_state_is_profit_over_research_of_a_year(
    x: Inputs, view: str, mode: str
) -> None:
    """Whatever cadence and life are, as long as generations overlap."""
    x = replaced(standing_still_in_2026(x), **STEADY)
    x["arr_growth_2027"] = np.where(np.isnan(x["arr_growth_2027"]), np.nan, 1.0)
    x["model_life_months"] = np.maximum(x["model_life_months"], x["model_cadence_months"])
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    bill = out["compute_bill_regime"][:, :, REFERENCE]
    revenue = out["arr"][..., REFERENCE] * (1 - levies(x))
    research = bill[..., TRAINING] * (1 + x["rd_staff_ratio"])[:, None]
    reports = ~np.isnan(revenue)
    moic, expected = out["training_moic"], (revenue - bill[..., INFERENCE]) / research
    amount = (np.abs(revenue) + bill[..., INFERENCE]) / research
    # Cost and price of a token keep a little rounding, which growth takes for growth.
    assert close(moic[reports], expected[reports], 1e-3 * amount[reports])
    life = np.broadcast_to(x["model_life_months"][:, None], moic.shape)
    worth_it = reports & (moic >= 1)
    payback, sooner = out["payback_months"][worth_it], (life / moic)[worth_it]
    assert close(payback, sooner, 1e-3 * sooner * (amount / moic)[worth_it])


@given(anywhere(), views, rental_modes)
def test_a_generation_worth_it_is_paid_back_within_its_life(
    x: Inputs, view: str, mode: str
) -> None:
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    life = np.broadcast_to(x["model_life_months"][:, None], out["training_moic"].shape)
    payback, worth_it = out["payback_months"], out["training_moic"] >= 1 + 1e-9
    assert (payback[worth_it] <= life[worth_it] * (1 + 1e-9)).all()
    assert (payback[np.isfinite(payback)] >= 0).all()
    assert (out["training_moic"][np.isinf(payback)] < 1 + 1e-9).all()


@given(anywhere(), views, rental_modes)
def test_a_discount_makes_profits_worth_less(x: Inputs, view: str, mode: str) -> None:
    """Where the profit of every month is a gain."""
    x = replaced(standing_still_in_2026(x), lab_discount_rate=0.2)
    out = worlds.evaluate(x, view=view, rental_mode=mode)
    profit, cost = out["lifetime_gross_profit_busd"], out["generation_cost_busd"]
    growth = np.log(x["arr_growth_2027"])
    unit, price = out["compute_cost"][..., INFERENCE], out["revenue_per_mtok_paid"]
    erosion = np.log(unit[:, -1] / unit[:, REFERENCE]) - np.log(price[:, -1] / price[:, REFERENCE])
    years = x["model_life_months"][:, None] / 12
    revenue = out["arr"][..., REFERENCE] * (1 - levies(x))
    bill = out["compute_bill_regime"][:, :, REFERENCE, INFERENCE]
    at_first, at_last = bill, bill * np.exp((growth + erosion[:, None]) * years)
    gains = (revenue > at_first) & (revenue * np.exp(growth * years) > at_last)
    assert (out["training_npv_busd"][gains] < (profit - cost)[gains]).all()


# 5.1, 5.9: the final run


@given(anywhere(), views)
def test_the_final_run_takes_its_tokens_energy_and_days(x: Inputs, view: str) -> None:
    out = worlds.evaluate(without(x, "measured_run_hours"), view=view)
    tokens = x["train_tokens"] * (1 + x["rl_compute_ratio"])
    per_hour = out["tps_train"] * x["goodput_frontier_training"] * 3600
    assert close(out["run_hours"], tokens / per_hour)
    duty = x["duty_cycle_frontier_training"]
    paid = out["run_hours"] / duty
    load = duty * x["active_load_frontier_training"] + (1 - duty) * x["idle_load"]
    it_kw = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    assert close(out["run_gwh"], paid * it_kw * load * x["pue"] / 1e6)
    assert close(out["training_flop"], 6 * x["train_active_params"] * x["train_tokens"])
    timed = ~np.isnan(x["run_accelerators"])
    assert close((out["run_days"] * 24 * x["run_accelerators"])[timed], paid[timed])
    assert np.isnan(out["run_days"][~timed]).all()


@given(anywhere(), views)
def test_measured_run_hours_replace_the_computed_ones(x: Inputs, view: str) -> None:
    x = {**x, "measured_run_hours": np.geomspace(1, 1e12, len(x["pue"]))}
    out = worlds.evaluate(x, view=view)
    np.testing.assert_array_equal(out["run_hours"], x["measured_run_hours"])
    paid = x["measured_run_hours"] / x["duty_cycle_frontier_training"]
    hourly = out["accelerator_hour_cost"][:, REFERENCE, TRAINING]
    amount = paid * np.abs(hourly).sum(axis=-1)
    assert close(out["run_cost_usd"], paid * hourly.sum(axis=-1), amount)
