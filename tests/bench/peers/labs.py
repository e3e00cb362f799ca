"""Labs for the peers: bills, tokens, revenue, training (4 to 7; see `reference`)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from bench.peers.buildout import BuildOut, Pairs, chosen, mean_of_quarter
from bench.peers.reference import (
    HOURS_PER_YEAR,
    INFERENCE,
    Q_STAR,
    QUARTERS,
    TRAIN,
    Array,
    Hour,
    Inputs,
    given,
    is_missing,
    quarterly,
    rows,
)


def revenues(xp: Any, pairs: Pairs, x: Inputs) -> tuple[Array, Array]:
    """ARR at the ends of quarters and on average over them, of labs that report, (6.10), (6.11)."""
    names = ["arr_2025q4_busd", *(f"arr_2026q{i}_busd" for i in (1, 2, 3, 4))]
    arr = []
    for known, lab in zip(pairs.points, pairs.reporting, strict=True):
        at = [0, *(i + 1 for i, is_known in enumerate(known) if is_known)]
        path = {i: x[names[i]][lab] for i in at}
        for left, right in pairwise(at):
            for i in range(left + 1, right):
                weight = (i - left) / (right - left)
                path[i] = path[left] * (path[right] / path[left]) ** weight
        arr.append(rows(xp, [path[i] for i in range(5)]))
    points = rows(xp, arr)
    growth = quarterly(xp, chosen(xp, x["arr_growth_2027"], pairs.reporting), 1, 4)
    path = xp.concatenate([points, points[:, 4:] * growth], 1)
    ln = xp.log(path[:, 1:] / path[:, :-1])
    flat = xp.abs(ln) < 1e-6
    safe = xp.where(flat, 1.0, ln)
    before, after = path[:, :-1], path[:, 1:]
    return after, xp.where(flat, (before + after) / 2.0, before * xp.expm1(safe) / safe)


def labs(
    xp: Any, pairs: Pairs, x: Inputs, hour: Hour, built: BuildOut
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Bills, tokens, margins and coverage, (6.7) to (6.15), (4.9) to (4.13), (7.6).

    Returns:
        Outputs, and what training and landlords need.
    """
    p_it = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    per_gw = 1e6 / (p_it * x["facility_capacity_ratio"])
    hours = per_gw * HOURS_PER_YEAR
    busd = hours / 1e9
    inference = x["inference_share"]
    tune = xp.broadcast_to(x["fine_tune_share"], inference.shape)
    shares = xp.stack([1.0 - inference - tune, tune, inference], 1)[:, :, None]  # [lab, regime, 1,
    relative = x["relative_cost"]
    owner = hour.energy + relative[:, None, None] * hour.capital  # [lab, regime, quarter, draw]

    h_bar = mean_of_quarter(xp, built.hosted, built.at_first)
    f_bar = mean_of_quarter(xp, built.facility, x["gw_definition_ratio"] * x["gw_2025q4"])
    marked_up = 1.0 + x["landlord_markup"]

    def priced(hosted: Array) -> tuple[Array, Array]:
        """GW [lab, ..] times markup, and times contract rents in USD/h, of hosted [pair, ..]."""
        of_owner, of_contract = [], []
        for p, (captive, k) in enumerate(zip(pairs.captive, pairs.landlord, strict=True)):
            own = captive or not pairs.contract[k]
            of_owner.append((hosted[p] if captive else hosted[p] * marked_up) if own else None)
            rent = x["rent_busd_per_gw_year"][k] * 1e9 / hours
            of_contract.append(None if own else hosted[p] * rent)
        nothing = xp.zeros_like(hosted[0])
        return tuple(
            xp.stack([
                sum((part for part, lab in zip(parts, pairs.lab, strict=True)
                     if lab == i and part is not None), nothing)
                for i in range(pairs.labs)
            ])
            for parts in (of_owner, of_contract)
        )  # fmt: skip

    marked, contract = priced(h_bar)
    paid = owner * marked[:, None] + contract[:, None]  # [lab, regime, quarter, draw]
    bill_regime = (busd * shares) * paid
    bill = xp.sum(bill_regime, 1)
    closing_marked, closing_contract = priced(built.hosted[:, Q_STAR])
    closing = owner[:, :, Q_STAR] * closing_marked[:, None] + closing_contract[:, None]
    closing_bill = busd * shares[:, :, 0] * closing

    paid_s = hour.paid_s[INFERENCE]
    busy = per_gw * inference * x["relative_throughput"]
    tokens = f_bar * busy[:, None] / paid_s
    of_list = x["relative_price"][:, None] * hour.revenue
    paid_share = 1.0 - x["lab_free_token_share"]
    capacity = tokens * ((3600.0 * HOURS_PER_YEAR / 1e15) * paid_share)[:, None] * of_list
    load = xp.sum(shares * hour.mean_load, 1)
    energy = f_bar * load * (x["pue"] / x["facility_capacity_ratio"] * 8.76)
    per_mtok = (paid[:, INFERENCE] / f_bar) * paid_s * (1e6 / 3600.0)
    unit_margin = 1.0 - per_mtok / (x["relative_throughput"][:, None] * of_list)

    i = pairs.reporting
    arr, a_bar = revenues(xp, pairs, x)
    levies = given_of(xp, x, "lab_revenue_share_rate", "revenue_share_rate", i)
    levies = levies + x["serving_overhead_rate"]
    opex = given_of(xp, x, "lab_noncompute_opex_ratio", "noncompute_opex_ratio", i)
    own_bill = chosen(xp, bill, i)
    per_arr = chosen(xp, bill_regime[:, INFERENCE], i) / a_bar
    paid_margin = 1.0 - per_arr * chosen(xp, paid_share, i)[:, None]
    available = a_bar * (1.0 - levies - opex)[:, None]
    shortfall = xp.clip(1.0 - available / own_bill, 0.0, 1.0)
    kept = (1.0 - levies)[:, None]
    made = {
        "compute_bill": bill,
        "compute_bill_regime": bill_regime,
        "bill_per_gw_year": bill / f_bar,
        "fleet_tokens_per_s": tokens,
        "fleet_energy_twh": energy,
        "capacity_revenue": capacity,
        "lab_unit_margin": unit_margin,
        "training_share_below_zero": (shares[:, TRAIN, 0] < 0.0).any(0),
        "arr": arr,
        "average_arr": a_bar,
        "implied_duty": hour.duty[INFERENCE] * a_bar / chosen(xp, capacity, i),
        "lab_paid_margin": paid_margin,
        "lab_loaded_margin": kept - per_arr,
        "operating_margin": kept - opex[:, None] - own_bill / a_bar,
        "funding_gap_busd": xp.maximum(0.0, own_bill - available),
    }
    return made, {
        "shares": shares, "closing_bill": closing_bill, "levies": levies, "arr": arr,
        "h_bar": h_bar, "shortfall": shortfall[:, Q_STAR], "paid_margin": paid_margin[:, Q_STAR],
        "hours": hours, "per_gw": per_gw, "p_it": p_it,
    }  # fmt: skip


def given_of(xp: Any, x: Inputs, name: str, otherwise: str, labs: list[int]) -> Array:
    """An optional input of these labs, and a scalar where it is missing."""
    return xp.stack([given(xp, x[name][lab], x[otherwise]) for lab in labs])


def accumulated(xp: Any, growth: Array, years: Array) -> Array:
    """The integral of e^(growth s) over [0, years], (5.4)."""
    safe = xp.where(growth == 0.0, 1.0, growth)
    return xp.where(growth == 0.0, years, xp.expm1(safe * years) / safe)


def training(
    xp: Any, pairs: Pairs, x: Inputs, hour: Hour, of_labs: dict[str, Array], solve: Any
) -> dict[str, Array]:
    """Whether a generation was worth it, as q* closes (section 5, (4.8)).

    `solve` finds when gross profit reaches the cost: the part in which NumPy and JAX differ.
    """
    hours = x["train_tokens"] * (1.0 + x["rl_compute_ratio"])
    hours = hours / (hour.tps_train * x["goodput_frontier_training"] * 3600.0)
    assert is_missing(x["measured_run_hours"]), "the peers know no measured run"
    paid_hours = hours / x["duty_cycle_frontier_training"]
    run_cost = paid_hours * hour.hourly[TRAIN, Q_STAR]
    power = of_labs["p_it"] * hour.mean_load[TRAIN, Q_STAR]
    i, life = pairs.reporting, x["model_life_months"] / 12.0
    cadence = x["model_cadence_months"] / 12.0
    cost_of_all = of_labs["closing_bill"][:, TRAIN] * (cadence * (1.0 + x["rd_staff_ratio"]))
    cost = chosen(xp, cost_of_all, i)
    alpha = xp.minimum(1.0, x["model_cadence_months"] / x["model_life_months"])
    reference = of_labs["arr"][:, Q_STAR] * alpha
    r0 = reference * (1.0 - of_labs["levies"])
    c0 = chosen(xp, of_labs["closing_bill"][:, INFERENCE], i) * alpha
    g_r = xp.log(chosen(xp, x["arr_growth_2027"], i))
    uc, index = hour.compute_cost[INFERENCE], hour.price_index
    apart = xp.log(uc[-1] / uc[Q_STAR] * (index[Q_STAR] / index[-1]))  # g_c - g_r, of all labs
    g_c = g_r + apart
    earned = accumulated(xp, g_r, life)
    profit = r0 * earned - c0 * accumulated(xp, g_c, life)
    discount = xp.log1p(x["lab_discount_rate"])
    discounted = r0 * accumulated(xp, g_r - discount, life)
    discounted = discounted - c0 * accumulated(xp, g_c - discount, life)
    moic = profit / cost
    margin = xp.where(moic <= 0.0, -np.inf, 1.0 - 1.0 / moic)

    def gross_profit(t: Array) -> tuple[Array, Array]:
        """GP(t) less the cost, and its rate."""
        a, b = accumulated(xp, g_r, t), accumulated(xp, g_c, t)
        return r0 * a - c0 * b - cost, r0 * (1.0 + g_r * a) - c0 * (1.0 + g_c * b)

    turn = xp.log(r0 / c0) / apart
    turn = xp.where((turn > 0.0) & (turn < life), turn, 0.0)
    at_turn = gross_profit(turn)[0]
    rising = at_turn >= 0.0
    repays = rising | (profit >= cost)
    low, high = xp.where(rising, 0.0, turn), xp.where(rising, turn, life)
    before, after = xp.where(rising, -cost, at_turn), xp.where(rising, at_turn, profit - cost)
    years = solve(gross_profit, low, high, before, after, repays & (cost > 0.0))
    years = xp.where(cost <= 0.0, 0.0, xp.where(repays, years, np.inf))

    self_funded = x["reinvestment_share"] * xp.maximum(moic, 0.0)
    need = x["required_training_growth"] ** cadence
    spent, gained = xp.sum(cost, 0), xp.sum(profit, 0)
    pooled = xp.where(gained <= 0.0, -np.inf, 1.0 - spent / gained)
    return {
        "run_hours": hours,
        "run_cost_usd": run_cost,
        "training_flop": 6.0 * x["train_active_params"] * x["train_tokens"],
        "run_gwh": paid_hours * power * x["pue"] / 1e6,
        "generation_cost_busd": cost_of_all,
        "lifetime_gross_profit_busd": profit,
        "training_moic": moic,
        "training_npv_busd": discounted - cost,
        "payback_months": 12.0 * years,
        "training_margin": margin,
        "sustainable_growth_annual": self_funded ** (1.0 / cadence),
        "external_funding_share": xp.clip(1.0 - self_funded / need, 0.0, 1.0),
        "required_margin": need * cost / (x["reinvestment_share"] * reference * earned),
        "pooled": pooled,
    }


def gross_margin(xp: Any, pooled: Array, tune: Array, inference: Array) -> Array:
    """Gross margin by regime, (4.8), [regime, quarter, draw]; training's at q* alone."""
    before, after = np.full((Q_STAR, 1), np.nan), np.full((QUARTERS - Q_STAR - 1, 1), np.nan)
    draws = inference.shape[-1]
    train = xp.concatenate([
        np.broadcast_to(before, (Q_STAR, draws)), pooled[None],
        np.broadcast_to(after, (QUARTERS - Q_STAR - 1, draws)),
    ])  # fmt: skip
    return xp.stack([train, tune, inference])
