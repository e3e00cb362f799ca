"""Section 2 of the model: throughput per accelerator at the operating point."""

from __future__ import annotations

from typing import NamedTuple

from sim.kernels.formulas.records import WorldRecords
from sim.kernels.jit import jit
from sim.kernels.simd.functions import maximum, minimum, power
from sim.kernels.simd.vectors import where
from sim.model.inputs import Accelerator, Workload

SLO_BANDWIDTH, SLO_COMPUTE, KV_CAPACITY = 0.0, 1.0, 2.0


class OperatingPoint(NamedTuple):
    """Batch that an instance decodes, and what limits it (2.3, 2.4)."""

    batch: float
    binding_constraint: float
    slo_missed: bool
    fits_in_memory: bool


class Decode(NamedTuple):
    """Ingredients of a decode step, per instance (2.1)."""

    weight_bytes: float
    tokens_per_step: float
    bandwidth: float
    flops: float


@jit
def tokens_per_step(draft_tokens: float, acceptance: float) -> float:
    """Expected tokens of a speculative decode step [tokens] (2.1)."""
    most = draft_tokens + 1.0
    return where(acceptance == 1.0, most, (1.0 - power(acceptance, most)) / (1.0 - acceptance))


@jit
def decode(a: Accelerator, w: Workload) -> Decode:
    """Weights, speculation, and achieved bandwidth and FLOP/s of an instance (2.1)."""
    return Decode(
        w.weight_bytes_per_param * w.active_params * w.total_to_active_ratio,
        tokens_per_step(w.draft_tokens, w.draft_acceptance),
        a.accelerators_per_instance * a.hbm_bandwidth_bytes_per_s * a.mbu_decode,
        a.accelerators_per_instance * a.peak_flops_serving * a.mfu_decode,
    )


@jit
def weights_touched(weight_bytes: float, total_to_active_ratio: float, batch: float) -> float:
    """Bytes of weights that a batch reads [B] (2.2).

    More experts are touched as the batch grows.
    """
    return weight_bytes * (1.0 - power(1.0 - 1.0 / total_to_active_ratio, batch))


@jit
def matmul_flop(w: Workload) -> float:
    """FLOP of one sequence's decode step in the weights [FLOP] (2.2)."""
    return (w.draft_tokens + 1.0) * 2.0 * w.active_params


@jit
def attention_flop(w: Workload) -> float:
    """FLOP of one sequence's decode step in attention [FLOP] (2.2)."""
    return (w.draft_tokens + 1.0) * w.attention_flop_per_token_pair * w.mean_context_tokens


@jit
def kv_bytes(w: Workload) -> float:
    """KV cache of one sequence [B] (2.2)."""
    return w.kv_bytes_per_token * w.mean_context_tokens


@jit
def step_time(a: Accelerator, w: Workload, d: Decode, batch: float) -> float:
    """Duration of a decode step at a batch [s] (2.2)."""
    touched = weights_touched(d.weight_bytes, w.total_to_active_ratio, batch)
    weights = maximum(touched / d.bandwidth, matmul_flop(w) * batch / d.flops)
    context = maximum(batch * kv_bytes(w) / d.bandwidth, attention_flop(w) * batch / d.flops)
    return (weights + context + a.step_overhead_s) * (1.0 + w.draft_overhead * w.draft_tokens)


@jit
def operating_point(a: Accelerator, w: Workload, d: Decode) -> OperatingPoint:
    """Largest batch that meets the speed target and fits in HBM (2.3, 2.4)."""
    weights_time = d.weight_bytes / d.bandwidth
    compute_per_sequence = matmul_flop(w) / d.flops
    context_per_sequence = maximum(kv_bytes(w) / d.bandwidth, attention_flop(w) / d.flops)
    at_target = d.tokens_per_step / (
        w.user_speed_tokens_per_s * (1.0 + w.draft_overhead * w.draft_tokens)
    )
    floor = a.min_latency_slack * (a.step_overhead_s + weights_time)
    allowed = maximum(at_target, floor)
    by_bandwidth = (allowed - a.step_overhead_s - weights_time) / context_per_sequence
    by_compute = (allowed - a.step_overhead_s) / (compute_per_sequence + context_per_sequence)
    usable_bytes = a.hbm_usable_fraction * a.accelerators_per_instance * a.hbm_capacity_bytes
    by_memory = (usable_bytes - d.weight_bytes) / kv_bytes(w)
    bound = minimum(by_bandwidth, by_compute)
    binding = where(by_compute < by_bandwidth, SLO_COMPUTE, SLO_BANDWIDTH)
    binding = where(by_memory < bound, KV_CAPACITY, binding)
    batch = maximum(1.0, minimum(bound, by_memory))
    return OperatingPoint(batch, binding, floor > at_target, by_memory >= 1.0)


@jit
def tps_decode(a: Accelerator, d: Decode, batch: float, step_s: float) -> float:
    """Decode throughput [tokens/s per accelerator] (2.5)."""
    return (
        a.throughput_multiplier * d.tokens_per_step * batch / (step_s * a.accelerators_per_instance)
    )


@jit
def tps_prefill(a: Accelerator, w: Workload) -> float:
    """Prefill throughput of uncached input [tokens/s per accelerator] (2.6)."""
    pairs = w.mean_context_tokens * (1.0 + w.cache_hit_rate) / 2.0
    flop = 2.0 * w.active_params + w.attention_flop_per_token_pair * pairs
    return a.throughput_multiplier * a.peak_flops_serving * a.mfu_prefill / flop


@jit
def seconds_per_bundle(w: Workload, decode_tps: float, prefill_tps: float) -> float:
    """Accelerator-seconds of one output token with its input tokens [s] (2.7)."""
    hit = w.cached_prefill_cost_ratio / prefill_tps
    miss = 1.0 / prefill_tps
    inputs = (1.0 - w.cache_hit_rate) * miss + w.cache_hit_rate * hit
    return 1.0 / decode_tps + w.input_output_ratio * inputs


@jit
def tps_train(a: Accelerator, train_active_params: float) -> float:
    """Training throughput [tokens/s per accelerator] (2.8)."""
    flops = a.peak_flops_training * a.mfu_training
    return a.throughput_multiplier * flops / (6.0 * train_active_params)


@jit
def tps_fine_tune(a: Accelerator, active_params: float, lora_share: float) -> float:
    """Fine-tuning throughput; LoRA needs no weight gradients [tokens/s per accelerator] (2.9)."""
    flops = a.peak_flops_training * a.mfu_fine_tune
    return a.throughput_multiplier * flops / ((6.0 - 2.0 * lora_share) * active_params)


@jit
def hbm_resident_bytes_per_sequence(w: Workload, d: Decode, batch: float) -> float:
    """Weights and KV cache read per sequence and step [B] (2.10)."""
    return weights_touched(d.weight_bytes, w.total_to_active_ratio, batch) / batch + kv_bytes(w)


@jit
def hbm_bytes_per_output_token(w: Workload, d: Decode, batch: float) -> float:
    """HBM bytes moved per output token, with writing its input's cache [B] (2.10)."""
    read = hbm_resident_bytes_per_sequence(w, d, batch) / d.tokens_per_step
    return read + w.input_output_ratio * w.kv_bytes_per_token


@jit
def hbm_capacity_per_output_token(w: Workload, d: Decode, batch: float, step_s: float) -> float:
    """HBM footprint times residence per output token [B s] (2.10)."""
    return hbm_resident_bytes_per_sequence(w, d, batch) * step_s / d.tokens_per_step


@jit
def write_throughput(world: WorldRecords) -> None:
    """Write the operating point, throughputs and memory traffic (2.1-2.10, 2.5a)."""
    inputs, outputs = world.inputs, world.outputs
    a, w = inputs.accelerator, inputs.workload
    d = decode(a, w)
    point = operating_point(a, w, d)
    step_s = step_time(a, w, d, point.batch)
    outputs.batch = point.batch
    outputs.step_time_s = step_s
    outputs.user_speed = d.tokens_per_step / step_s
    outputs.binding_constraint = point.binding_constraint
    outputs.slo_missed = where(point.slo_missed, 1.0, 0.0)
    outputs.fits_in_memory = where(point.fits_in_memory, 1.0, 0.0)
    outputs.tps_decode = tps_decode(a, d, point.batch, step_s)
    outputs.tps_prefill = tps_prefill(a, w)
    outputs.tps_train = tps_train(a, inputs.training.train_active_params)
    outputs.tps_fine_tune = tps_fine_tune(a, w.active_params, inputs.prices.lora_share)
    outputs.hbm_bytes_per_output_token = hbm_bytes_per_output_token(w, d, point.batch)
    outputs.hbm_bandwidth_s_per_output_token = (
        outputs.hbm_bytes_per_output_token / a.hbm_bandwidth_bytes_per_s
    )
    outputs.hbm_capacity_byte_s_per_output_token = hbm_capacity_per_output_token(
        w, d, point.batch, step_s
    )
