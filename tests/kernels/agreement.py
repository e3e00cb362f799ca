"""How closely two evaluations of the model must agree, and relative to what.

An amount: to `TOLERANCE` of itself. What a subtraction leaves: of the largest amount that enters
the subtraction, which `SCALES` gives by output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.fields import LAYERS, REGIMES

Array = NDArray[Any]
Values = Mapping[str, Array]
# From inputs, outputs and the rental mode to an array that broadcasts with the output.
Scale = Callable[[Values, Values, str], Array]

TOLERANCE = 1e-12
FINE_TUNE, INFERENCE = REGIMES.index("fine_tune"), REGIMES.index("online_inference")
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


def _layers(values: Array, whole: Array) -> Array:
    scale = np.abs(values)
    scale[..., DIFFERENCES] = whole[..., None]
    return scale


def _by_kind_of_token(name: str) -> Scale:
    """The cost of a kind of token if an hour cost its largest amount."""

    def scale(x: Values, out: Values, mode: str) -> Array:
        paid = out["accelerator_hour_cost"][..., INFERENCE, :].sum(axis=-1)
        return out[name] * hour(out)[..., INFERENCE] / paid

    return scale


def _landlord_margin(name: str) -> Scale:
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
    full_load_kw = np.prod([x[n] for n in ("accelerator_tdp_kw", "it_power_ratio", "pue")], axis=0)
    electricity = passed_on * full_load_kw[..., None] * out["power_price"]
    active, idle = column(x, "active_load_online_inference"), column(x, "idle_load")
    of_duty = electricity * out["duty_cycle"][..., INFERENCE] * (active - idle)
    cost = out["accelerator_hour_cost"][..., INFERENCE, :].sum(axis=-1) - of_duty
    found = np.where(np.isfinite(out["duty_at_hurdle"]), out["duty_at_hurdle"], 0.0)
    entering = hour(out)[..., INFERENCE] + electricity * (1.0 + 2.0 * found)
    return found * (1.0 + entering / cost)


SCALES: dict[str, Scale] = {
    # layers and costs: the largest amount in an hour's cost
    "accelerator_hour_cost": lambda x, out, _: _layers(out["accelerator_hour_cost"], hour(out)),
    "unit_cost": lambda x, out, _: _layers(out["unit_cost"], mtok(out)),
    "compute_cost": lambda x, out, _: mtok(out),
    "cost_output": _by_kind_of_token("cost_output"),
    "cost_input": _by_kind_of_token("cost_input"),
    "cost_cached": _by_kind_of_token("cost_cached"),
    # margins 1 - c/r: max(1, c/r)
    "landlord_margin_book": _landlord_margin("landlord_margin_book"),
    "landlord_margin_economic": _landlord_margin("landlord_margin_economic"),
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
    # shares of what is wanted
    "capex_scale": lambda x, out, _: np.ones(1),
    "power_scale": lambda x, out, _: np.ones(1),
}

# Flags that say a scale is below 1: they may differ where it is 1 but for rounding.
FLAG_OF_SCALE = {"capex_binds": "capex_scale", "power_binds": "power_scale"}


def assert_agree(got: Values, expected: Values, x: Values, rental_mode: str = "cost_plus") -> None:
    """Every output of `got` is that of `expected`, evaluated from the inputs `x`."""
    assert set(got) == set(expected)
    for name, right in expected.items():
        value, right = np.asarray(got[name], float), np.asarray(right, float)
        assert value.shape == right.shape, f"{name}: {value.shape}, expected {right.shape}"
        if name in FLAG_OF_SCALE:
            settled = np.abs(expected[FLAG_OF_SCALE[name]] - 1.0) > TOLERANCE
            right = np.where(settled, right, value)
        of = SCALES[name](x, expected, rental_mode) if name in SCALES else np.abs(right)
        same = (value == right) | (np.isnan(value) & np.isnan(right))
        with np.errstate(invalid="ignore"):
            close = same | (np.abs(value - right) <= TOLERANCE * of)
        if not close.all():
            place = tuple(int(i) for i in np.argwhere(~close)[0])
            raise AssertionError(
                f"{name}{list(place)}: {value[place]!r}, expected {right[place]!r};"
                f" {(~close).sum()} of {close.size} differ"
            )
