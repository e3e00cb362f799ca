"""Section 3 of the model: what a token costs, by layer and by kind of token."""

from __future__ import annotations

from sim.kernels.formulas.hardware import active_load, average_power_kw, hourly_cost, it_power_kw
from sim.kernels.formulas.throughput import seconds_per_bundle
from sim.kernels.indices import COMPUTE_LAYERS, FINE_TUNE, INFERENCE, QUARTERS, REGIMES, TRAINING
from sim.kernels.jit import jit
from sim.model.inputs import Draw, Utilisation
from sim.model.outputs import World


@jit
def paid_seconds(native_s: float, duty: float, goodput: float, throughput_index: float) -> float:
    """Paid accelerator-seconds per useful native token [s] (3.1)."""
    return native_s / (duty * goodput * throughput_index)


@jit
def usd_per_mtok(usd_per_hour: float, paid_s: float) -> float:
    """Cost per Mtok of an hourly cost [USD/Mtok] (3.2)."""
    return usd_per_hour * (paid_s * (1e6 / 3600.0))


@jit
def wh_per_token(average_kw: float, pue: float, paid_s: float) -> float:
    """Energy at the meter per token [Wh] (3.3)."""
    return 1000.0 * average_kw * pue * paid_s / 3600.0


@jit
def usd_per_mtok_of_active_second(
    usd_per_hour: float, duty: float, goodput: float, throughput_index: float
) -> float:
    """k: cost per Mtok of one active accelerator-second per token [USD/Mtok/s] (3.4)."""
    return 1e6 * usd_per_hour / (3600.0 * duty * goodput * throughput_index)


@jit
def goodput(u: Utilisation, regime: int) -> float:
    """Useful over processed tokens of a regime [1]."""
    if regime == TRAINING:
        return u.goodput_frontier_training
    if regime == FINE_TUNE:
        return u.goodput_fine_tune
    return u.goodput_online_inference


@jit
def native_seconds(x: Draw, out: World, regime: int) -> float:
    """Accelerator-seconds per native token of a regime at the reference quarter [s]."""
    if regime == TRAINING:
        return 1.0 / out.tps_train
    if regime == FINE_TUNE:
        return 1.0 / out.tps_fine_tune
    bundle = seconds_per_bundle(x.workload, out.tps_decode, out.tps_prefill)
    return bundle / (1.0 + x.workload.input_output_ratio)


@jit
def write_unit_cost(x: Draw, accounting: bool, out: World) -> None:
    """Cost per Mtok of every quarter, regime and compute layer; energy; cost by kind of token."""
    it_kw = it_power_kw(x.hardware.accelerator_tdp_kw, x.hardware.it_power_ratio)
    for r in range(REGIMES):
        native_s = native_seconds(x, out, r)
        useful = goodput(x.utilisation, r)
        for q in range(QUARTERS):
            paid_s = paid_seconds(native_s, out.duty_cycle[q, r], useful, out.throughput_index[q])
            out.paid_seconds_per_token[q, r] = paid_s
            for layer in range(COMPUTE_LAYERS):
                hourly = out.accelerator_hour_cost[q, r, layer]
                out.unit_cost[q, r, layer] = usd_per_mtok(hourly, paid_s)
            for layer in range(COMPUTE_LAYERS, out.unit_cost.shape[2]):
                out.unit_cost[q, r, layer] = 0.0
            out.compute_cost[q, r] = usd_per_mtok(hourly_cost(x, accounting, out, q, r), paid_s)
    s_miss = 1.0 / out.tps_prefill
    s_hit = x.workload.cached_prefill_cost_ratio / out.tps_prefill
    useful = goodput(x.utilisation, INFERENCE)
    load = active_load(x.utilisation, INFERENCE)
    for q in range(QUARTERS):
        duty = out.duty_cycle[q, INFERENCE]
        per_second = usd_per_mtok_of_active_second(
            hourly_cost(x, accounting, out, q, INFERENCE), duty, useful, out.throughput_index[q]
        )
        out.cost_output[q] = per_second / out.tps_decode
        out.cost_input[q] = per_second * s_miss
        out.cost_cached[q] = per_second * s_hit
        power_kw = average_power_kw(it_kw, duty, load, x.utilisation.idle_load)
        paid_s = out.paid_seconds_per_token[q, INFERENCE]
        out.wh_per_token[q] = wh_per_token(power_kw, x.hardware.pue, paid_s)
