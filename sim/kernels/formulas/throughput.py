"""Section 2 of the model: throughput per accelerator at the operating point."""

from __future__ import annotations

from typing import NamedTuple

from sim.kernels.jit import jit
from sim.kernels.simd.functions import is_nan, maximum, minimum, power
from sim.kernels.simd.vectors import where
from sim.model.inputs import Accelerator, Workload
from sim.model.world_records import WorldRecords

LARGEST_BATCH = 1e7


class OperatingPoint(NamedTuple):
    """What an instance decodes at the promised speed (2.3-2.5, 2.11)."""

    batch: float  # sequences in flight [1]
    speed: float  # delivered to a user [tokens/s]
    full_batch_speed: float  # v_0 [tokens/s]
    half_speed: float  # v_h [tokens/s]
    kept_throughput: float  # phi: what the promised speed leaves of the roofline [1]
    tps: float  # by the roofline and phi [tokens/s per accelerator]
    unreachable: bool


class Decode(NamedTuple):
    """Ingredients of a decode step, per instance (2.0, 2.1)."""

    accelerators: float
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
def usable_hbm_bytes(a: Accelerator) -> float:
    """HBM of an accelerator for weights and KV cache [B] (2.0)."""
    return a.hbm_usable_fraction * a.hbm_capacity_bytes


@jit
def instance_accelerators(a: Accelerator, weight_bytes: float, kv_bytes: float) -> float:
    """G: accelerators of an instance, as many as the model needs; not rounded [1] (2.0).

    Weights take no more than their share of HBM, and one sequence fits beside them.
    """
    usable = usable_hbm_bytes(a)
    for_weights = weight_bytes / (a.max_weight_share_of_hbm * usable)
    for_a_sequence = (weight_bytes + kv_bytes) / usable
    return maximum(a.accelerators_per_instance, maximum(for_weights, for_a_sequence))


@jit
def decode(a: Accelerator, w: Workload) -> Decode:
    """Size, weights, speculation, and achieved bandwidth and FLOP/s of an instance (2.0, 2.1)."""
    weight_bytes = w.weight_bytes_per_param * w.active_params * w.total_to_active_ratio
    accelerators = instance_accelerators(a, weight_bytes, kv_bytes(w))
    return Decode(
        accelerators,
        weight_bytes,
        tokens_per_step(w.draft_tokens, w.draft_acceptance),
        accelerators * a.hbm_bandwidth_bytes_per_s * a.mbu_decode,
        accelerators * a.peak_flops_serving * a.mfu_decode,
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
def largest_batch(a: Accelerator, w: Workload, d: Decode) -> float:
    """B_0: sequences that fit in memory beside the weights [1] (2.3)."""
    for_kv = usable_hbm_bytes(a) * d.accelerators - d.weight_bytes
    return minimum(maximum(for_kv / kv_bytes(w), 1.0), LARGEST_BATCH)


@jit
def half_speed(a: Accelerator, w: Workload, d: Decode) -> float:
    """v_h: speed of a step that does nothing but its fixed latency [tokens/s] (2.4)."""
    latency = a.step_overhead_s + d.weight_bytes / d.bandwidth
    return d.tokens_per_step / (latency * (1.0 + w.draft_overhead * w.draft_tokens))


@jit
def kept_throughput(
    speed: float, full_batch_speed: float, half_speed: float, exponent: float
) -> float:
    """phi: share of the roofline that is left at a speed; 1 at the full batch's [1] (2.5)."""
    at_full_batch = 1.0 + power(full_batch_speed / half_speed, exponent)
    return at_full_batch / (1.0 + power(speed / half_speed, exponent))


@jit
def operating_point(a: Accelerator, w: Workload, d: Decode) -> OperatingPoint:
    """The full batch's roofline, less what the promised speed costs (2.3-2.5, 2.11)."""
    full_batch = largest_batch(a, w, d)
    step_s = step_time(a, w, d, full_batch)
    full_batch_speed = d.tokens_per_step / step_s
    half = half_speed(a, w, d)
    speed = maximum(w.user_speed_tokens_per_s, full_batch_speed)
    kept = kept_throughput(speed, full_batch_speed, half, a.latency_exponent)
    in_flight = full_batch * (full_batch_speed / speed) * kept
    return OperatingPoint(
        maximum(1.0, in_flight),
        speed,
        full_batch_speed,
        half,
        kept,
        full_batch_speed * full_batch / d.accelerators * kept,
        in_flight < 1.0,
    )


@jit
def unless_measured(measured: float, computed: float) -> float:
    """A measured throughput in place of the computed one, where it is given (2.5, 2.6, 2.8)."""
    return where(is_nan(measured), computed, measured)


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
    return a.peak_flops_training * a.mfu_training / (6.0 * train_active_params)


@jit
def tps_fine_tune(a: Accelerator, active_params: float, lora_share: float) -> float:
    """Fine-tuning throughput; LoRA needs no weight gradients [tokens/s per accelerator] (2.9)."""
    flops = a.peak_flops_training * a.mfu_fine_tune
    return flops / ((6.0 - 2.0 * lora_share) * active_params)


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
def hbm_capacity_per_output_token(w: Workload, d: Decode, batch: float, speed: float) -> float:
    """HBM footprint times residence per output token [B s] (2.10)."""
    return hbm_resident_bytes_per_sequence(w, d, batch) / speed


@jit
def write_throughput(world: WorldRecords) -> None:
    """Write the operating point, throughputs and memory traffic (2.0-2.11)."""
    inputs, outputs = world.inputs, world.outputs
    a, w = inputs.accelerator, inputs.workload
    d = decode(a, w)
    point = operating_point(a, w, d)
    outputs.instance_accelerators = d.accelerators
    outputs.instance_grown = where(d.accelerators > a.accelerators_per_instance, 1.0, 0.0)
    outputs.batch = point.batch
    outputs.step_time_s = d.tokens_per_step / point.speed
    outputs.user_speed = point.speed
    outputs.full_batch_speed = point.full_batch_speed
    outputs.half_speed = point.half_speed
    outputs.speed_cost = 1.0 - point.kept_throughput
    outputs.speed_unreachable = where(point.unreachable, 1.0, 0.0)
    outputs.tps_decode = unless_measured(a.measured_tps_decode, a.throughput_multiplier * point.tps)
    outputs.tps_prefill = unless_measured(a.measured_tps_prefill, tps_prefill(a, w))
    outputs.tps_train = unless_measured(
        a.measured_tps_train, tps_train(a, inputs.training.train_active_params)
    )
    outputs.tps_fine_tune = tps_fine_tune(a, w.active_params, inputs.prices.lora_share)
    outputs.hbm_bytes_per_output_token = hbm_bytes_per_output_token(w, d, point.batch)
    outputs.hbm_bandwidth_s_per_output_token = (
        outputs.hbm_bytes_per_output_token / a.hbm_bandwidth_bytes_per_s
    )
    outputs.hbm_capacity_byte_s_per_output_token = hbm_capacity_per_output_token(
        w, d, point.batch, point.speed
    )
