"""Identities of throughput: decoding, its price of speed, and what fits in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identities import close, without
from random_worlds import Array, Inputs, anywhere, multiplied

from sim.engine import worlds
from sim.kernels.formulas.throughput import tokens_per_step, weights_touched

SPEEDS = np.geomspace(0.5, 5000, 17)


def weight_bytes(x: Inputs) -> Array:
    return x["weight_bytes_per_param"] * x["active_params"] * x["total_to_active_ratio"]


def kv_bytes(x: Inputs) -> Array:
    """KV cache of one sequence."""
    return x["kv_bytes_per_token"] * x["mean_context_tokens"]


def usable_bytes(x: Inputs) -> Array:
    """HBM of an accelerator for weights and KV cache."""
    return x["hbm_usable_fraction"] * x["hbm_capacity_bytes"]


def sequences_that_fit(x: Inputs, out: dict[str, Array]) -> Array:
    room = usable_bytes(x) * out["instance_accelerators"] - weight_bytes(x)
    return room / kv_bytes(x)


# 19: a step


@given(st.integers(0, 8), st.floats(0, 0.99))
def test_a_step_yields_the_tokens_that_are_accepted(draft: int, acceptance: float) -> None:
    assert tokens_per_step(0.0, acceptance) == pytest.approx(1)
    assert tokens_per_step(float(draft), 0.0) == 1
    assert tokens_per_step(float(draft), 1.0) == draft + 1
    assert tokens_per_step(float(draft), 1 - 1e-9) == pytest.approx(draft + 1, rel=1e-7)
    by_term = sum(acceptance**i for i in range(draft + 1))
    assert tokens_per_step(float(draft), acceptance) == pytest.approx(by_term, rel=1e-9)


@given(st.floats(1e8, 1e14), st.floats(1, 200), st.floats(1, 1e5))
def test_experts_are_touched_as_the_batch_grows(weights: float, ratio: float, batch: float) -> None:
    assert weights_touched(weights, ratio, 1.0) == pytest.approx(weights / ratio, rel=1e-9)
    assert weights_touched(weights, ratio, 1e9) == weights
    assert weights_touched(weights, 1.0, batch) == weights
    active, total = weights / ratio, weights
    assert active * (1 - 1e-9) <= weights_touched(weights, ratio, batch) <= total


# 32, 33: the price of speed


@given(anywhere(32))
def test_decoding_never_gets_faster_with_the_speed_promised_to_a_user(x: Inputs) -> None:
    x = without(x, "measured_tps_decode")
    by_speed = []
    for speed in SPEEDS:
        x["user_speed_tokens_per_s"] = np.full_like(x["pue"], speed)
        by_speed.append(worlds.evaluate(x)["tps_decode"])
    decode = np.array(by_speed)
    assert (decode > 0).all()
    assert np.isfinite(decode).all()
    assert (np.diff(decode, axis=0) <= 1e-12 * decode[1:]).all()


@given(anywhere())
def test_speed_costs_nothing_up_to_that_of_the_full_batch(x: Inputs) -> None:
    x = without(x, "measured_tps_decode")
    free = worlds.evaluate(x)["full_batch_speed"]
    for share in (0.5, 1.0):
        x["user_speed_tokens_per_s"] = share * free
        out = worlds.evaluate(x)
        np.testing.assert_array_equal(out["speed_cost"], 0)
        np.testing.assert_array_equal(out["user_speed"], free)
        batch = np.clip(sequences_that_fit(x, out), 1, 1e7)
        assert close(out["batch"], batch)
        roofline = batch * free / out["instance_accelerators"]
        assert close(out["tps_decode"], x["throughput_multiplier"] * roofline)
    x["user_speed_tokens_per_s"] = 1.01 * free
    out = worlds.evaluate(x)
    noticed = (free / out["half_speed"]) ** x["latency_exponent"] > 1e-9
    assert (out["speed_cost"][noticed] > 0).all()


@given(anywhere())
def test_half_of_the_throughput_is_left_at_half_speed(x: Inputs) -> None:
    """Half, and what the full batch's own speed costs already."""
    before = worlds.evaluate(x)
    full, half = before["full_batch_speed"], before["half_speed"]
    x["user_speed_tokens_per_s"] = half
    left = 1 - worlds.evaluate(x)["speed_cost"]
    expected = (1 + (full / half) ** x["latency_exponent"]) / 2
    slower = half > full
    assert close(left[slower], expected[slower], of=1.0)
    assert (left[~slower] == 1).all()


@given(anywhere())
def test_users_get_at_least_the_speed_that_they_are_promised(x: Inputs) -> None:
    out = worlds.evaluate(x)
    assert (out["user_speed"] >= x["user_speed_tokens_per_s"]).all()
    assert (out["user_speed"] >= out["full_batch_speed"]).all()
    assert (out["batch"] >= 1).all()
    assert (out["batch"] <= np.clip(sequences_that_fit(x, out), 1, 1e7) * (1 + 1e-9)).all()
    assert ((out["speed_cost"] >= 0) & (out["speed_cost"] <= 1)).all()


@given(anywhere())
def test_sequences_in_flight_make_the_tokens_that_are_decoded(x: Inputs) -> None:
    """Where there is at least one: a lone sequence may be too slow all by itself."""
    out = worlds.evaluate(without(x, "measured_tps_decode"))
    speed = out["user_speed"]
    made = out["batch"] * speed
    decoded = out["tps_decode"] * out["instance_accelerators"] / x["throughput_multiplier"]
    reachable = out["speed_unreachable"] == 0
    assert close(made[reachable], decoded[reachable])
    assert (out["batch"][~reachable] == 1).all()
    assert (decoded[~reachable] < speed[~reachable]).all()
    by_step = out["step_time_s"] * speed
    tokens = [
        sum(acceptance**i for i in range(int(draft) + 1))
        for draft, acceptance in zip(x["draft_tokens"], x["draft_acceptance"], strict=True)
    ]
    assert close(by_step, np.array(tokens))


# 46: an instance grows until the model fits


@pytest.mark.parametrize(
    "scaled", [(), ("weight_bytes_per_param",), ("mean_context_tokens",), ("hbm_capacity_bytes",)]
)
@pytest.mark.parametrize("factor", [0.01, 100])
@given(x=anywhere(32))
def test_any_model_fits_the_instance_that_serves_it(
    factor: float, scaled: tuple[str, ...], x: Inputs
) -> None:
    x = without(x, "measured_tps_decode")
    y = multiplied(x, factor, *scaled)
    out = worlds.evaluate(y)
    assert (sequences_that_fit(y, out) >= 1 - 1e-9).all()
    accelerators, given_ = out["instance_accelerators"], y["accelerators_per_instance"]
    weights = weight_bytes(y) / (accelerators * usable_bytes(y))
    assert (weights <= y["max_weight_share_of_hbm"] * (1 + 1e-12)).all()
    np.testing.assert_array_equal(out["instance_grown"], accelerators > given_)
    needed = (
        weight_bytes(y) / (y["max_weight_share_of_hbm"] * usable_bytes(y)),
        (weight_bytes(y) + kv_bytes(y)) / usable_bytes(y),
    )
    assert close(accelerators, np.max([given_, *needed], axis=0))
    for name in ("tps_decode", "half_speed", "full_batch_speed", "step_time_s"):
        assert (out[name] > 0).all(), name
        assert np.isfinite(out[name]).all(), name


@pytest.mark.parametrize(
    "larger", ["active_params", "weight_bytes_per_param", "kv_bytes_per_token"]
)
@given(x=anywhere(32))
def test_an_instance_never_shrinks_as_the_model_grows(larger: str, x: Inputs) -> None:
    sizes = [
        worlds.evaluate(multiplied(x, factor, larger))["instance_accelerators"]
        for factor in (0.01, 1, 2, 100)
    ]
    assert (np.diff(sizes, axis=0) >= 0).all()


@given(anywhere())
def test_sequences_without_a_cache_are_limited_by_a_number_alone(x: Inputs) -> None:
    x["kv_bytes_per_token"] = np.zeros_like(x["pue"])
    x["user_speed_tokens_per_s"] = np.full_like(x["pue"], 1e-12)
    out = worlds.evaluate(x)
    assert (out["batch"] == 1e7).all()
    assert np.isfinite(out["tps_decode"]).all()
