"""Section 3 of the model: cost per token, by layer and kind."""

from __future__ import annotations

from sim.kernels.formulas.buildout import accelerators_per_gw
from sim.kernels.formulas.hardware import active_load, average_power_kw, hourly_cost, it_power_kw
from sim.kernels.formulas.throughput import seconds_per_bundle
from sim.kernels.indices import (
    FINE_TUNE,
    INFERENCE,
    LAYERS,
    QUARTERS,
    REGIMES,
    TRAINING,
)
from sim.kernels.jit import jit
from sim.model.dims import COMPUTE_LAYERS
from sim.model.inputs import Utilisation, Workload
from sim.model.outputs import World
from sim.model.world_records import WorldRecords


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
def wh_per_query(wh_per_token: float, w: Workload) -> float:
    """Energy at the meter per query, its input included [Wh] (3.5)."""
    return wh_per_token * (1.0 + w.input_output_ratio) * w.query_output_tokens


@jit
def tokens_per_s_per_mw(accelerators_per_gw: float, paid_s: float) -> float:
    """Blended tokens of a paid facility megawatt [tok/s/MW] (3.5)."""
    return accelerators_per_gw / (1000.0 * paid_s)


@jit
def usd_per_mtok_of_active_second(
    usd_per_hour: float, duty: float, goodput: float, throughput_index: float
) -> float:
    """Cost per Mtok of an active accelerator-second per token [USD/Mtok/s] (3.4)."""
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
def native_seconds(workload: Workload, outputs: World, regime: int) -> float:
    """Accelerator-seconds per native token at the reference quarter [s] (3.1a)."""
    if regime == TRAINING:
        return 1.0 / outputs.tps_train
    if regime == FINE_TUNE:
        return 1.0 / outputs.tps_fine_tune
    bundle = seconds_per_bundle(workload, outputs.tps_decode, outputs.tps_prefill)
    return bundle / (1.0 + workload.input_output_ratio)


@jit
def write_unit_cost(world: WorldRecords, accounting: bool) -> None:
    """Write unit costs by layer, energy, and costs by kind (3.1-3.5)."""
    inputs, outputs = world.inputs, world.outputs
    workload, utilisation = inputs.workload, inputs.utilisation
    it_kw = it_power_kw(inputs.hardware.accelerator_tdp_kw, inputs.hardware.it_power_ratio)
    for r in range(REGIMES):
        native_s = native_seconds(workload, outputs, r)
        useful = goodput(utilisation, r)
        for q in range(QUARTERS):
            paid_s = paid_seconds(
                native_s, outputs.duty_cycle[q, r], useful, outputs.throughput_index[q]
            )
            outputs.paid_seconds_per_token[q, r] = paid_s
            for layer in range(COMPUTE_LAYERS):
                hourly = outputs.accelerator_hour_cost[q, r, layer]
                outputs.unit_cost[q, r, layer] = usd_per_mtok(hourly, paid_s)
            for layer in range(COMPUTE_LAYERS, LAYERS):
                outputs.unit_cost[q, r, layer] = 0.0
            outputs.compute_cost[q, r] = usd_per_mtok(
                hourly_cost(outputs, accounting, q, r), paid_s
            )
    per_gw = accelerators_per_gw(it_kw, inputs.hardware.facility_capacity_ratio)
    s_miss = 1.0 / outputs.tps_prefill
    s_hit = workload.cached_prefill_cost_ratio / outputs.tps_prefill
    useful = goodput(utilisation, INFERENCE)
    load = active_load(utilisation, INFERENCE)
    for q in range(QUARTERS):
        duty = outputs.duty_cycle[q, INFERENCE]
        per_second = usd_per_mtok_of_active_second(
            hourly_cost(outputs, accounting, q, INFERENCE),
            duty,
            useful,
            outputs.throughput_index[q],
        )
        outputs.cost_output[q] = per_second / outputs.tps_decode
        outputs.cost_input[q] = per_second * s_miss
        outputs.cost_cached[q] = per_second * s_hit
        power_kw = average_power_kw(it_kw, duty, load, utilisation.idle_load)
        paid_s = outputs.paid_seconds_per_token[q, INFERENCE]
        wh = wh_per_token(power_kw, inputs.hardware.pue, paid_s)
        outputs.wh_per_token[q] = wh
        outputs.wh_per_query[q] = wh_per_query(wh, workload)
        outputs.tokens_per_s_per_mw[q] = tokens_per_s_per_mw(per_gw, paid_s)
