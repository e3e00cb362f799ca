"""Published answers against the kernels as they are compiled on this machine.

Random123's vectors for the random bits, and "Worked examples" of sim/docs/model.md for the
formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sim.distributions.landlord_capex import calendar_year
from sim.kernels.formulas import buildout, hardware, throughput, training, unit_cost
from sim.kernels.sampling.philox import philox
from sim.model.inputs import Accelerator, Training, Workload
from sim.selftest.check import Check, printed

# Counter; key -> four words: Salmon et al. 2011, kat_vectors of Random123.
PHILOX = (
    ("00000000 00000000 00000000 00000000; 00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff; ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344; a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
)  # fmt: skip


def inputs(group: Any, **values: float) -> Any:
    """A group of inputs; those without a value are nan."""
    return group(*(float(values.get(name, math.nan)) for name in group._fields))


TPUS = inputs(
    Accelerator, accelerators_per_instance=16, peak_flops_serving=1.97e14,
    hbm_bandwidth_bytes_per_s=8.1e11, mbu_decode=1, mfu_decode=1, step_overhead_s=0,
    hbm_capacity_bytes=1.6e10, hbm_usable_fraction=1, max_weight_share_of_hbm=0.99,
)  # fmt: skip
DENSE = inputs(
    Workload, active_params=30e9, total_to_active_ratio=1, weight_bytes_per_param=1,
    kv_bytes_per_token=100e3, mean_context_tokens=8192, attention_flop_per_token_pair=0,
    draft_tokens=0, draft_acceptance=0, draft_overhead=0,
)  # fmt: skip
REFERENCE = inputs(
    Accelerator, accelerators_per_instance=64, peak_flops_serving=5e15, peak_flops_training=2.5e15,
    hbm_bandwidth_bytes_per_s=8e12, hbm_capacity_bytes=1.86e11, hbm_usable_fraction=0.9,
    mbu_decode=0.5, mfu_decode=0.15, mfu_prefill=0.15, mfu_training=0.38, step_overhead_s=0.020,
    latency_exponent=3.5, max_weight_share_of_hbm=0.8, throughput_multiplier=1.55,
)  # fmt: skip
MIX = inputs(
    Workload, active_params=2e11, total_to_active_ratio=12, weight_bytes_per_param=0.75,
    kv_bytes_per_token=7e4, attention_flop_per_token_pair=3e6, mean_context_tokens=2e4,
    cache_hit_rate=0.7, draft_tokens=3, draft_acceptance=0.7, draft_overhead=0.06,
    user_speed_tokens_per_s=45,
)  # fmt: skip
FINAL_RUN = inputs(Training, train_tokens=8e13, rl_compute_ratio=1.5)


def _step_ms(a: Accelerator, w: Workload, batch: float) -> float:
    return 1e3 * throughput.step_time(a, w, throughput.decode(a, w), batch)


def _batch(a: Accelerator, w: Workload) -> float:
    return float(throughput.operating_point(a, w, throughput.decode(a, w)).batch)


def _run_hours(a: Accelerator, params: float, t: Training, goodput: float) -> float:
    return training.run_hours(t, throughput.tps_train(a, params), goodput)


# Name, formula, arguments -> the number as "Worked examples" of sim/docs/model.md prints it.
EXAMPLES: tuple[tuple[str, Callable[..., float], tuple[Any, ...], str], ...] = (
    ("W1 capital recovery factor, 7 %, 5 years",
     hardware.capital_recovery_factor, (0.07, 5.0), ".243891"),
    ("W2 an accelerator's annuity, USD/yr",
     hardware.annuity, (52_020.0, 29_299.2, 0.05, 0.095, 4.2, 16.0), "18694.3"),
    ("W3 a decode step of 16 TPU v5e, batch 256, ms",
     _step_ms, (TPUS, DENSE, 256.0), "21.05"),
    ("W5 sequences in flight in an instance",
     _batch, (REFERENCE, MIX), "1000.6"),
    ("W5 prefill, tokens/s",
     throughput.tps_prefill, (REFERENCE, MIX), "2577.6"),
    ("W6 energy of a token, Wh",
     unit_cost.wh_per_token, (1.07570, 1.2, 516.84e-6), "1.8532e-4"),
    ("W7 the final training run, h",
     _run_hours, (REFERENCE, 6e11, FINAL_RUN, 0.9), "2.3392e8"),
    ("W9 plan in service after 3.2 quarters",
     buildout.planned_gw, (1.0, 3.2, 1.0), ".776"),
    ("W10 accelerators per GW",
     buildout.accelerators_per_gw, (2.0928, 1.35), "353,947"),
    ("W18 Oracle's capex of 2026, USD bn",
     calendar_year, (5, 55.7, 92.5), "74.9"),
)  # fmt: skip


def checks() -> Iterator[Check]:
    """The random bits, on which everything else rests, then the worked examples."""
    right = sum(_philox(counter_and_key) == words for counter_and_key, words in PHILOX)
    count, name = len(PHILOX), "Philox4x32-10, Random123's vectors"
    yield Check(name, f"{right} of {count}", f"{count} of {count}", right == count)
    for name, formula, arguments, expected in EXAMPLES:
        yield printed(name, float(formula(*arguments)), expected)


def _philox(counter_and_key: str) -> str:
    """The four words of a counter and key, all in hexadecimal digits."""
    words = [np.uint64(int(word, 16)) for word in counter_and_key.replace(";", "").split()]
    return " ".join(f"{int(word):08x}" for word in philox(*words))
