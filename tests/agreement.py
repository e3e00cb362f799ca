"""How closely two evaluations of the model must agree, and relative to what.

An amount: to `TOLERANCE` of itself. What a subtraction leaves: of the largest amount that enters
the subtraction, which `SCALES` gives by output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.model.dims import LAYERS, QUARTERS, REFERENCE_QUARTER, REGIMES

Array = NDArray[Any]
Values = Mapping[str, Array]
# From inputs, outputs and the rental mode to an array that broadcasts with the output.
Scale = Callable[[Values, Values, str], Array]

TOLERANCE = 1e-12
TRAINING, FINE_TUNE, INFERENCE = range(len(REGIMES))
ELECTRICITY = [LAYERS.index("electricity_it"), LAYERS.index("electricity_overhead")]
DIFFERENCES = [LAYERS.index("cost_of_capital"), LAYERS.index("landlord_margin")]


def column(x: Values, name: str) -> Array:
    """An input that is the same in every quarter, beside outputs [draw, quarter]."""
    return np.asarray(x[name])[..., None]


def hour(out: Values) -> Array:
    """The largest amount in an hour's cost [draw, quarter, regime]: a rent or an owner's cost."""
    names = ("rent_per_hour", "owner_cost_economic", "owner_cost_book")
    return np.max([out[name] for name in names], axis=0)


def mtok(out: Values) -> Array:
    """The same by Mtok."""
    return hour(out) / 3600 * out["paid_seconds_per_token"] * 1e6


def _layers(values: Array, amount: Array) -> Array:
    """Layers' own amounts, and for those that are differences the amount of the hour or Mtok."""
    scale = np.abs(values)
    scale[..., DIFFERENCES] = amount[..., None]
    return scale


def _by_kind_of_token(name: str) -> Scale:
    """The cost of a kind of token if an hour cost its largest amount."""

    def scale(x: Values, out: Values, mode: str) -> Array:
        paid = out["accelerator_hour_cost"][..., INFERENCE, :].sum(axis=-1)
        return out[name] * hour(out)[..., INFERENCE] / paid

    return scale


def _margin_by_kind(name: str) -> Scale:
    """Cost over price of a kind of token, if an hour cost its largest amount."""

    def scale(x: Values, out: Values, mode: str) -> Array:
        paid = out["accelerator_hour_cost"][..., INFERENCE, :].sum(axis=-1)
        return np.maximum(1.0, (1.0 - out[name]) * hour(out)[..., INFERENCE] / paid)

    return scale


def _of_own(name: str) -> Scale:
    """The larger of 1 and c/r, of a margin 1 - c/r."""
    return lambda x, out, mode: np.maximum(1.0, 1.0 - out[name])


def _plan(x: Values, out: Values, mode: str) -> Array:
    return x["planned_additions_2027_gw"]


def _inference_margin(x: Values, out: Values, mode: str) -> Array:
    return np.maximum(1.0, mtok(out)[..., INFERENCE] / out["revenue_per_mtok_paid"])


def _loaded_margin(x: Values, out: Values, mode: str) -> Array:
    return np.maximum(1.0, mtok(out)[..., INFERENCE] / out["revenue_per_mtok_served"])


def _fine_tune_margin(x: Values, out: Values, mode: str) -> Array:
    price = column(x, "price_fine_tune_usd_per_mtok") * out["price_index"]
    return np.maximum(1.0, mtok(out)[..., FINE_TUNE] / price)


def _price_multiplier(x: Values, out: Values, mode: str) -> Array:
    return _inference_margin(x, out, mode) / (1.0 - column(x, "hurdle_margin"))


def _duty_at_hurdle(x: Values, out: Values, mode: str) -> Array:
    """The quotient of cost and affordable cost, both less electricity (4.6)."""
    rented, markup = column(x, "rented_share"), column(x, "landlord_markup")
    passed_on = 1.0 + rented * markup if mode == "cost_plus" else 1.0 - rented
    active, idle = column(x, "active_load_online_inference"), column(x, "idle_load")
    load = idle + out["duty_cycle"][..., INFERENCE] * (active - idle)
    used = out["accelerator_hour_cost"][..., INFERENCE, ELECTRICITY].sum(axis=-1)
    electricity = passed_on * used / load  # at full load
    of_duty = electricity * (load - idle)
    cost = out["accelerator_hour_cost"][..., INFERENCE, :].sum(axis=-1) - of_duty
    duty = np.where(np.isfinite(out["duty_at_hurdle"]), out["duty_at_hurdle"], 0.0)
    entering = hour(out)[..., INFERENCE] + electricity * (1.0 + 2.0 * duty)
    return duty * (1.0 + entering / cost)


def _training_margin(x: Values, out: Values, mode: str) -> Array:
    """1 - cost/profit: as wrong as the profit, of which both sides are amounts."""
    gross = flows(x, out, mode)
    with np.errstate(divide="ignore", invalid="ignore"):
        wrong = gross / np.abs(out["lifetime_gross_profit_busd"])
        return np.maximum(1.0, np.abs(1.0 / out["training_moic"]) * (1.0 + wrong))


def _gross_margin(x: Values, out: Values, mode: str) -> Array:
    """Of each regime its own; of training that of all labs that report."""
    gross, profit = flows(x, out, mode), out["lifetime_gross_profit_busd"]
    cost, profit, gross = (
        np.nansum(np.where(np.isnan(profit), 0.0, a), axis=1)
        for a in (out["generation_cost_busd"], profit, gross)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.maximum(1.0, np.abs(cost / profit) * (1.0 + gross / np.abs(profit)))
    tuned, served = _fine_tune_margin(x, out, mode), _inference_margin(x, out, mode)
    return np.stack([np.broadcast_to(pooled[:, None], served.shape), tuned, served], axis=-1)


# What the sections on labs and landlords subtract


def given(value: Array, otherwise: Array) -> Array:
    """The value of an optional input, and `otherwise` where it is missing."""
    return np.where(np.isnan(value), otherwise, value)


def levies(x: Values) -> Array:
    """Revenue-linked cost over revenue [draw, lab]."""
    share = given(x["lab_revenue_share_rate"], column(x, "revenue_share_rate"))
    return share + column(x, "serving_overhead_rate")


def opex(x: Values) -> Array:
    """Other operating cost over revenue [draw, lab]."""
    return given(x["lab_noncompute_opex_ratio"], column(x, "noncompute_opex_ratio"))


def _regime_shares(x: Values) -> Array:
    """Shares of a lab's hours [draw, lab, regime]; training's is what the others leave."""
    tuned, served = column(x, "fine_tune_share"), x["inference_share"]
    return np.stack(np.broadcast_arrays(1.0 - served - tuned, tuned, served), axis=-1)


def _bill_regime(x: Values, out: Values, mode: str) -> Array:
    """Bills by regime, training's as if it had all hours: its share is what others leave."""
    bill = np.abs(out["compute_bill_regime"])
    share = np.abs(_regime_shares(x))[:, :, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        of_all_hours = np.nanmax(bill / share, axis=-1)
    return np.stack([of_all_hours, bill[..., FINE_TUNE], bill[..., INFERENCE]], axis=-1)


def _bill(x: Values, out: Values, mode: str) -> Array:
    return _bill_regime(x, out, mode).sum(axis=-1)


def _bill_per_gw(x: Values, out: Values, mode: str) -> Array:
    return _bill(x, out, mode) * np.abs(out["bill_per_gw_year"] / out["compute_bill"])


def _inference_bill(x: Values, out: Values, mode: str) -> Array:
    return np.abs(out["compute_bill_regime"][..., INFERENCE])


class Business(NamedTuple):
    """A generation's business [draw, lab]: flows at launch, their growth, how exact that is."""

    revenue: Array
    cost: Array
    revenue_growth: Array
    cost_growth: Array
    inexact: Array

    def gross(self, years: Array) -> Array:
        """Revenue and cost added up over these years, the larger the less exact growth is."""
        flows = 0.0
        for flow, growth in ((self.revenue, self.revenue_growth), (self.cost, self.cost_growth)):
            total = accumulated(growth, years)
            flows = flows + flow * total * (1 + years * (np.abs(growth) + self.inexact))
        return np.asarray(flows)


def business(x: Values, out: Values, mode: str) -> Business:
    """Flows at the end of the reference quarter; cost is what the profit leaves of revenue."""
    q = QUARTERS.index(REFERENCE_QUARTER)
    growth = np.log(x["arr_growth_2027"])
    cost = out["compute_cost"][:, [q, -1], INFERENCE]
    price = out["revenue_per_mtok_paid"][:, [q, -1]]
    erosion = (np.log(cost[:, 1] / cost[:, 0]) - np.log(price[:, 1] / price[:, 0]))[:, None]
    alpha = np.minimum(1, x["model_cadence_months"] / x["model_life_months"])[:, None]
    years = column(x, "model_life_months") / 12
    kept = alpha * out["arr"][..., q] * (1 - levies(x)) * accumulated(growth, years)
    return Business(
        alpha * out["arr"][..., q],
        np.abs(kept - out["lifetime_gross_profit_busd"]) / accumulated(growth + erosion, years),
        growth,
        growth + erosion,
        1 + (mtok(out)[:, [q, -1], INFERENCE] / cost).max(axis=1)[:, None],
    )


def accumulated(growth: Array, years: Array) -> Array:
    """A flow of 1 at launch, added up over these years."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(growth == 0, years, np.expm1(growth * years) / growth)


def flows(x: Values, out: Values, mode: str) -> Array:
    """Revenue and inference cost of a generation over its life, added [draw, lab]."""
    return business(x, out, mode).gross(column(x, "model_life_months") / 12)


def _generation(x: Values, out: Values, mode: str) -> Array:
    """A generation's cost if training had all hours."""
    with np.errstate(divide="ignore", invalid="ignore"):
        of_all_hours = np.abs(out["generation_cost_busd"] / _regime_shares(x)[..., TRAINING])
    return np.nan_to_num(of_all_hours)


def _per_generation(amount: Scale) -> Scale:
    """An amount over the cost of a generation, which is itself what a subtraction leaves."""

    def scale(x: Values, out: Values, mode: str) -> Array:
        cost = np.abs(out["generation_cost_busd"])
        return amount(x, out, mode) / cost * (_generation(x, out, mode) / cost)

    return scale


_moic = _per_generation(flows)


def _moic_final_run(x: Values, out: Values, mode: str) -> Array:
    paid = out["accelerator_hour_cost"][:, QUARTERS.index(REFERENCE_QUARTER), TRAINING].sum(axis=-1)
    wrong = hour(out)[:, QUARTERS.index(REFERENCE_QUARTER), TRAINING] / paid
    return flows(x, out, mode) * (wrong / (out["run_cost_usd"] / 1e9))[:, None]


def _run_cost(x: Values, out: Values, mode: str) -> Array:
    """The final run if its hours cost the largest amount in them."""
    q = QUARTERS.index(REFERENCE_QUARTER)
    return out["run_hours"] / x["duty_cycle_frontier_training"] * hour(out)[:, q, TRAINING]


def _final_run_share(x: Values, out: Values, mode: str) -> Array:
    per = _per_generation(lambda x, out, mode: _run_cost(x, out, mode)[:, None] / 1e9)
    return per(x, out, mode)


def _growth(x: Values, out: Values, mode: str) -> Array:
    return column(x, "reinvestment_share") * _moic(x, out, mode)


def _growth_annual(x: Values, out: Values, mode: str) -> Array:
    power = 12 / column(x, "model_cadence_months")
    growth = out["sustainable_growth_per_generation"]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = power * growth ** (power - 1)
        return np.where(growth > 0, slope * _growth(x, out, mode), 0.0)


def _external(x: Values, out: Values, mode: str) -> Array:
    needed = x["required_training_growth"] ** (x["model_cadence_months"] / 12)
    return np.maximum(1.0, _growth(x, out, mode) / needed[:, None])


def _payback(x: Values, out: Values, mode: str) -> Array:
    """The time in which profit, at the rate at which it repays, makes up for what is inexact."""
    years = np.where(np.isfinite(out["payback_months"]), out["payback_months"] / 12, 0.0)
    b = business(x, out, mode)
    earning = b.revenue * (1 - levies(x)) * np.exp(b.revenue_growth * years)
    rate = np.abs(earning - b.cost * np.exp(b.cost_growth * years))
    with np.errstate(divide="ignore", invalid="ignore"):
        inexact = (b.gross(years) + _generation(x, out, mode)) / rate
        return 12 * inexact + out["payback_months"]


def _coverage(x: Values, out: Values, mode: str) -> Array:
    bill = np.abs(out["compute_bill"])
    wrong = _bill(x, out, mode) / bill
    return np.maximum(1.0, _claimed(x, out) / bill * wrong)


def _claimed(x: Values, out: Values) -> Array:
    """Revenue, and what levies and opex take of it [draw, lab, quarter]."""
    return out["average_arr"] * (1.0 + levies(x) + opex(x))[..., None]


def _gap(x: Values, out: Values, mode: str) -> Array:
    return np.maximum(_bill(x, out, mode), _claimed(x, out))


def _operating_margin(x: Values, out: Values, mode: str) -> Array:
    return (_claimed(x, out) + _bill(x, out, mode)) / out["average_arr"]


def _hosted(x: Values, out: Values, mode: str) -> Array:
    """Facility GW at the larger of the shares between which a landlord's moves in 2026."""
    share = np.maximum(x["host_share_2025"], x["host_share_2026"])
    return out["facility_gw"][:, :, None, :] * share[..., None] + out["hosted_gw"]


def _depreciation_rates(x: Values) -> tuple[Array, Array]:
    """USD bn per GW-year over the book life [draw, landlord] and the economic life [draw, 1]."""
    it = x["accelerator_price_usd"] * (1 + x["server_cost_ratio"] + x["network_cost_ratio"])
    kw = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    per_gw = 1e6 / (kw * x["facility_capacity_ratio"]) / 1e9
    facility = x["facility_capex_usd_per_kw_it"] * kw * per_gw / x["facility_life_years"]
    life = x["it_book_life_years"][:, None] + x["book_life_offset_years"]
    booked = (it * per_gw)[:, None] / life + facility[:, None]
    return booked, (it * per_gw / x["it_economic_life_years"] + facility)[:, None]


def _depreciation_gap(x: Values, out: Values, mode: str) -> Array:
    return np.maximum(out["depreciation_booked"], out["depreciation_economic"])


def _book_value_by_lab(x: Values, out: Values, mode: str) -> Array:
    """All that was bought and all that was depreciated."""
    booked, _ = _depreciation_rates(x)
    kw = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    it = x["accelerator_price_usd"] * (1 + x["server_cost_ratio"] + x["network_cost_ratio"])
    usd = it + x["facility_capex_usd_per_kw_it"] * kw
    bought = usd / (kw * x["facility_capacity_ratio"]) / 1e3 * (1 + x["capex_cost_growth"])
    per_gw = bought[:, None] + 2 * booked * out["cost_index"].max(axis=1)[:, None]
    at_first = (column(x, "gw_definition_ratio") * x["gw_2025q4"])[..., None]
    most = np.maximum(at_first * x["host_share_2025"], out["hosted_gw"].max(axis=-1))
    value = x["relative_cost"][..., None] * most * per_gw[:, None, :]
    return np.broadcast_to(value[..., None], out["hosted_gw"].shape)


def _book_value(x: Values, out: Values, mode: str) -> Array:
    return _book_value_by_lab(x, out, mode).sum(axis=1)


def _interest(x: Values, out: Values, mode: str) -> Array:
    rented = _book_value_by_lab(x, out, mode) * (1.0 - x["captive"])[..., None]
    return (x["debt_share"] * x["interest_rate"])[..., None] * rented.sum(axis=1) / 4


def _margin_after_interest(x: Values, out: Values, mode: str) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        per_rent = _interest(x, out, mode) / out["rent_received"]
    return _of_own("landlord_gross_margin")(x, out, mode) + per_rent


def _exposed_book_value(x: Values, out: Values, mode: str) -> Array:
    return _book_value(x, out, mode)[..., QUARTERS.index(REFERENCE_QUARTER)]


def _rpo_shortfall(x: Values, out: Values, mode: str) -> Array:
    short = _coverage(x, out, mode)[..., QUARTERS.index(REFERENCE_QUARTER)]
    return x["rpo_busd"] * (np.nan_to_num(short) @ x["rpo_lab_share"].T)


def _of_arr(amount: Scale) -> Scale:
    return lambda x, out, mode: np.maximum(1.0, amount(x, out, mode) / out["average_arr"])


SCALES: dict[str, Scale] = {
    # what a promised speed costs: 1 less a share
    "speed_cost": lambda x, out, _: np.ones(1),
    # layers and costs: the largest amount in an hour's cost
    "accelerator_hour_cost": lambda x, out, _: _layers(out["accelerator_hour_cost"], hour(out)),
    "unit_cost": lambda x, out, _: _layers(out["unit_cost"], mtok(out)),
    "compute_cost": lambda x, out, _: mtok(out),
    "cost_output": _by_kind_of_token("cost_output"),
    "cost_input": _by_kind_of_token("cost_input"),
    "cost_cached": _by_kind_of_token("cost_cached"),
    # margins 1 - c/r: max(1, c/r)
    "margin_output": _margin_by_kind("margin_output"),
    "margin_input": _margin_by_kind("margin_input"),
    "margin_cached": _margin_by_kind("margin_cached"),
    "landlord_margin_book": _of_own("landlord_margin_book"),
    "landlord_margin_economic": _of_own("landlord_margin_economic"),
    "inference_gross_margin": _inference_margin,
    "loaded_gross_margin": _loaded_margin,
    "fine_tune_gross_margin": _fine_tune_margin,
    # break-evens
    "price_multiplier_at_hurdle": _price_multiplier,
    "duty_at_hurdle": _duty_at_hurdle,
    # gigawatts that are missing: the plan
    "withheld_by_crunch_gw": _plan,
    "withheld_by_delay_gw": _plan,
    "withheld_by_capex_gw": _plan,
    "withheld_by_power_gw": _plan,
    # who houses whom in 2026: between two shares
    "hosted_gw": _hosted,
    "hosted_gw_landlord": lambda x, out, mode: _hosted(x, out, mode).sum(axis=1),
    # labs: bills of which training's is what inference and fine-tuning leave
    "compute_bill": _bill,
    "compute_bill_regime": _bill_regime,
    "bill_per_gw_year": _bill_per_gw,
    "fleet_energy_twh": lambda x, out, _: out["facility_gw"] * column(x, "pue")[..., None] * 8.76,
    "lab_unit_margin": _of_own("lab_unit_margin"),
    "lab_paid_margin": _of_arr(_inference_bill),
    "lab_loaded_margin": _of_arr(_inference_bill),
    "operating_margin": _operating_margin,
    "coverage": _coverage,
    "shortfall": _coverage,
    "funding_gap_busd": _gap,
    # a generation: profit is revenue less cost
    "run_cost_usd": _run_cost,
    "generation_cost_busd": _generation,
    "final_run_share": _final_run_share,
    "lifetime_gross_profit_busd": flows,
    "training_moic": _moic,
    "training_moic_final_run": _moic_final_run,
    "training_npv_busd": lambda x, out, mode: flows(x, out, mode) + _generation(x, out, mode),
    "payback_months": _payback,
    "training_margin": _training_margin,
    "gross_margin": _gross_margin,
    "sustainable_growth_per_generation": _growth,
    "sustainable_growth_annual": _growth_annual,
    "external_funding_share": _external,
    "required_margin": _per_generation(
        lambda x, out, _: out["required_margin"] * out["generation_cost_busd"]
    ),
    # landlords' books: purchases less depreciation
    "depreciation_gap": _depreciation_gap,
    "landlord_gross_margin": _of_own("landlord_gross_margin"),
    "interest_busd": _interest,
    "landlord_margin_after_interest": _margin_after_interest,
    "net_book_value": _book_value,
    "net_book_value_by_lab": _book_value_by_lab,
    "nbv_under_hurdle": _exposed_book_value,
    "rpo_shortfall": _rpo_shortfall,
    # shares of what is wanted
    "capex_scale": lambda x, out, _: np.ones(1),
    "power_scale": lambda x, out, _: np.ones(1),
}

# Flags of an amount beyond a bound: they may differ where it is at the bound but for rounding.
BOUND_OF_FLAG: dict[str, Callable[[Values, Values], Array]] = {
    "capex_binds": lambda x, out: out["capex_scale"],
    "power_binds": lambda x, out: out["power_scale"],
    "speed_unreachable": lambda x, out: out["batch"] + (out["speed_cost"] > TOLERANCE),
    "demand_exceeds_capacity": lambda x, out: out["implied_duty"],
}


def assert_agree(got: Values, expected: Values, x: Values, rental_mode: str = "cost_plus") -> None:
    """Every output of `got` is that of `expected`, evaluated from the inputs `x`."""
    assert set(got) == set(expected)
    for name, right in expected.items():
        value, right = np.asarray(got[name], float), np.asarray(right, float)
        assert value.shape == right.shape, f"{name}: {value.shape}, expected {right.shape}"
        if name in BOUND_OF_FLAG:
            at_bound = np.abs(BOUND_OF_FLAG[name](x, expected) - 1.0) <= TOLERANCE
            right = np.where(at_bound, value, right)
        of = SCALES[name](x, expected, rental_mode) if name in SCALES else np.abs(right)
        same = (value == right) | (np.isnan(value) & np.isnan(right))
        with np.errstate(invalid="ignore"):
            close = same | (np.abs(value - right) <= TOLERANCE * of)
        if not close.all():
            index = tuple(int(i) for i in np.argwhere(~close)[0])
            raise AssertionError(
                f"{name}{list(index)}: {value[index]!r}, expected {right[index]!r};"
                f" {(~close).sum()} of {close.size} differ"
            )
