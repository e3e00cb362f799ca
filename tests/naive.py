"""Plain NumPy restatement of sections 1 to 8 of sim/docs/model.md.

Written from the document alone, as a careful notebook would be: every quantity is an array whose
first axis is the draw, and Python loops run only over quarters, regimes, labs' input rows and
other small dimensions.  It serves as an independent check of faster implementations and as a
speed baseline.  Equation numbers in parentheses are those of the page; so are all names.

Not covered: summaries over draws (probabilities, quantiles), and parameter files (domains,
calendarisation of fiscal years).

A lab that does not report its ARR has NaN there, and in all that contains it.  An optional input
that is missing is NaN, or the number that stands for it (`MISSING`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
AnyArray = NDArray[Any]
Draws = Mapping[str, Array]
Distribution = Mapping[str, Any]

QUARTERS = 8  # 2026Q1 .. 2027Q4
Q_STAR = 3  # 2026Q4, the reference quarter
YEARS: Array = (np.arange(QUARTERS) - Q_STAR) / 4.0  # t_q
HOURS_PER_YEAR = 8760.0
QUARTER_WEIGHTS: Array = np.array([0.22, 0.24, 0.26, 0.28])
CAPEX_LEAD_QUARTERS = 2

TRAIN, FINE_TUNE, INFERENCE = range(3)  # regime
COMPUTE_LAYERS = 11  # layers 0..10
REVENUE_SHARE, SERVING_OVERHEAD, LAYERS = 11, 12, 13

LAB_VECTORS = (
    "gw_2025q4",
    "gw_2026q4",
    "planned_additions_2027_gw",
    "lab_delay_quarters",
    "arr_2025q4_busd",
    "arr_2026q1_busd",
    "arr_2026q2_busd",
    "arr_2026q3_busd",
    "arr_2026q4_busd",
    "arr_growth_2027",
    "inference_share",
    "lab_free_token_share",
    "lab_is_china",
    "lab_revenue_share_rate",
    "lab_noncompute_opex_ratio",
    "relative_throughput",
    "relative_price",
    "relative_cost",
)
LANDLORD_VECTORS = (
    "capex_2026_busd",
    "capex_growth_2027",
    "ai_capex_share",
    "lab_capacity_share",
    "book_life_offset_years",
    "rpo_busd",
    "rent_busd_per_gw_year",
    "other_cost_busd_per_gw_year",
    "debt_share",
    "interest_rate",
    "firm_share",
    "duration_years",
)
MATRICES = (
    "host_share_2025",
    "host_share_2026",
    "host_share_2027",
    "captive",
    "rpo_lab_share",
    "host_equity_busd",
)
# What an input is where a file leaves it out; NaN says "missing" to the formulas.
MISSING = {
    **dict.fromkeys(("relative_throughput", "relative_price", "relative_cost", "firm_share"), 1.0),
    **dict.fromkeys(("other_cost_busd_per_gw_year", "debt_share", "interest_rate"), 0.0),
}
OPTIONAL_SCALARS = (
    "measured_owner_cost_usd_per_hour",
    "measured_tps_decode",
    "measured_tps_prefill",
    "measured_tps_train",
    "measured_run_hours",
    "run_accelerators",
)
SHOCKS = ("eps_price", "eps_duty", "eps_power")
FACTORS = ("demand", "technology", "power", "capital", "tier")


# ---------------------------------------------------------------------------------------------
# Helpers
# ---------------------------------------------------------------------------------------------


def broadcast(inputs: Mapping[str, AnyArray]) -> dict[str, Array]:
    """Bring scalars to (n,), vectors to (n, L) or (n, K), shocks to (n, 8); matrices stay."""
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in inputs.items()}
    with_row = {*LAB_VECTORS, *LANDLORD_VECTORS, *SHOCKS}
    ndim = {name: 2 if name in with_row else 1 for name in arrays if name not in MATRICES}
    sizes = [arrays[name].shape[0] for name, d in ndim.items() if arrays[name].ndim == d]
    n = max(sizes, default=1)
    out: dict[str, Array] = {}
    for name, array in arrays.items():
        if name in MATRICES:
            out[name] = array
        else:
            row = array.shape[-1:] if ndim[name] == 2 else ()
            out[name] = np.broadcast_to(array, (n, *row))
    return out


def regimes(x: Draws, prefix: str) -> Array:
    """Stack the three regime-specific scalars `<prefix>_<regime>` to (n, 3)."""
    names = ("frontier_training", "fine_tune", "online_inference")
    return np.stack([x[f"{prefix}_{name}"] for name in names], axis=-1)


def scale(available: Array, wanted: Array) -> Array:
    """min(1, max(available, 0)/wanted); a scale with nothing to scale is 1 (6.5)."""
    ratio = np.ones_like(wanted)
    np.divide(np.maximum(available, 0.0), wanted, out=ratio, where=wanted != 0.0)
    return np.minimum(1.0, ratio)


def crf(r: Array, years: Array) -> Array:
    """Capital recovery factor of (1.4): r(1+r)^n/((1+r)^n - 1), and 1/n at r = 0."""
    safe_r = np.where(r == 0.0, 1.0, r)
    return np.where(r == 0.0, 1.0 / years, safe_r / -np.expm1(-years * np.log1p(safe_r)))


def quotient(numerator: Array, denominator: Array) -> Array:
    """Quotient with IEEE results at denominator 0 and no warning."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(numerator / denominator)


def given(value: Array, otherwise: Array) -> Array:
    """The value of an optional input, and `otherwise` where it is missing."""
    return np.where(np.isnan(value), otherwise, value)


# ---------------------------------------------------------------------------------------------
# Section 2: throughput per regime, at the operating point of the reference quarter
# ---------------------------------------------------------------------------------------------


def accepted_tokens(x: Draws) -> Array:
    """E of (2.1), tokens per step; its limit at alpha_d = 1 is g + 1."""
    g, alpha = x["draft_tokens"], x["draft_acceptance"]
    safe_alpha = np.where(alpha == 1.0, 0.0, alpha)
    return np.where(alpha == 1.0, g + 1.0, (1.0 - safe_alpha ** (g + 1.0)) / (1.0 - safe_alpha))


def weight_bytes(x: Draws) -> Array:
    """W of (2.1)."""
    n_tot = x["active_params"] * x["total_to_active_ratio"]
    return x["weight_bytes_per_param"] * n_tot


def touched_bytes(x: Draws, batch: Array) -> Array:
    """W_touched(B), the weights read in a step of batch B."""
    n_tot = x["active_params"] * x["total_to_active_ratio"]
    return weight_bytes(x) * (1.0 - (1.0 - x["active_params"] / n_tot) ** batch)


def instance_size(x: Draws) -> Array:
    """G of (2.0), accelerators of an instance that holds the model and one sequence."""
    usable = x["hbm_usable_fraction"] * x["hbm_capacity_bytes"]
    w, sequence = weight_bytes(x), x["kv_bytes_per_token"] * x["mean_context_tokens"]
    holds_weights = w / (x["max_weight_share_of_hbm"] * usable)
    holds_sequence = (w + sequence) / usable
    return np.maximum(x["accelerators_per_instance"], np.maximum(holds_weights, holds_sequence))


def instance_bandwidth(x: Draws) -> Array:
    """BW, achieved bytes per second of an instance."""
    return instance_size(x) * x["hbm_bandwidth_bytes_per_s"] * x["mbu_decode"]


def instance_flops(x: Draws) -> Array:
    """FL, achieved FLOP per second of an instance in decode."""
    return instance_size(x) * x["peak_flops_serving"] * x["mfu_decode"]


def step_time(x: Draws, batch: Array) -> Array:
    """t(B) of (2.2), seconds."""
    g, context = x["draft_tokens"], x["mean_context_tokens"]
    bw, fl = instance_bandwidth(x), instance_flops(x)
    weights = np.maximum(
        touched_bytes(x, batch) / bw,
        (g + 1.0) * 2.0 * x["active_params"] * batch / fl,
    )
    attention = np.maximum(
        batch * x["kv_bytes_per_token"] * context / bw,
        (g + 1.0) * x["attention_flop_per_token_pair"] * context * batch / fl,
    )
    return (weights + attention + x["step_overhead_s"]) * (1.0 + x["draft_overhead"] * g)


def decode(x: Draws) -> dict[str, AnyArray]:
    """Full-batch roofline, the speed promised, and what it costs, (2.3)-(2.5) and (2.11)."""
    size, e, w = instance_size(x), accepted_tokens(x), weight_bytes(x)
    sequence = x["kv_bytes_per_token"] * x["mean_context_tokens"]
    free = x["hbm_usable_fraction"] * size * x["hbm_capacity_bytes"] - w
    b_kv = np.where(sequence == 0.0, np.inf, free / np.where(sequence == 0.0, 1.0, sequence))
    b_0 = np.clip(b_kv, 1.0, 1e7)
    t_0 = step_time(x, b_0)
    tps_0 = e * b_0 / (t_0 * size)
    v_0 = e / t_0

    drafting = 1.0 + x["draft_overhead"] * x["draft_tokens"]
    v_h = e / ((x["step_overhead_s"] + w / instance_bandwidth(x)) * drafting)
    v = np.maximum(x["user_speed_tokens_per_s"], v_0)
    b = x["latency_exponent"]
    phi = (1.0 + (v_0 / v_h) ** b) / (1.0 + (v / v_h) ** b)
    in_flight = tps_0 * phi * size / v
    return {
        "instance_accelerators": size,
        "instance_grown": size > x["accelerators_per_instance"],
        "batch": np.maximum(1.0, in_flight),
        "step_time_s": e / v,
        "user_speed": v,
        "full_batch_speed": v_0,
        "half_speed": v_h,
        "speed_cost": 1.0 - phi,
        "speed_unreachable": in_flight < 1.0,
        "tps_decode": given(x["measured_tps_decode"], x["throughput_multiplier"] * tps_0 * phi),
    }


def prefill(x: Draws) -> Array:
    """Tokens per second per accelerator in prefill, (2.6) or measured."""
    reach = x["mean_context_tokens"] * (1.0 + x["cache_hit_rate"]) / 2.0
    flop_pre = 2.0 * x["active_params"] + x["attention_flop_per_token_pair"] * reach
    flops = x["throughput_multiplier"] * x["peak_flops_serving"] * x["mfu_prefill"]
    return given(x["measured_tps_prefill"], flops / flop_pre)


def train(x: Draws) -> Array:
    """Tokens per second per accelerator in frontier training, (2.8) or measured."""
    flops = x["peak_flops_training"] * x["mfu_training"]
    return given(x["measured_tps_train"], flops / (6.0 * x["train_active_params"]))


def fine_tune(x: Draws) -> Array:
    """Tokens per second per accelerator in fine-tuning, (2.9)."""
    flop_ft = (6.0 - 2.0 * x["lora_share"]) * x["active_params"]
    return x["peak_flops_training"] * x["mfu_fine_tune"] / flop_ft


def request_bundle(x: Draws, tps: Draws) -> dict[str, Array]:
    """Accelerator-seconds of an output token and its R input tokens, (2.7)."""
    h = x["cache_hit_rate"]
    s_out = 1.0 / tps["tps_decode"]
    s_in = 1.0 / tps["tps_prefill"]
    s_hit = x["cached_prefill_cost_ratio"] / tps["tps_prefill"]
    s_bundle = s_out + x["input_output_ratio"] * ((1.0 - h) * s_in + h * s_hit)
    return {"s_out": s_out, "s_in": s_in, "s_hit": s_hit, "s_bundle": s_bundle}


def memory_traffic(x: Draws, batch: Array, speed: Array) -> dict[str, Array]:
    """Bytes moved, bandwidth-seconds and byte-seconds per output token, (2.10)."""
    e, kv = accepted_tokens(x), x["kv_bytes_per_token"]
    per_sequence = touched_bytes(x, batch) / batch + kv * x["mean_context_tokens"]
    hbm_bytes = per_sequence / e + x["input_output_ratio"] * kv
    return {
        "hbm_bytes_per_output_token": hbm_bytes,
        "hbm_bandwidth_s_per_output_token": hbm_bytes / x["hbm_bandwidth_bytes_per_s"],
        "hbm_capacity_byte_s_per_output_token": per_sequence / speed,
    }


# ---------------------------------------------------------------------------------------------
# Section 6: gigawatts by lab and landlord
# ---------------------------------------------------------------------------------------------


def it_power_kw(x: Draws) -> Array:
    """P_it of (1.1), kW per accelerator."""
    return x["accelerator_tdp_kw"] * x["it_power_ratio"]


def capital(x: Draws) -> dict[str, Array]:
    """USD per accelerator by asset, (1.2)."""
    k_acc, s_hbm = x["accelerator_price_usd"], x["hbm_value_share"]
    assets = {
        "lg": k_acc * (1.0 - s_hbm),
        "hb": k_acc * s_hbm,
        "sv": k_acc * x["server_cost_ratio"],
        "nw": k_acc * x["network_cost_ratio"],
    }
    assets["it"] = assets["lg"] + assets["hb"] + assets["sv"] + assets["nw"]
    assets["f"] = x["facility_capex_usd_per_kw_it"] * it_power_kw(x)
    return assets


def accelerators_per_gw(x: Draws) -> Array:
    """Accelerators per facility GW (6.2)."""
    return 1e6 / (it_power_kw(x) * x["facility_capacity_ratio"])


def capex_per_gw(x: Draws) -> Array:
    """USD bn per facility GW of the vintage of each quarter, (6.2) and (1.9)."""
    assets = capital(x)
    at_reference = (assets["it"] + assets["f"]) * accelerators_per_gw(x) / 1e9
    growth = (1.0 + x["capex_cost_growth"])[:, None] ** np.maximum(YEARS, 0.0)
    return at_reference[:, None] * growth


def gw_2026(x: Draws) -> Array:
    """G[l, q] of 2026 as stated, (6.1); axes (draw, lab, 4)."""
    g0 = x["gw_2025q4"]
    g4 = np.maximum(x["gw_2026q4"], g0)
    power = (np.arange(4) + 1.0) / 4.0
    return g0[..., None] * (g4 / g0)[..., None] ** power


def definition(x: Draws) -> Array:
    """x_G of (6.16), facility GW per GW as stated; axes (draw, 1)."""
    return x["gw_definition_ratio"][:, None]


def hosted_2025q4(x: Draws) -> Array:
    """Facility GW hosted at the end of 2025, (6.17); axes (draw, lab, landlord)."""
    return (definition(x) * x["gw_2025q4"])[..., None] * x["host_share_2025"]


def landlord_capex(x: Draws) -> Array:
    """capex[k, q] of (6.4), USD bn per quarter; axes (draw, landlord, quarter)."""
    year_1 = x["capex_2026_busd"][..., None] * QUARTER_WEIGHTS
    year_2 = year_1 * x["capex_growth_2027"][..., None]
    return np.concatenate([year_1, year_2], axis=-1)


def planned_by_quarter(x: Draws) -> Array:
    """A_l w_i x_i, the plan after a capital crunch and before delay; axes (draw, lab, 4)."""
    x_i = np.ones((len(x["capital_crunch"]), 4))
    crunch_cut = x["capital_crunch"] * (1.0 - x["capital_crunch_multiplier"])
    x_i[:, 1:] = (1.0 - crunch_cut)[:, None]
    return x["planned_additions_2027_gw"][..., None] * (QUARTER_WEIGHTS * x_i)[:, None, :]


def cumulative_plan(planned: Array, quarters: Array) -> Array:
    """Cum_l(j), straight lines between its values at the nodes 0..4."""
    total = np.zeros_like(quarters)
    for i in range(4):
        total = total + planned[..., i] * np.clip(quarters - i, 0.0, 1.0)
    return total


def buildout(x: Draws) -> dict[str, AnyArray]:
    """GW by lab and landlord with the limits on them, (6.1)-(6.6), (6.16) and (6.17).

    `gw` and what is withheld are in GW as stated, all else in facility GW.
    """
    n, labs = x["gw_2025q4"].shape
    landlords = x["capex_2026_busd"].shape[-1]
    western = x["lab_is_china"] == 0.0
    ratio = definition(x)

    gw = np.empty((n, labs, QUARTERS))
    gw[..., :4] = gw_2026(x)
    hosted = np.empty((QUARTERS, n, labs, landlords))
    for q in range(4):
        moved = (q + 1.0) / 4.0
        share = x["host_share_2025"] + (x["host_share_2026"] - x["host_share_2025"]) * moved
        hosted[q] = (ratio * gw[..., q])[..., None] * share
    base = (ratio * gw[..., Q_STAR])[..., None] * x["host_share_2026"]
    capex_scale = np.ones((n, landlords, QUARTERS))
    power_scale = np.ones((n, QUARTERS))

    capex = landlord_capex(x)
    planned = planned_by_quarter(x)

    done = np.zeros((n, labs, landlords))
    buildable = np.zeros((n, landlords))  # sum of Y[k, i] over i <= j
    for j in (1, 2, 3, 4):
        q = Q_STAR + j
        due = cumulative_plan(planned, np.maximum(0.0, j - x["lab_delay_quarters"]))
        wish = (ratio * due)[..., None] * x["host_share_2027"]  # (6.3)
        spent = capex[..., q - CAPEX_LEAD_QUARTERS]
        spent = spent * x["ai_capex_share"] * x["lab_capacity_share"]
        buildable = buildable + spent / capex_per_gw(x)[:, q, None]  # (6.4)

        want = np.maximum(wish - done, 0.0)
        f_k = scale(buildable - done.sum(axis=1), want.sum(axis=1))
        inc = want * f_k[:, None, :]
        western_done = np.where(western, done.sum(axis=2), 0.0).sum(axis=1)
        western_inc = np.where(western, inc.sum(axis=2), 0.0).sum(axis=1)
        cap = x["power_additions_cap_gw_per_year"] * j / 4.0
        f_p = scale(cap - western_done, western_inc)  # (6.5)
        lab_f_p = np.where(western, f_p[:, None], 1.0)
        power_cut = inc * (1.0 - lab_f_p)[..., None]
        inc = inc * lab_f_p[..., None]

        done = done + inc
        gw[..., q] = gw[..., Q_STAR] + done.sum(axis=2) / ratio  # (6.6)
        hosted[q] = base + done
        capex_scale[..., q] = f_k
        power_scale[:, q] = f_p

    # Why the plan is not in service at 2027Q4: `due`, `want`, `f_k` and `power_cut` are those of
    # the last quarter.
    plan, after_crunch = x["planned_additions_2027_gw"], planned.sum(axis=-1)
    facility_gw = ratio[..., None] * gw
    hosted_gw = np.moveaxis(hosted, 0, -1)
    return {
        "gw": gw,
        "total_gw": gw.sum(axis=1),
        "facility_gw": facility_gw,
        "accelerators": facility_gw * accelerators_per_gw(x)[:, None, None],
        "hosted_gw": hosted_gw,
        "hosted_gw_landlord": hosted_gw.sum(axis=1),
        "capex_scale": capex_scale,
        "capex_binds": capex_scale < 1.0,
        "power_scale": power_scale,
        "power_binds": power_scale < 1.0,
        "landlord_capex_busd": capex,
        "withheld_by_crunch_gw": plan - after_crunch,
        "withheld_by_delay_gw": after_crunch - due,
        "withheld_by_capex_gw": (want * (1.0 - f_k)[:, None, :]).sum(axis=2) / ratio,
        "withheld_by_power_gw": power_cut.sum(axis=2) / ratio,
    }


# ---------------------------------------------------------------------------------------------
# Section 8: quarterly paths
# ---------------------------------------------------------------------------------------------


def price_index(x: Draws) -> Array:
    """Pi_q of (8.1)."""
    psi = -np.log(1.0 - x["token_price_decline"])
    walk = np.zeros_like(x["eps_price"])
    walk[:, Q_STAR + 1 :] = 0.5 * np.cumsum(x["eps_price"][:, Q_STAR + 1 :], axis=1)
    return np.exp(-psi[:, None] * YEARS + x["token_price_volatility"][:, None] * walk)


def power_price(x: Draws) -> Array:
    """p_e,q, an exact Ornstein-Uhlenbeck step per quarter in logs, (8.2) and (8.4)."""
    k = x["power_price_reversion"]
    safe_k = np.where(k == 0.0, 1.0, k)
    spread = np.where(k == 0.0, 0.5, np.sqrt((1.0 - np.exp(-safe_k / 2.0)) / (2.0 * safe_k)))
    ln_bar = np.log(x["power_price_long_run_usd_per_kwh"])
    ln_p = np.log(x["power_price_usd_per_kwh"])
    out = np.empty_like(x["eps_power"])
    out[:, : Q_STAR + 1] = x["power_price_usd_per_kwh"][:, None]
    for q in range(Q_STAR + 1, QUARTERS):
        shock = x["power_price_volatility"] * spread * x["eps_power"][:, q]
        ln_p = ln_bar + np.exp(-k / 4.0) * (ln_p - ln_bar) + shock
        out[:, q] = np.exp(ln_p)
    return out


def duty_cycle(x: Draws) -> Array:
    """u[q, r] of (8.3) and (8.4); axes (draw, quarter, regime)."""
    u = regimes(x, "duty_cycle")
    out = np.repeat(u[:, None, :], QUARTERS, axis=1)
    rho = x["price_duty_shock_correlation"]
    y = np.zeros(len(rho))
    for q in range(Q_STAR + 1, QUARTERS):
        shock = rho * x["eps_price"][:, q] + np.sqrt(1.0 - rho**2) * x["eps_duty"][:, q]
        y = x["duty_persistence"] * y + x["duty_volatility"] * shock
        for r in (FINE_TUNE, INFERENCE):
            up = u[:, r] * np.exp(y)  # expit(logit(u) + y), also right at u = 1
            out[:, q, r] = up / (1.0 - u[:, r] + up)
    return out


def vintage_index(gw: Array, growth: Array) -> Array:
    """Fleet average of (1 + growth)^t over additions since q*, (8.5)."""
    total: Array = gw.sum(axis=1)
    out = np.ones_like(total)
    weighted = total[:, Q_STAR]
    for q in range(Q_STAR + 1, QUARTERS):
        weighted = weighted + (total[:, q] - total[:, q - 1]) * (1.0 + growth) ** YEARS[q]
        out[:, q] = weighted / total[:, q]
    return out


def paths(x: Draws, gw: Array) -> dict[str, Array]:
    """All quarterly multipliers, (8.1)-(8.6)."""
    software = (1.0 + x["software_throughput_growth"])[:, None] ** YEARS
    return {
        "price_index": price_index(x),
        "power_price": power_price(x),
        "duty_cycle": duty_cycle(x),
        "cost_index": vintage_index(gw, x["capex_cost_growth"]),
        "throughput_index": software * vintage_index(gw, x["hardware_efficiency_growth"]),  # (8.6)
    }


# ---------------------------------------------------------------------------------------------
# Section 1: USD per paid accelerator-hour
# ---------------------------------------------------------------------------------------------


def capital_layers(x: Draws, view: str) -> Array:
    """Layers 2..9 at q*, USD per paid accelerator-hour, (1.3) and (1.4); axes (draw, 8)."""
    k = capital(x)
    facility_life = x["facility_life_years"]
    if view == "economic":
        life, residual = x["it_economic_life_years"], x["it_residual_fraction"]
    else:
        life, residual = x["it_book_life_years"], np.zeros_like(x["it_residual_fraction"])

    dep_f = k["f"] / (facility_life * HOURS_PER_YEAR)
    dep = [k[a] * (1.0 - residual) / (life * HOURS_PER_YEAR) for a in ("lg", "hb", "sv", "nw")]
    maintenance = x["maintenance_rate"] * k["it"] / HOURS_PER_YEAR
    site = x["site_opex_usd_per_kw_year"] * it_power_kw(x) / HOURS_PER_YEAR
    if view == "economic":
        r = x["cost_of_capital"]
        crf_it = crf(r, life)
        annuity = (
            k["it"] * crf_it - residual * k["it"] * (crf_it - r) + k["f"] * crf(r, facility_life)
        )
        charge = annuity / HOURS_PER_YEAR - (dep_f + dep[0] + dep[1] + dep[2] + dep[3])
    else:
        charge = np.zeros_like(dep_f)
    return np.stack([dep_f, *dep, maintenance, site, charge], axis=-1)


def average_power_kw(x: Draws, duty: Array) -> Array:
    """P_avg[q, r] of (1.5), kW per accelerator; axes (draw, quarter, regime)."""
    lam = regimes(x, "active_load")[:, None, :]
    lam_0 = x["idle_load"][:, None, None]
    return it_power_kw(x)[:, None, None] * (duty * lam + (1.0 - duty) * lam_0)


def owner_layers(x: Draws, path: Draws, view: str) -> Array:
    """Layers 0..9 before a measured cost, (1.5); axes (draw, quarter, regime, layer)."""
    energy = average_power_kw(x, path["duty_cycle"]) * path["power_price"][:, :, None]
    layers = np.empty((*energy.shape, COMPUTE_LAYERS - 1))
    layers[..., 0] = energy
    layers[..., 1] = energy * (x["pue"] - 1.0)[:, None, None]
    fixed = capital_layers(x, view)[:, None, :] * path["cost_index"][:, :, None]
    layers[..., 2:] = fixed[:, :, None, :]
    return layers


def measured_over_modelled(x: Draws, economic: Array) -> Array:
    """Omega of (1.8), 1 without a measured owner's cost; axes (draw, regime)."""
    measured = x["measured_owner_cost_usd_per_hour"][:, None]
    modelled = economic[:, Q_STAR].sum(axis=-1)
    return given(measured / modelled, np.ones_like(modelled))


def owner_stacks(x: Draws, path: Draws) -> tuple[dict[str, Array], Array]:
    """Layers 0..9 by view with a measured cost in them, and omega of (1.8)."""
    layers = {view: owner_layers(x, path, view) for view in ("economic", "accounting")}
    omega = measured_over_modelled(x, layers["economic"])
    return {view: stack * omega[:, None, :, None] for view, stack in layers.items()}, omega


def hourly_cost(
    x: Draws, owner_stack: Mapping[str, Array], view: str, rental_mode: str
) -> dict[str, AnyArray]:
    """Hourly stack of section 1, quarter by quarter, (1.6) and (1.7)."""
    owner = {v: layers.sum(axis=-1) for v, layers in owner_stack.items()}
    if rental_mode == "cost_plus":
        rent = (1.0 + x["landlord_markup"])[:, None, None] * owner["economic"]
    else:
        rent = np.zeros_like(owner["economic"]) + x["rental_price_usd_per_hour"][:, None, None]

    stack = np.zeros((*rent.shape, LAYERS))
    stack[..., : COMPUTE_LAYERS - 1] = owner_stack[view]
    stack[..., 10] = x["rented_share"][:, None, None] * (rent - owner[view])  # (1.7)
    return {
        "accelerator_hour_cost": stack,
        "rent_per_hour": rent,
        "owner_cost_economic": owner["economic"],
        "owner_cost_book": owner["accounting"],
        "landlord_margin_book": 1.0 - owner["accounting"] / rent,
        "landlord_margin_economic": 1.0 - owner["economic"] / rent,
        "pue_above_capacity_ratio": x["pue"] > x["facility_capacity_ratio"],
    }


def hours_per_gw(x: Draws) -> Array:
    """Accelerator-hours of a facility GW in a year."""
    return accelerators_per_gw(x) * HOURS_PER_YEAR


def per_gw_year(x: Draws, hourly: Draws) -> dict[str, Array]:
    """USD bn per facility GW(-year) of the reference stack, (1.9)."""
    busd = hours_per_gw(x)[:, None] / 1e9
    return {
        "capex_per_gw": capex_per_gw(x),
        "owner_cost_per_gw_year": hourly["owner_cost_economic"][..., INFERENCE] * busd,
        "rent_per_gw_year": hourly["rent_per_hour"][..., INFERENCE] * busd,
    }


# ---------------------------------------------------------------------------------------------
# Section 3: cost per token
# ---------------------------------------------------------------------------------------------


def native_seconds(x: Draws, tps: Draws, bundle: Draws) -> Array:
    """s_native of section 3, accelerator-seconds per native token at q*; axes (draw, regime)."""
    blended = bundle["s_bundle"] / (1.0 + x["input_output_ratio"])
    return np.stack([1.0 / tps["tps_train"], 1.0 / tps["tps_fine_tune"], blended], axis=-1)


def token_cost(
    x: Draws, path: Draws, bundle: Draws, s_native: Array, stack: Array
) -> dict[str, Array]:
    """Seconds, USD and watt-hours per token, (3.1)-(3.4); revenue-linked layers still 0."""
    duty, speed = path["duty_cycle"], path["throughput_index"]
    goodput = regimes(x, "goodput")
    paid_s = s_native[:, None, :] / (duty * goodput[:, None, :] * speed[:, :, None])  # (3.1)
    unit_cost = stack / 3600.0 * paid_s[..., None] * 1e6  # (3.2)
    p_avg = average_power_kw(x, duty)[..., INFERENCE]
    wh = 1000.0 * p_avg * x["pue"][:, None] * paid_s[..., INFERENCE] / 3600.0  # (3.3)

    useful = duty[..., INFERENCE] * goodput[:, INFERENCE, None] * speed
    k = 1e6 * stack[..., INFERENCE, :].sum(axis=-1) / (3600.0 * useful)  # (3.4)
    return {
        "paid_seconds_per_token": paid_s,
        "unit_cost": unit_cost,
        "compute_cost": unit_cost[..., :COMPUTE_LAYERS].sum(axis=-1),
        "cost_output": k * bundle["s_out"][:, None],
        "cost_input": k * bundle["s_in"][:, None],
        "cost_cached": k * bundle["s_hit"][:, None],
        "wh_per_token": wh,
        **per_query(x, wh, paid_s[..., INFERENCE]),
    }


def per_query(x: Draws, wh_per_token: Array, paid_s: Array) -> dict[str, Array]:
    """Energy of a query, and tokens of a paid megawatt, (3.5)."""
    tokens = (1.0 + x["input_output_ratio"]) * x["query_output_tokens"]
    return {
        "wh_per_query": wh_per_token * tokens[:, None],
        "tokens_per_s_per_mw": accelerators_per_gw(x)[:, None] / (1000.0 * paid_s),
    }


# ---------------------------------------------------------------------------------------------
# Section 4: revenue and gross margin
# ---------------------------------------------------------------------------------------------


def realisation(x: Draws) -> Array:
    """Revenue over list price, section 4.1."""
    s_api = x["api_token_share"]
    api = s_api * (1.0 - x["api_discount"])
    return api + (1.0 - s_api) * x["subscription_realisation"]


def revenue(x: Draws, index: Array) -> dict[str, Array]:
    """USD per paid and per served blended Mtok, (4.1) and (4.2)."""
    h, ratio = x["cache_hit_rate"], x["input_output_ratio"]
    charged_input = (1.0 - h) + h * x["cached_price_ratio"]
    list_bundle = (
        x["price_output_usd_per_mtok"] + ratio * x["price_input_usd_per_mtok"] * charged_input
    )
    paid = (list_bundle * realisation(x) / (1.0 + ratio))[:, None] * index
    served = paid * (1.0 - x["free_token_share"])[:, None]
    return {"revenue_per_mtok_paid": paid, "revenue_per_mtok_served": served}


def margins_by_kind(x: Draws, index: Array, cost: Draws) -> dict[str, Array]:
    """Margin of each kind of token at its own price, (4.11)."""
    price_in = x["price_input_usd_per_mtok"]
    prices = {
        "output": x["price_output_usd_per_mtok"],
        "input": price_in,
        "cached": price_in * x["cached_price_ratio"],
    }
    return {
        f"margin_{kind}": 1.0
        - quotient(cost[f"cost_{kind}"], (price * realisation(x))[:, None] * index)
        for kind, price in prices.items()
    }


def revenue_per_gw_year(x: Draws, paid_revenue: Array, paid_s: Array) -> Array:
    """USD bn per year of a facility GW that serves paid tokens only, section 4.1."""
    mtok_per_year = 3600.0 * HOURS_PER_YEAR / 1e6 / paid_s
    return paid_revenue * mtok_per_year * accelerators_per_gw(x)[:, None] / 1e9


def margins(x: Draws, path: Draws, rev: Draws, cost: Draws) -> dict[str, Array]:
    """Headline, loaded and fine-tune margins, (4.3), (4.4), (4.5), (4.7).

    `cost["unit_cost"]` must already carry the two revenue-linked layers.
    """
    headline = 1.0 - quotient(cost["compute_cost"][..., INFERENCE], rev["revenue_per_mtok_paid"])
    all_layers = cost["unit_cost"][..., INFERENCE, :].sum(axis=-1)
    price_ft = x["price_fine_tune_usd_per_mtok"][:, None] * path["price_index"]
    return {
        "inference_gross_margin": headline,
        "loaded_gross_margin": 1.0 - quotient(all_layers, rev["revenue_per_mtok_served"]),
        "fine_tune_gross_margin": 1.0 - quotient(cost["compute_cost"][..., FINE_TUNE], price_ft),
        "price_multiplier_at_hurdle": quotient(1.0 - headline, (1.0 - x["hurdle_margin"])[:, None]),
    }


def duty_at_hurdle(
    x: Draws,
    path: Draws,
    paid_revenue: Array,
    s_native: Array,
    stack: Array,
    omega: Array,
    rental_mode: str,
) -> Array:
    """u* of (4.6), +inf where no utilisation can reach the hurdle margin."""
    lam, lam_0 = x["active_load_online_inference"][:, None], x["idle_load"][:, None]
    u = path["duty_cycle"][..., INFERENCE]
    if rental_mode == "cost_plus":
        c = 1.0 + x["rented_share"] * x["landlord_markup"]
    else:
        c = 1.0 - x["rented_share"]
    e = (c * omega[:, INFERENCE] * it_power_kw(x) * x["pue"])[:, None] * path["power_price"]
    hourly = stack[..., INFERENCE, :COMPUTE_LAYERS].sum(axis=-1)
    fixed = hourly - e * (u * lam + (1.0 - u) * lam_0)  # Fx
    affordable = (
        (1.0 - x["hurdle_margin"])[:, None]
        * paid_revenue
        * 3600.0
        * x["goodput_online_inference"][:, None]
        * path["throughput_index"]
        / (1e6 * s_native[:, INFERENCE, None])
    )
    denominator = affordable - e * (lam - lam_0)
    safe = np.where(denominator > 0.0, denominator, 1.0)
    return np.where(denominator > 0.0, (fixed + e * lam_0) / safe, np.inf)


# ---------------------------------------------------------------------------------------------
# Section 6: compute bills, tokens, ARR and capacity revenue by lab
# ---------------------------------------------------------------------------------------------


def opening(closing: Array, before: Array) -> Array:
    """Stock at the start of each quarter, `before` being that of 2025Q4; quarters are last."""
    return np.concatenate([before[..., None], closing[..., :-1]], axis=-1)


def average_stocks(x: Draws, facility_gw: Array, hosted: Array) -> dict[str, Array]:
    """Fbar[l, q] and hbar[l, k, q] of (6.7), facility GW."""
    h_bar = (opening(hosted, hosted_2025q4(x)) + hosted) / 2.0
    return {
        "f_bar": (opening(facility_gw, definition(x) * x["gw_2025q4"]) + facility_gw) / 2.0,
        "h_bar": h_bar,
        "external": h_bar * (1.0 - x["captive"])[:, :, None],  # hbar*(1 - CAPTIVE)
    }


def regime_shares(x: Draws) -> Array:
    """w_l[r] of section 6.3, shares of accelerator-hours; axes (draw, lab, regime)."""
    inference = x["inference_share"]
    tune = np.broadcast_to(x["fine_tune_share"][:, None], inference.shape)
    return np.stack([1.0 - inference - tune, tune, inference], axis=-1)


def lab_owner_cost(x: Draws, economic: Array, first: int, last: int) -> Array:
    """USD per hour of layers 0-1 and of `first`..`last` for a lab's hardware, as in (6.12).

    `economic` holds the layers of the reference; axes (draw, lab, quarter, regime).
    """
    electricity = economic[..., :2].sum(axis=-1)[:, None]
    capital_type = economic[..., first : last + 1].sum(axis=-1)[:, None]
    return np.asarray(electricity + x["relative_cost"][..., None, None] * capital_type)


def rent_of(x: Draws, owner_l: Array, landlord: int, rental_mode: str) -> Array:
    """rent[l, k, q, r] of a landlord, USD per hour, (6.13); axes (draw, lab, quarter, regime)."""
    if rental_mode == "cost_plus":
        without = (1.0 + x["landlord_markup"])[:, None, None, None] * owner_l
    else:
        without = np.zeros_like(owner_l) + x["rental_price_usd_per_hour"][:, None, None, None]
    contract = x["rent_busd_per_gw_year"][:, landlord] * 1e9 / hours_per_gw(x)
    return given(contract[:, None, None, None], without)


def bills(x: Draws, hosted: Array, owner_l: Array, rental_mode: str) -> Array:
    """USD bn per year by lab and regime of facility GW `hosted`, (6.8), whatever the view."""
    gw_times_price = np.zeros_like(owner_l)
    for k in range(hosted.shape[2]):
        captive = x["captive"][:, k][:, None, None] == 1.0
        price = np.where(captive, owner_l, rent_of(x, owner_l, k, rental_mode))
        gw_times_price += hosted[:, :, k, :, None] * price
    shares = regime_shares(x)[:, :, None, :]
    return hours_per_gw(x)[:, None, None, None] / 1e9 * shares * gw_times_price


def annual_recurring_revenue(x: Draws) -> Array:
    """ARR[l, q] of (6.11), USD bn per year at the ends of quarters; axes (draw, lab, quarter).

    A quarter of 2026 without a published point is log-linear between the nearest points around it.
    """
    points = [x["arr_2025q4_busd"]]
    points += [x[f"arr_2026q{i}_busd"] for i in (1, 2, 3, 4)]
    left, left_at = [points[0]], [np.zeros_like(points[0])]
    for i in (1, 2, 3, 4):
        left.append(given(points[i], left[-1]))
        left_at.append(np.where(np.isnan(points[i]), left_at[-1], float(i)))
    right, right_at = [points[4]], [np.full_like(points[4], 4.0)]
    for i in (3, 2, 1, 0):
        right.insert(0, given(points[i], right[0]))
        right_at.insert(0, np.where(np.isnan(points[i]), right_at[0], float(i)))

    arr = np.empty((*points[0].shape, QUARTERS))
    for q in range(4):
        i = q + 1
        span = right_at[i] - left_at[i]
        weight = (i - left_at[i]) / np.where(span == 0.0, 1.0, span)
        path = left[i] * (right[i] / left[i]) ** weight
        arr[..., q] = given(points[i], path)
    growth = x["arr_growth_2027"][..., None]
    arr[..., Q_STAR + 1 :] = arr[..., Q_STAR, None] * growth ** YEARS[Q_STAR + 1 :]
    return arr


def average_arr(x: Draws, arr: Array) -> Array:
    """Abar[l, q] of (6.10), the mean of a quarter in which ARR grows at one rate.

    (b - a)/ln(b/a) is written so that nothing cancels where b is close to a.
    """
    before = opening(arr, x["arr_2025q4_busd"])
    ln = np.log(arr / before)
    flat = np.abs(ln) < 1e-6
    safe = np.where(flat, 1.0, ln)
    return np.where(flat, (arr + before) / 2.0, before * np.expm1(safe) / safe)


def fleets(x: Draws, stock: Draws, path: Draws, cost: Draws, rev: Draws) -> dict[str, Array]:
    """Tokens, revenue at the price list, and energy of each fleet, (6.9)."""
    f_bar, shares = stock["f_bar"], regime_shares(x)
    paid_s = cost["paid_seconds_per_token"][:, None, :, INFERENCE]
    accelerators = f_bar * accelerators_per_gw(x)[:, None, None]
    busy = shares[:, :, INFERENCE] * x["relative_throughput"]
    tokens = accelerators * busy[..., None] / paid_s
    paid_mtok = (
        tokens * 3600.0 * HOURS_PER_YEAR / 1e6 * (1.0 - x["lab_free_token_share"])[..., None]
    )

    load = average_power_kw(x, path["duty_cycle"]) / it_power_kw(x)[:, None, None]
    mean_load = (shares[:, :, None, :] * load[:, None]).sum(axis=-1)
    energy_ratio = (x["pue"] / x["facility_capacity_ratio"])[:, None, None]
    return {
        "fleet_tokens_per_s": tokens,
        "capacity_revenue": paid_mtok * lab_revenue_per_mtok(x, rev) / 1e9,
        "fleet_energy_twh": f_bar * mean_load * energy_ratio * 8.76,
        "training_share_below_zero": (shares[..., TRAIN] < 0.0).any(axis=1),
    }


def lab_revenue_per_mtok(x: Draws, rev: Draws) -> Array:
    """rp_l*rev_paid, USD per paid Mtok of a lab; axes (draw, lab, quarter)."""
    return x["relative_price"][..., None] * rev["revenue_per_mtok_paid"][:, None, :]


def demand(x: Draws, a_bar: Array, fleet: Draws, path: Draws, rev: Draws) -> dict[str, AnyArray]:
    """What revenue buys against what the fleet serves, (6.14) and (6.15)."""
    ratio = quotient(a_bar, fleet["capacity_revenue"])
    served = lab_revenue_per_mtok(x, rev) * (1.0 - x["lab_free_token_share"])[..., None]
    duty = path["duty_cycle"][:, None, :, INFERENCE] * ratio
    return {
        "arr_capacity_ratio": ratio,
        "tokens_demanded_per_s": quotient(a_bar * 1e9, served) * 1e6 / (3600.0 * HOURS_PER_YEAR),
        "implied_duty": duty,
        "demand_exceeds_capacity": duty > 1.0,
    }


# ---------------------------------------------------------------------------------------------
# (4.9), (4.10), (4.12), (4.13) and (7.6): margins and coverage by lab
# ---------------------------------------------------------------------------------------------


def levies(x: Draws) -> Array:
    """r_s,l + r_o, the revenue-linked cost of revenue; axes (draw, lab)."""
    share = given(x["lab_revenue_share_rate"], x["revenue_share_rate"][:, None])
    return share + x["serving_overhead_rate"][:, None]


def opex(x: Draws) -> Array:
    """o_l, other operating cost over ARR; axes (draw, lab)."""
    return given(x["lab_noncompute_opex_ratio"], x["noncompute_opex_ratio"][:, None])


def lab_margins(x: Draws, a_bar: Array, bill: Array) -> dict[str, Array]:
    """Paid, loaded and operating margin, (4.9), (4.10), (4.13); `bill` is by regime."""
    per_arr = quotient(bill[..., INFERENCE], a_bar)
    paid_share = (1.0 - x["lab_free_token_share"])[..., None]
    all_compute = quotient(bill.sum(axis=-1), a_bar)
    return {
        "lab_paid_margin": 1.0 - per_arr * paid_share,
        "lab_loaded_margin": 1.0 - levies(x)[..., None] - per_arr,
        "operating_margin": 1.0 - levies(x)[..., None] - opex(x)[..., None] - all_compute,
    }


def lab_unit_margin(
    x: Draws, stock: Draws, owner_l: Array, cost: Draws, rev: Draws, mode: str
) -> Array:
    """(4.12), a number for every lab: the hours and the paid share of tokens cancel."""
    one = {**x, "inference_share": np.ones_like(x["inference_share"])}
    per_year = bills(one, stock["h_bar"], owner_l, mode)[..., INFERENCE] / stock["f_bar"]
    hourly = per_year * 1e9 / hours_per_gw(x)[:, None, None]
    paid_s = cost["paid_seconds_per_token"][:, None, :, INFERENCE]
    per_mtok = hourly / 3600.0 * paid_s / x["relative_throughput"][..., None] * 1e6
    return 1.0 - quotient(per_mtok, lab_revenue_per_mtok(x, rev))


def coverages(x: Draws, a_bar: Array, total_bill: Array) -> dict[str, Array]:
    """Revenue after levies and opex against the whole compute bill, (7.6)."""
    available = a_bar * (1.0 - levies(x) - opex(x))[..., None]
    coverage = quotient(available, total_bill)
    return {
        "coverage": coverage,
        "shortfall": np.clip(1.0 - coverage, 0.0, 1.0),
        "funding_gap_busd": np.maximum(0.0, total_bill - available),
    }


# ---------------------------------------------------------------------------------------------
# Section 5: was the training run worth it?
# ---------------------------------------------------------------------------------------------


def named_run(x: Draws, tps_train: Array, hourly_train: Array, power: Array) -> dict[str, Array]:
    """Hours, USD, FLOP, days and energy of the final run, (5.1), (5.2) and (5.9)."""
    tokens = x["train_tokens"] * (1.0 + x["rl_compute_ratio"])
    modelled = tokens / (tps_train * x["goodput_frontier_training"] * 3600.0)
    hours = given(x["measured_run_hours"], modelled)
    paid_hours = hours / x["duty_cycle_frontier_training"]
    return {
        "run_hours": hours,
        "run_cost_usd": paid_hours * hourly_train,
        "training_flop": 6.0 * x["train_active_params"] * x["train_tokens"],
        "run_days": paid_hours / (24.0 * x["run_accelerators"]),
        "run_gwh": paid_hours * power * x["pue"] / 1e6,
    }


def generation_cost(x: Draws, closing_bill: Array) -> Array:
    """gen_cost_l of (5.3), USD bn; axes (draw, lab)."""
    years_and_staff = x["model_cadence_months"] / 12.0 * (1.0 + x["rd_staff_ratio"])
    return closing_bill[..., TRAIN] * years_and_staff[:, None]


def credited_share(x: Draws) -> Array:
    """Alpha of section 5, the part of the lab's business credited to one generation."""
    return np.minimum(1.0, x["model_cadence_months"] / x["model_life_months"])


def generation_flows(
    x: Draws, arr: Array, closing_bill: Array, uc: Array, index: Array
) -> dict[str, Array]:
    """R0, C0 (draw, lab) at the end of q* and their growth rates; `uc`, `index` by quarter.

    The ratio of rev_paid is that of its price index, which is defined at a list price of 0 too.
    """
    alpha = credited_share(x)[:, None]
    with np.errstate(divide="ignore"):
        g_r = np.log(x["arr_growth_2027"])
    unit_cost_growth = np.log(uc[:, -1] / uc[:, Q_STAR])
    price_growth = np.log(index[:, -1] / index[:, Q_STAR])
    return {
        "r0": arr[:, :, Q_STAR] * alpha * (1.0 - levies(x)),
        "c0": closing_bill[..., INFERENCE] * alpha,
        "g_r": g_r,
        "g_c": g_r + (unit_cost_growth - price_growth)[:, None],
    }


@np.errstate(invalid="ignore", over="ignore")
def growth_integral(g: Array, t: Array) -> Array:
    """(e^{g t} - 1)/g, the integral of e^{g s} over [0, t]; t at g = 0."""
    gt = np.where(t == 0.0, 0.0, g * t)
    safe = np.where(gt == 0.0, 1.0, gt)
    return t * np.where(gt == 0.0, 1.0, np.expm1(safe) / safe)


@np.errstate(invalid="ignore", over="ignore")
def gross_profit(flows: Draws, t: Array, discount: Array | float = 0.0) -> Array:
    """GP(t) of (5.4), USD bn; `discount` is taken off both growth rates."""
    gained = flows["r0"] * growth_integral(flows["g_r"] - discount, t)
    spent = flows["c0"] * growth_integral(flows["g_c"] - discount, t)
    return gained - spent


@np.errstate(divide="ignore", invalid="ignore")
def turning_point(flows: Draws) -> Array:
    """t' where GP' changes sign, NaN where there is none."""
    r0, c0, slope = flows["r0"], flows["c0"], flows["g_c"] - flows["g_r"]
    exists = (r0 > 0.0) & (c0 > 0.0) & (slope != 0.0)
    return np.where(exists, np.log(r0 / c0) / slope, np.nan)


def bisect(reached: Callable[[Array], AnyArray], low: Array, high: Array) -> Array:
    """Least floating-point t in (low, high] that has `reached`, which is false, then true."""
    while True:
        middle = (low + high) / 2.0
        if not np.any((low < middle) & (middle < high)):
            return high
        is_reached = reached(middle)
        low = np.where(is_reached, low, middle)
        high = np.where(is_reached, middle, high)


def payback(flows: Draws, cost: Array, life: Array) -> Array:
    """Years to the first GP(t) >= cost, (5.6): 0 where the cost is not positive, +inf if never.

    GP is monotone on [0, t'] and on [t', life]: the first piece is looked at first.
    """
    target = np.where(cost > 0.0, cost, np.inf)

    def reached(t: Array) -> AnyArray:
        return np.asarray(gross_profit(flows, t) >= target)

    turn = turning_point(flows)
    turn = np.where((turn > 0.0) & (turn < life), turn, life)
    on_first = reached(turn)
    is_repaid = on_first | reached(life)
    crossing = bisect(reached, np.where(on_first, 0.0, turn), np.where(on_first, turn, life))
    years = np.where(cost > 0.0, np.where(is_repaid, crossing, np.inf), 0.0)
    return np.where(np.isnan(flows["r0"]), np.nan, years)


def worth_it(x: Draws, flows: Draws, cost: Array, run_cost_usd: Array) -> dict[str, Array]:
    """Lifetime gross profit of a generation against its cost, (5.4)-(5.6) and (4.8)."""
    life = np.broadcast_to((x["model_life_months"] / 12.0)[:, None], cost.shape)
    run_cost = (run_cost_usd / 1e9)[:, None]
    profit = gross_profit(flows, life)
    moic = quotient(profit, cost)
    discounted = gross_profit(flows, life, np.log1p(x["lab_discount_rate"])[:, None])
    return {
        "generation_cost_busd": cost,
        "final_run_share": quotient(run_cost, cost),
        "lifetime_gross_profit_busd": profit,
        "training_moic": moic,
        "training_moic_final_run": quotient(profit, run_cost),
        "training_npv_busd": discounted - cost,
        "payback_months": 12.0 * payback(flows, cost, life),
        "training_margin": np.where(moic <= 0.0, -np.inf, 1.0 - quotient(np.ones_like(moic), moic)),
    }


@np.errstate(invalid="ignore", over="ignore")
def self_funding(x: Draws, arr: Array, g_r: Array, cost: Array, moic: Array) -> dict[str, Array]:
    """Growth of the training budget out of gross profit, and what it lacks, (5.7) and (5.8)."""
    zeta = x["reinvestment_share"][:, None]
    cadence = (x["model_cadence_months"] / 12.0)[:, None]
    life = (x["model_life_months"] / 12.0)[:, None]
    per_generation = zeta * np.maximum(moic, 0.0)
    need = x["required_training_growth"][:, None] ** cadence
    credited = zeta * credited_share(x)[:, None] * arr[:, :, Q_STAR] * growth_integral(g_r, life)
    return {
        "sustainable_growth_per_generation": per_generation,
        "sustainable_growth_annual": per_generation ** (1.0 / cadence),
        "external_funding_share": np.clip(1.0 - per_generation / need, 0.0, 1.0),
        "required_margin": quotient(need * cost, credited),
    }


def pooled_training_margin(arr: Array, cost: Array, profit: Array) -> Array:
    """Frontier-training entry of `gross_margin` at q*, over the labs that report ARR, (4.8)."""
    reports = ~np.isnan(arr[:, :, Q_STAR])
    spent = np.where(reports, cost, 0.0).sum(axis=1)
    earned = np.where(reports, profit, 0.0).sum(axis=1)
    margin = np.where(earned <= 0.0, -np.inf, 1.0 - quotient(spent, earned))
    return np.where(reports.any(axis=1), margin, np.nan)


def gross_margin(pooled: Array, fine_tuning: Array, inference: Array) -> Array:
    """(4.8), axes (draw, quarter, regime); training is NaN outside q*."""
    training = np.full_like(inference, np.nan)
    training[:, Q_STAR] = pooled
    return np.stack([training, fine_tuning, inference], axis=-1)


# ---------------------------------------------------------------------------------------------
# Section 7: landlord book
# ---------------------------------------------------------------------------------------------


def depreciation_rates(x: Draws, cost_index: Array) -> dict[str, Array]:
    """USD bn per GW-year: booked (7.1) by landlord and quarter, economic (7.2) by quarter."""
    assets, per_gw = capital(x), accelerators_per_gw(x) / 1e9
    k_it, k_f = assets["it"] * per_gw, assets["f"] * per_gw
    facility = k_f / x["facility_life_years"]
    book_life = x["it_book_life_years"][:, None] + x["book_life_offset_years"]
    booked = k_it[:, None] / book_life + facility[:, None]
    economic = k_it * (1.0 - x["it_residual_fraction"]) / x["it_economic_life_years"] + facility
    return {
        "booked": booked[..., None] * cost_index[:, None, :],
        "economic": economic[:, None] * cost_index,
    }


def hardware_stocks(x: Draws, stock: Draws) -> dict[str, Array]:
    """hc, he and hx of section 7, facility GW; axes (draw, landlord, quarter)."""
    relative = x["relative_cost"][:, :, None, None]
    return {
        "hc": (relative * stock["h_bar"]).sum(axis=1),
        "he": (relative * stock["external"]).sum(axis=1),
        "hx": stock["external"].sum(axis=1),
    }


def depreciation(held: Draws, rate: Draws) -> dict[str, Array]:
    """USD bn per quarter by landlord, (7.1) and (7.2)."""
    booked = held["hc"] * rate["booked"] / 4.0
    economic = held["hc"] * rate["economic"][:, None, :] / 4.0
    return {
        "depreciation_booked": booked,
        "depreciation_economic": economic,
        "depreciation_gap": economic - booked,
    }


def received(x: Draws, stock: Draws, owner_l: Array, rental_mode: str) -> Array:
    """Rent from external labs by landlord, USD bn per quarter, (7.3)."""
    shares = regime_shares(x)[:, :, None, :]
    rent = np.empty_like(stock["external"][:, 0])
    for k in range(rent.shape[1]):
        hourly = (shares * rent_of(x, owner_l, k, rental_mode)).sum(axis=-1)  # (draw, lab, q)
        rent[:, k] = (stock["external"][:, :, k] * hourly).sum(axis=1)
    return hours_per_gw(x)[:, None, None] / 4.0 * rent / 1e9


def external_business(
    x: Draws, stock: Draws, held: Draws, booked_rate: Array, economic: Array, rent: Array
) -> dict[str, Array]:
    """What rented capacity costs its landlord, before interest, (7.4), (7.8) and (7.9)."""
    depreciated = held["he"] * booked_rate / 4.0
    running = lab_owner_cost(x, economic, 7, 8)  # electricity, maintenance, site
    hourly = (regime_shares(x)[:, :, None, :] * running).sum(axis=-1)
    operated = (stock["external"] * hourly[:, :, None, :]).sum(axis=1)
    operated = hours_per_gw(x)[:, None, None] / 4e9 * operated
    other = x["other_cost_busd_per_gw_year"][..., None] * held["hx"] / 4.0
    cost = depreciated + operated + other
    is_empty = held["hx"] == 0.0
    return {
        "rent_received": rent,
        "depreciation_booked_rented": depreciated,
        "depreciation_coverage": np.where(is_empty, np.nan, quotient(rent, depreciated)),
        "external_cost_busd": cost,
        "landlord_gross_margin": np.where(is_empty, np.nan, 1.0 - quotient(cost, rent)),
    }


def net_book_values(x: Draws, stock: Draws, hosted: Array, booked_rate: Array) -> dict[str, Array]:
    """NBV[l, k, q] at the starts and ends of quarters, USD bn, (7.5)."""
    relative = x["relative_cost"][:, :, None, None]
    before = hosted_2025q4(x)
    added = (hosted - opening(hosted, before)) * capex_per_gw(x)[:, None, None, :]
    written_off = stock["h_bar"] * booked_rate[:, None] / 4.0
    price = capex_per_gw(x)[:, Q_STAR] * x["opening_nbv_fraction"]
    at_first = relative[..., 0] * before * price[:, None, None]
    closing = at_first[..., None] + np.cumsum(relative * (added - written_off), axis=-1)
    return {"opening": opening(closing, at_first), "closing": closing}


def interest(x: Draws, nbv: Draws) -> Array:
    """Interest of the quarter on debt behind rented capacity, USD bn, (7.10)."""
    mean = (nbv["opening"] + nbv["closing"]) / 2.0
    rented = (mean * (1.0 - x["captive"])[:, :, None]).sum(axis=1)
    return (x["debt_share"] * x["interest_rate"])[..., None] * rented / 4.0


def margin_after_interest(held: Draws, business: Draws, interest_busd: Array) -> Array:
    """(7.11), NaN where nothing is rented out."""
    cost = business["external_cost_busd"] + interest_busd
    margin = 1.0 - quotient(cost, business["rent_received"])
    return np.where(held["hx"] == 0.0, np.nan, margin)


def exposures(
    x: Draws, paid_margin: Array, shortfall: Array, nbv_by_lab: Array
) -> dict[str, Array]:
    """What each landlord has at stake with labs under the hurdle or short of cash, (7.7).

    A lab without a margin counts as not under the hurdle and without shortfall.
    """
    under = paid_margin[:, :, Q_STAR] < x["hurdle_margin"][:, None]  # (draw, lab)
    short = shortfall[:, :, Q_STAR]
    short = np.where(np.isnan(short), 0.0, short)
    rpo_lab = x["rpo_busd"][:, :, None] * x["rpo_lab_share"]  # (draw, landlord, lab)
    at_risk = nbv_by_lab[..., Q_STAR] * (1.0 - x["captive"])  # (draw, lab, landlord)
    dependence = x["rpo_lab_share"].sum(axis=1)
    return {
        "lab_dependence": np.repeat(dependence[None, :], len(under), axis=0),
        "rpo_under_hurdle": (rpo_lab * under[:, None, :]).sum(axis=2),
        "rpo_shortfall": (rpo_lab * short[:, None, :]).sum(axis=2),
        "nbv_under_hurdle": (at_risk * under[:, :, None]).sum(axis=1),
        "rpo_by_lab": np.swapaxes(rpo_lab, 1, 2),
    }


def obligations(x: Draws) -> dict[str, Array]:
    """Firm RPO, and what of it is due within a year, (7.12)."""
    firm = x["rpo_busd"] * x["firm_share"]
    return {
        "rpo_firm_busd": firm,
        "rpo_due_12m_busd": firm * np.minimum(1.0, 1.0 / x["duration_years"]),
    }


def arr_over_equity(x: Draws, arr: Array) -> Array:
    """(7.13), NaN where the landlord has no equity in the lab; axes (draw, lab, landlord, q)."""
    equity = np.where(x["host_equity_busd"] == 0.0, np.nan, x["host_equity_busd"])
    return np.asarray(arr[:, :, None, :] / equity[:, :, None])


def calendar_year(month: int, fiscal_year: float, following: float) -> float:
    """CY_y of (7.14) from fiscal years that end in `month` of the calendar years y and y + 1."""
    part = month / 12.0
    return float(fiscal_year**part * following ** (1.0 - part))


# ---------------------------------------------------------------------------------------------
# Everything in order
# ---------------------------------------------------------------------------------------------


def evaluate(
    inputs: Mapping[str, AnyArray], *, view: str = "economic", rental_mode: str = "cost_plus"
) -> dict[str, AnyArray]:
    """Evaluate the model for every draw; `view` is economic or accounting, draw is axis 0.

    `inputs` holds the scalars as () or (n,), lab vectors as (L,) or (n, L), landlord vectors as
    (K,) or (n, K), the matrices as (L, K) except `rpo_lab_share`, which is (K, L), the three shocks
    as (n, 8) and `capital_crunch`.  An optional input that is missing is NaN or as in `MISSING`.
    The result holds the outputs that exist by draw (all but probabilities), with a landlord or lab
    before the quarter.
    """
    if view not in ("economic", "accounting"):
        raise ValueError(f"view: {view!r}")
    if rental_mode not in ("cost_plus", "market"):
        raise ValueError(f"rental_mode: {rental_mode!r}")
    x = broadcast(inputs)

    # 2 throughput
    out: dict[str, AnyArray] = decode(x)
    out["tps_prefill"] = prefill(x)
    out["tps_train"] = train(x)
    out["tps_fine_tune"] = fine_tune(x)
    bundle = request_bundle(x, out)
    out |= memory_traffic(x, out["batch"], out["user_speed"])

    # 6 gigawatts; 8 quarterly paths
    out |= buildout(x)
    path = paths(x, out["gw"])
    out |= path

    # 1 hourly cost; 3 cost per token
    owner_stack, omega = owner_stacks(x, path)
    out |= hourly_cost(x, owner_stack, view, rental_mode)
    out |= per_gw_year(x, out)
    stack = out["accelerator_hour_cost"]
    s_native = native_seconds(x, out, bundle)
    out |= token_cost(x, path, bundle, s_native, stack)
    paid_s = out["paid_seconds_per_token"][..., INFERENCE]

    # 4 revenue and margins
    rev = revenue(x, path["price_index"])
    out |= rev
    served = rev["revenue_per_mtok_served"]
    out["unit_cost"][:, :, INFERENCE, REVENUE_SHARE] = x["revenue_share_rate"][:, None] * served
    out["unit_cost"][:, :, INFERENCE, SERVING_OVERHEAD] = (
        x["serving_overhead_rate"][:, None] * served
    )
    out |= margins(x, path, rev, out)
    out |= margins_by_kind(x, path["price_index"], out)
    out["revenue_per_gw_year"] = revenue_per_gw_year(x, rev["revenue_per_mtok_paid"], paid_s)
    out["duty_at_hurdle"] = duty_at_hurdle(
        x, path, rev["revenue_per_mtok_paid"], s_native, stack, omega, rental_mode
    )

    # 6 bills, tokens and ARR; (4.9) to (4.13) and (7.6) margins and coverage by lab
    economic = owner_stack["economic"]
    owner_l = lab_owner_cost(x, economic, 2, 9)
    stock = average_stocks(x, out["facility_gw"], out["hosted_gw"])
    bill = bills(x, stock["h_bar"], owner_l, rental_mode)
    out["compute_bill_regime"], out["compute_bill"] = bill, bill.sum(axis=-1)
    out["bill_per_gw_year"] = out["compute_bill"] / stock["f_bar"]
    out |= fleets(x, stock, path, out, rev)
    arr = annual_recurring_revenue(x)
    a_bar = average_arr(x, arr)
    out |= {"arr": arr, "average_arr": a_bar, "quarter_revenue_busd": a_bar / 4.0}
    out["arr_per_gw"] = arr / out["gw"]
    out |= demand(x, a_bar, out, path, rev)
    out |= lab_margins(x, a_bar, bill)
    out["lab_unit_margin"] = lab_unit_margin(x, stock, owner_l, out, rev, rental_mode)
    out |= coverages(x, a_bar, out["compute_bill"])

    # 5 training, as q* closes; (4.8) gross margin by regime
    at_reference = slice(Q_STAR, Q_STAR + 1)
    closing_stock = out["hosted_gw"][..., at_reference]
    closing_bill = bills(x, closing_stock, owner_l[:, :, at_reference], rental_mode)[:, :, 0]
    power = average_power_kw(x, path["duty_cycle"])[:, Q_STAR, TRAIN]
    out |= named_run(x, out["tps_train"], stack[:, Q_STAR, TRAIN].sum(axis=-1), power)
    uc = out["compute_cost"][..., INFERENCE]
    flows = generation_flows(x, arr, closing_bill, uc, path["price_index"])
    cost = generation_cost(x, closing_bill)
    out |= worth_it(x, flows, cost, out["run_cost_usd"])
    out |= self_funding(x, arr, flows["g_r"], cost, out["training_moic"])
    out["gross_margin"] = gross_margin(
        pooled_training_margin(arr, cost, out["lifetime_gross_profit_busd"]),
        out["fine_tune_gross_margin"],
        out["inference_gross_margin"],
    )

    # 7 landlord book
    rate = depreciation_rates(x, path["cost_index"])
    held = hardware_stocks(x, stock)
    out |= depreciation(held, rate)
    rent = received(x, stock, owner_l, rental_mode)
    out |= external_business(x, stock, held, rate["booked"], economic, rent)
    nbv = net_book_values(x, stock, out["hosted_gw"], rate["booked"])
    by_lab = nbv["closing"]
    out |= {"net_book_value_by_lab": by_lab, "net_book_value": by_lab.sum(axis=1)}
    out["interest_busd"] = interest(x, nbv)
    out["landlord_margin_after_interest"] = margin_after_interest(held, out, out["interest_busd"])
    out |= exposures(x, out["lab_paid_margin"], out["shortfall"], by_lab)
    out |= obligations(x)
    out["arr_over_equity"] = arr_over_equity(x, arr)
    return out


# ---------------------------------------------------------------------------------------------
# Section 8: sampling
# ---------------------------------------------------------------------------------------------


def sample(
    distributions: Mapping[str, Distribution],
    labs: Mapping[str, Mapping[str, Distribution]],
    landlords: Mapping[str, Mapping[str, Distribution]],
    draws: int,
    rng: np.random.Generator,
    uncertainty: float = 1.0,
) -> dict[str, AnyArray]:
    """Draw all inputs of `evaluate` except the matrices, by the Gaussian copula of (8.8).

    Fixed quantities come back as () or, for vectors, as (L,) or (K,); all others by draw.  A field
    that a lab or landlord leaves out is as in `MISSING`.  Each lab has a factor `own` besides.
    """
    common = {name: rng.standard_normal(draws) for name in FACTORS}
    of_lab = {lab: {"own": rng.standard_normal(draws)} for lab in labs}

    def normal(loads: Mapping[str, float], factor: Mapping[str, Array]) -> Array:
        """z_i = sum_f lambda_if F_f + sqrt(1 - sum lambda^2) e_i."""
        rest = np.sqrt(1.0 - sum(load**2 for load in loads.values()))
        z: Array = rest * rng.standard_normal(draws)
        for name, load in loads.items():
            z = z + load * factor[name]
        return z

    def draw(
        distribution: Distribution,
        sigma: AnyArray | None = None,
        own: Mapping[str, Array] | None = None,
    ) -> AnyArray:
        """One quantity; `sigma` makes a law without family a lognormal of that sigma."""
        if "value" in distribution:
            return np.asarray(distribution["value"], dtype=np.float64)
        z = uncertainty * normal(distribution.get("loads") or {}, {**common, **(own or {})})
        if sigma is not None:
            return np.asarray(distribution["median"] * np.exp(sigma * z))
        if distribution["family"] == "lognormal":
            return np.asarray(distribution["median"] * np.exp(distribution["sigma"] * z))
        if distribution["family"] == "logit_normal":
            low, width = distribution["min"], distribution["max"] - distribution["min"]
            centre = (distribution["median"] - low) / width
            logit = np.log(centre / (1.0 - centre)) + distribution["sigma"] * z
            return np.asarray(low + width / (1.0 + np.exp(-logit)))
        if distribution["family"] == "normal":
            return np.asarray(distribution["mean"] + distribution["sd"] * z)
        if distribution["family"] == "discrete":
            values = np.asarray(distribution["values"], dtype=np.float64)
            weights = np.asarray(distribution["weights"], dtype=np.float64)
            order = np.argsort(values)
            edges = stats.norm.ppf(np.cumsum(weights[order] / weights.sum())[:-1])
            return values[order][np.searchsorted(edges, z)]
        raise ValueError(f"family: {distribution['family']!r}")

    def vector(columns: list[AnyArray]) -> AnyArray:
        """(L,) where every member is fixed, (draws, L) otherwise."""
        return np.stack(np.broadcast_arrays(*columns), axis=-1)

    def missing(name: str) -> Distribution:
        return {"value": MISSING.get(name, np.nan)}

    out = {name: draw(missing(name)) for name in OPTIONAL_SCALARS}
    out |= {name: draw(distribution) for name, distribution in distributions.items()}

    for name in LAB_VECTORS:
        if name == "lab_delay_quarters":
            sigma = out["energisation_delay_lab_sigma"]
            median = out["energisation_delay_quarters"]
            own = [uncertainty * rng.standard_normal(draws) for _ in labs]
            out[name] = vector([median * np.exp(sigma * e) for e in own])
        else:
            columns = [
                draw(fields.get(name, missing(name)), own=of_lab[lab])
                for lab, fields in labs.items()
            ]
            out[name] = vector(columns)

    sigmas = {"capex_2026_busd": "capex_sigma", "capex_growth_2027": "capex_growth_sigma"}
    for name in LANDLORD_VECTORS:
        spread = out[sigmas[name]] if name in sigmas else None
        laws = [fields.get(name, missing(name)) for fields in landlords.values()]
        out[name] = vector([draw(law, spread) for law in laws])

    for name in SHOCKS:
        shock = np.zeros((draws, QUARTERS))
        after = (draws, QUARTERS - Q_STAR - 1)
        shock[:, Q_STAR + 1 :] = uncertainty * rng.standard_normal(after)
        out[name] = shock
    crunch = rng.random(draws) < out["capital_crunch_probability"]
    out["capital_crunch"] = crunch * (0.0 if uncertainty == 0.0 else 1.0)
    return out
