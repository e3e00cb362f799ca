"""The token's side of the model for the peers: throughput, hours, tokens, prices (1 to 4, 8).

Written for speed in NumPy and in JAX alike: the draw is the last axis of every array, of length 1
where an input is the same in all draws, so that what is fixed is worked out once. `xp` is `numpy`
or `jax.numpy`. Only outputs that a run keeps or sums up are made; view `economic`, rental mode
`cost_plus`. Equation numbers are those of sim/docs/model.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

Array = Any  # of NumPy or JAX
Inputs = Mapping[str, Array]

QUARTERS, Q_STAR = 8, 3
YEARS = (np.arange(QUARTERS)[:, None] - Q_STAR) / 4.0
HOURS_PER_YEAR = 8760.0
TRAIN, FINE_TUNE, INFERENCE = range(3)
REGIMES = ("frontier_training", "fine_tune", "online_inference")


class Hour(NamedTuple):
    """What the hour and the token give to the labs; [quarter, draw] or [regime, quarter, draw]."""

    duty: Array
    price_index: Array
    cost_index: Array
    mean_load: Array  # kW of IT, [regime, quarter, draw]
    energy: Array  # USD/h with overhead, [regime, quarter, draw]
    capital: Array  # USD/h, [quarter, draw]
    upkeep: Array  # USD/h, maintenance and site, [draw]
    hourly: Array  # USD/h of all layers, [regime, quarter, draw]
    paid_s: Array  # [regime, quarter, draw]
    compute_cost: Array  # [regime, quarter, draw]
    revenue: Array  # USD per paid Mtok, [quarter, draw]
    tps_train: Array  # [draw]


def rows(xp: Any, parts: list[Array]) -> Array:
    """Parts along a new first axis."""
    return xp.stack(xp.broadcast_arrays(*parts))


def is_missing(value: Array) -> bool:
    """Whether an optional input is missing in all draws."""
    return isinstance(value, np.ndarray) and bool(np.isnan(value).all())


def given(xp: Any, value: Array, otherwise: Array) -> Array:
    """The value of an optional input, and `otherwise` where it is missing."""
    return otherwise if is_missing(value) else xp.where(xp.isnan(value), otherwise, value)


def by_regime(xp: Any, x: Inputs, prefix: str) -> Array:
    """A scalar of each regime, [regime, 1, draw]."""
    return rows(xp, [x[f"{prefix}_{regime}"] for regime in REGIMES])[:, None]


def quarterly(xp: Any, base: Array, first: int, last: int) -> Array:
    """base ** (i / 4) for i of `first` ... `last`, along a new axis before that of draws."""
    root = xp.sqrt(xp.sqrt(base))
    powers = {0: xp.ones_like(root), 1: root}
    for i in range(2, last + 1):
        powers[i] = powers[i - 1] * root
    for i in range(-1, first - 1, -1):
        powers[i] = 1.0 / root if i == -1 else powers[i + 1] * powers[-1]
    return xp.stack([powers[i] for i in range(first, last + 1)], -2)


def throughput(xp: Any, x: Inputs) -> dict[str, Array]:
    """Tokens per second by regime, (2.0) to (2.10)."""
    g, alpha = x["draft_tokens"], x["draft_acceptance"]
    below = xp.where(alpha == 1.0, 0.0, alpha)
    e = xp.where(alpha == 1.0, g + 1.0, (1.0 - below ** (g + 1.0)) / (1.0 - below))
    w = x["weight_bytes_per_param"] * x["active_params"] * x["total_to_active_ratio"]
    untouched = xp.log1p(-1.0 / x["total_to_active_ratio"])
    sequence = x["kv_bytes_per_token"] * x["mean_context_tokens"]
    usable = x["hbm_usable_fraction"] * x["hbm_capacity_bytes"]
    least = xp.maximum(w / (x["max_weight_share_of_hbm"] * usable), (w + sequence) / usable)
    size = xp.maximum(x["accelerators_per_instance"], least)
    bw = size * x["hbm_bandwidth_bytes_per_s"] * x["mbu_decode"]
    fl = size * x["peak_flops_serving"] * x["mfu_decode"]
    drafting = 1.0 + x["draft_overhead"] * g

    b_0 = xp.clip((usable * size - w) / sequence, 1.0, 1e7)
    touched = w * -xp.expm1(b_0 * untouched)
    steps = (g + 1.0) * b_0 / fl
    weights = xp.maximum(touched / bw, 2.0 * x["active_params"] * steps)
    pairs = x["attention_flop_per_token_pair"] * x["mean_context_tokens"]
    attention = xp.maximum(b_0 * sequence / bw, pairs * steps)
    t_0 = (weights + attention + x["step_overhead_s"]) * drafting  # (2.2)
    tps_0, v_0 = e * b_0 / (t_0 * size), e / t_0
    v_h = e / ((x["step_overhead_s"] + w / bw) * drafting)
    v = xp.maximum(x["user_speed_tokens_per_s"], v_0)
    b = x["latency_exponent"]
    phi = (1.0 + (v_0 / v_h) ** b) / (1.0 + (v / v_h) ** b)
    in_flight = tps_0 * phi * size / v
    batch = xp.maximum(1.0, in_flight)

    reach = x["mean_context_tokens"] * (1.0 + x["cache_hit_rate"]) / 2.0
    flop_pre = 2.0 * x["active_params"] + x["attention_flop_per_token_pair"] * reach
    prefill = x["throughput_multiplier"] * x["peak_flops_serving"] * x["mfu_prefill"] / flop_pre
    training = x["peak_flops_training"] * x["mfu_training"] / (6.0 * x["train_active_params"])
    flop_ft = (6.0 - 2.0 * x["lora_share"]) * x["active_params"]
    touched = w * -xp.expm1(batch * untouched)
    traffic = (touched / batch + sequence) / e + x["input_output_ratio"] * x["kv_bytes_per_token"]
    return {
        "instance_grown": size > x["accelerators_per_instance"],
        "speed_cost": 1.0 - phi,
        "speed_unreachable": in_flight < 1.0,
        "tps_decode": given(xp, x["measured_tps_decode"], x["throughput_multiplier"] * tps_0 * phi),
        "tps_prefill": given(xp, x["measured_tps_prefill"], prefill),
        "tps_train": given(xp, x["measured_tps_train"], training),
        "tps_fine_tune": x["peak_flops_training"] * x["mfu_fine_tune"] / flop_ft,
        "hbm_bandwidth_s_per_output_token": traffic / x["hbm_bandwidth_bytes_per_s"],
    }


def duty_cycle(xp: Any, x: Inputs) -> Array:
    """u[regime, quarter], (8.3) and (8.4)."""
    u = by_regime(xp, x, "duty_cycle")
    rho = x["price_duty_shock_correlation"]
    shock = rho * x["eps_price"] + xp.sqrt(1.0 - rho**2) * x["eps_duty"]
    shock = x["duty_volatility"] * shock
    path, y = [], 0.0
    for i in range(shock.shape[0]):
        y = x["duty_persistence"] * y + shock[i]
        path.append(y)
    up = u[FINE_TUNE:] * xp.exp(xp.stack(path))
    later = up / (1.0 - u[FINE_TUNE:] + up)
    steady = xp.broadcast_to(u, (len(REGIMES), Q_STAR + 1, later.shape[-1]))
    training = xp.broadcast_to(u[:1], (1, *later.shape[1:]))
    return xp.concatenate([steady, xp.concatenate([training, later])], 1)


def power_price(xp: Any, x: Inputs) -> Array:
    """p_e by quarter, (8.2) and (8.4)."""
    k = x["power_price_reversion"]
    spread = np.where(k == 0.0, 0.5, np.sqrt(-np.expm1(-k / 2.0) / (2.0 * np.where(k == 0, 1, k))))
    mean, kept = xp.log(x["power_price_long_run_usd_per_kwh"]), np.exp(-k / 4.0)
    ln_p, path = xp.log(x["power_price_usd_per_kwh"]), []
    for i in range(QUARTERS - Q_STAR - 1):
        shock = x["power_price_volatility"] * spread * x["eps_power"][i]
        ln_p = mean + kept * (ln_p - mean) + shock
        path.append(ln_p)
    later = xp.exp(xp.stack(path))
    steady = xp.broadcast_to(x["power_price_usd_per_kwh"], (Q_STAR + 1, later.shape[-1]))
    return xp.concatenate([steady, later])


def vintages(xp: Any, total_gw: Array, growth: Array) -> Array:
    """Fleet average of (1 + growth)^t over additions since q*, (8.5)."""
    newer = quarterly(xp, 1.0 + growth, 1, QUARTERS - Q_STAR - 1)
    added = (total_gw[Q_STAR + 1 :] - total_gw[Q_STAR:-1]) * newer
    later = (total_gw[Q_STAR] + xp.cumsum(added, 0)) / total_gw[Q_STAR + 1 :]
    return xp.concatenate([xp.ones_like(total_gw[: Q_STAR + 1]), later])


def capital_recovery(xp: Any, r: Array, years: Array) -> Array:
    """Capital recovery factor of (1.4)."""
    return r / -xp.expm1(-years * xp.log1p(r))


def capital_layers(xp: Any, x: Inputs, p_it: Array) -> tuple[list[Array], Array, Array]:
    """Layers 2 to 9 of the hour at q*, (1.2) to (1.4), and USD of IT and facility."""
    k_acc, hbm = x["accelerator_price_usd"], x["hbm_value_share"]
    assets = [
        k_acc * (1.0 - hbm), k_acc * hbm,
        k_acc * x["server_cost_ratio"], k_acc * x["network_cost_ratio"],
    ]  # fmt: skip
    it, facility = sum(assets), x["facility_capex_usd_per_kw_it"] * p_it
    life, residual = x["it_economic_life_years"], x["it_residual_fraction"]
    r = x["cost_of_capital"]
    depreciated = (1.0 - residual) / (life * HOURS_PER_YEAR)
    of_facility = facility / (x["facility_life_years"] * HOURS_PER_YEAR)
    by_asset = [asset * depreciated for asset in assets]
    crf = capital_recovery(xp, r, life)
    annuity = it * crf - residual * it * (crf - r)
    annuity = annuity + facility * capital_recovery(xp, r, x["facility_life_years"])
    charge = annuity / HOURS_PER_YEAR - (of_facility + sum(by_asset))
    maintenance = x["maintenance_rate"] * it / HOURS_PER_YEAR
    site = x["site_opex_usd_per_kw_year"] * p_it / HOURS_PER_YEAR
    return [of_facility, *by_asset, maintenance, site, charge], it, facility


def token(
    xp: Any, x: Inputs, total_gw: Array, capex: Array, layers: list[Array]
) -> tuple[Hour, dict[str, Array]]:
    """Hours, tokens and prices of the reference, (1.5) to (1.9), 3, 4 and 8.

    `total_gw` [quarter, draw] are those of all labs, `capex` [quarter, draw] USD bn by facility GW,
    `layers` those of `capital_layers`.
    """
    out = throughput(xp, x)
    p_it = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    per_gw = 1e6 / (p_it * x["facility_capacity_ratio"])
    duty, price_of_power = duty_cycle(xp, x), power_price(xp, x)
    walk = xp.concatenate([np.zeros((Q_STAR + 1, x["eps_price"].shape[-1])),
                           0.5 * xp.cumsum(x["eps_price"], 0)])  # fmt: skip
    psi = -xp.log(1.0 - x["token_price_decline"])
    index = xp.exp(x["token_price_volatility"] * walk - psi * YEARS)  # (8.1)
    cost_index = vintages(xp, total_gw, x["capex_cost_growth"])
    speed = quarterly(xp, 1.0 + x["software_throughput_growth"], -Q_STAR, QUARTERS - Q_STAR - 1)
    speed = speed * vintages(xp, total_gw, x["hardware_efficiency_growth"])

    idle = x["idle_load"]
    load = idle + duty * (by_regime(xp, x, "active_load") - idle)  # (1.5), over P_it
    electricity = load * (p_it * price_of_power)
    energy = electricity * x["pue"]
    omega = x["measured_owner_cost_usd_per_hour"]
    assert is_missing(omega), "the peers know no measured owner's cost"
    capital = sum(layers) * cost_index
    owner = energy + capital
    rent = (1.0 + x["landlord_markup"]) * owner
    margin = x["rented_share"] * x["landlord_markup"] * owner  # (1.7)
    hourly = owner + margin

    blended = 1.0 / out["tps_decode"]
    s_in = 1.0 / out["tps_prefill"]
    s_hit = x["cached_prefill_cost_ratio"] * s_in
    h, ratio = x["cache_hit_rate"], x["input_output_ratio"]
    s_out, blended = blended, blended + ratio * ((1.0 - h) * s_in + h * s_hit)
    native = rows(xp, [1.0 / out["tps_train"], 1.0 / out["tps_fine_tune"], blended / (1.0 + ratio)])
    useful = duty * by_regime(xp, x, "goodput") * speed
    paid_s = native[:, None] / useful  # (3.1)
    per_mtok = paid_s * (1e6 / 3600.0)
    compute_cost = hourly * per_mtok
    wh = (p_it * x["pue"]) * load[INFERENCE] * paid_s[INFERENCE] * (1000.0 / 3600.0)
    k = hourly[INFERENCE] * (1e6 / 3600.0) / useful[INFERENCE]  # (3.4)

    s_api = x["api_token_share"]
    realised = s_api * (1.0 - x["api_discount"]) + (1.0 - s_api) * x["subscription_realisation"]
    price_in, price_out = x["price_input_usd_per_mtok"], x["price_output_usd_per_mtok"]
    charged = (1.0 - h) + h * x["cached_price_ratio"]
    bundle = price_out + ratio * price_in * charged
    revenue = (bundle * realised / (1.0 + ratio)) * index
    served = revenue * (1.0 - x["free_token_share"])
    share, overhead = x["revenue_share_rate"] * served, x["serving_overhead_rate"] * served
    kinds = {
        "output": (s_out, price_out),
        "input": (s_in, price_in),
        "cached": (s_hit, price_in * x["cached_price_ratio"]),
    }
    headline = 1.0 - compute_cost[INFERENCE] / revenue
    tune = 1.0 - compute_cost[FINE_TUNE] / (x["price_fine_tune_usd_per_mtok"] * index)
    loaded = compute_cost[INFERENCE] + share + overhead
    nothing = xp.zeros_like(share)
    scaled = cost_index * per_mtok
    of_power = electricity * per_mtok
    busd = per_gw * (HOURS_PER_YEAR / 1e9)
    tokens = (1.0 + ratio) * x["query_output_tokens"]
    made = {
        **out,
        "pue_above_capacity_ratio": x["pue"] > x["facility_capacity_ratio"],
        "capex_per_gw": capex,
        "owner_cost_per_gw_year": owner[INFERENCE] * busd,
        "rent_per_gw_year": rent[INFERENCE] * busd,
        "duty_cycle": duty,
        "unit_cost": [
            of_power,
            of_power * (x["pue"] - 1.0),
            *(layer * scaled for layer in layers),
            margin * per_mtok,
            rows(xp, [nothing, nothing, share]),
            rows(xp, [nothing, nothing, overhead]),
        ],
        "compute_cost": compute_cost,
        "wh_per_token": wh,
        "wh_per_query": wh * tokens,
        "tokens_per_s_per_mw": per_gw / (1000.0 * paid_s[INFERENCE]),
        "revenue_per_mtok_paid": revenue,
        "revenue_per_mtok_served": served,
        "revenue_per_gw_year": revenue * (0.0036 * busd) / paid_s[INFERENCE],
        "inference_gross_margin": headline,
        "loaded_gross_margin": 1.0 - loaded / served,
        "fine_tune_gross_margin": tune,
        **{
            f"margin_{kind}": 1.0 - k * (seconds / (price * realised)) / index
            for kind, (seconds, price) in kinds.items()
        },
    }
    hour = Hour(
        duty, index, cost_index, load, energy, capital, layers[5] + layers[6], hourly, paid_s,
        compute_cost, revenue, out["tps_train"],
    )  # fmt: skip
    return hour, made
