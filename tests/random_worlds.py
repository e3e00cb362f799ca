"""Inputs to test with: draws of the base case, and worlds spread over the declared domains."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from conftest import ROOT
from hypothesis import settings
from hypothesis import strategies as st
from naive import MATRICES
from numpy.typing import NDArray

import sim
from sim.model.catalogue import OUTPUTS
from sim.model.declarations import Field, declared, subgroups
from sim.model.dims import QUARTERS, REFERENCE_QUARTER
from sim.model.inputs import ARR_FIELDS, ARR_POINTS, Lab, Landlord, Scalars
from sim.model.outputs import PROBABILITIES

# An example is a batch of draws, so a few are many worlds.
settings.register_profile("batches", deadline=None, derandomize=True, max_examples=8)
settings.load_profile("batches")

Array = NDArray[Any]
Inputs = dict[str, Array]


class Batch(Inputs):
    """Inputs that a failing test prints as the call that made them."""

    def __init__(self, call: str, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.call = call

    def __repr__(self) -> str:
        return self.call


REFERENCE = QUARTERS.index(REFERENCE_QUARTER)
SCALAR_FIELDS = {
    name: field for group in subgroups(Scalars).values() for name, field in declared(group).items()
}

FIELDS: dict[str, Field] = {**SCALAR_FIELDS, **declared(Lab), **declared(Landlord)}

# Ranges for quantities whose declared domain has an end at which nothing can be compared (a price
# or a duty of zero, a plan of 1,000 GW); all others are spread over their whole domain.  Of an
# optional quantity MISSING_IN of the draws have none.
MISSING_IN = 0.4
PULLED_IN: dict[str, tuple[float, float]] = {
    # workload
    "kv_bytes_per_token": (1e3, 5e6),
    "attention_flop_per_token_pair": (1e4, 1e9),
    "input_output_ratio": (0.1, 1e3),
    # accelerator
    "measured_tps_decode": (1, 1e6),
    "measured_tps_prefill": (1, 1e6),
    "measured_tps_train": (1, 1e6),
    # utilisation
    "duty_cycle_frontier_training": (0.01, 1),
    "duty_cycle_fine_tune": (0.01, 1),
    "duty_cycle_online_inference": (0.01, 1),
    "goodput_frontier_training": (0.05, 1),
    "goodput_fine_tune": (0.05, 1),
    "goodput_online_inference": (0.05, 1),
    # prices and finance
    "price_input_usd_per_mtok": (0.01, 1e3),
    "price_output_usd_per_mtok": (0.01, 1e4),
    "price_fine_tune_usd_per_mtok": (0.01, 1e4),
    "subscription_realisation": (0.01, 10),
    "hurdle_margin": (0, 0.95),
    # build-out, caps from tight to loose; a crunch leaves some of the plan in every quarter, or
    # what is wanted next, and with it a scale, would be nothing but rounding
    "power_additions_cap_gw_per_year": (0.1, 50),
    "capital_crunch_multiplier": (0.05, 1),
    "gw_2025q4": (0.05, 10),
    "gw_2026q4": (0.05, 20),
    "planned_additions_2027_gw": (0.01, 20),
    "lab_delay_quarters": (0, 6),
    "capex_2026_busd": (1, 1e3),
    "capex_growth_2027": (0.3, 3),
    # labs' revenue
    "arr_2025q4_busd": (0.1, 1e3),
    **dict.fromkeys(ARR_POINTS, (0.1, 1e3)),
    "arr_2026q4_busd": (0.1, 1e3),
    "arr_growth_2027": (0.1, 10),
    # some hours are left for training, and book lives stay above a year
    "inference_share": (0, 0.65),
    "book_life_offset_years": (-2, 10),
}


def _spread(rng: np.random.Generator, name: str, field: Field, shape: tuple[int, ...]) -> Array:
    """Numbers over a domain, and the default of an optional field where it is missing."""
    numbers = _within_domain(rng, name, field, shape)
    if not field.optional or name in ARR_FIELDS:
        return numbers
    return np.where(rng.random(shape) < MISSING_IN, field.default, numbers)


def _within_domain(
    rng: np.random.Generator, name: str, field: Field, shape: tuple[int, ...]
) -> Array:
    """Numbers over a domain: uniform, and uniform in the log where it spans magnitudes."""
    low, high = PULLED_IN.get(name, (field.lo, field.hi))
    if field.whole or field.flag:
        return rng.integers(int(low), int(high), shape, endpoint=True).astype(float)
    if low > 0 and high / low >= 50:
        return np.exp(rng.uniform(np.log(low), np.log(high), shape))
    return rng.uniform(low, high, shape)


def _shares(rng: np.random.Generator, labs: int, landlords: int) -> Array:
    """Rows that sum to one, with zeros in them where there is more than one landlord."""
    weight = rng.exponential(size=(labs, landlords)) * (rng.random((labs, landlords)) < 0.6)
    weight[np.arange(labs), rng.integers(0, landlords, labs)] += 0.1
    return weight / weight.sum(axis=1, keepdims=True)


def spread_over_domains(draws: int, labs: int, landlords: int, seed: int) -> Inputs:
    """Independent random inputs over the declared domains of every quantity."""
    rng = np.random.default_rng(seed)
    x = {name: _spread(rng, name, field, (draws,)) for name, field in SCALAR_FIELDS.items()}
    for group, size in ((Lab, labs), (Landlord, landlords)):
        for name, field in declared(group).items():
            x[name] = _spread(rng, name, field, (draws, size))
    silent = rng.random(labs) < 0.3
    for name in (*ARR_FIELDS, *ARR_POINTS):
        x[name][:, silent] = np.nan
    for shock in ("eps_price", "eps_duty", "eps_power"):
        x[shock] = np.zeros((draws, len(QUARTERS)))
        x[shock][:, REFERENCE + 1 :] = rng.standard_normal((draws, len(QUARTERS) - REFERENCE - 1))
    x["capital_crunch"] = rng.integers(0, 2, draws).astype(float)
    x["host_share_2026"] = _shares(rng, labs, landlords)
    x["host_share_2027"] = _shares(rng, labs, landlords)
    missing = rng.random((labs, 1)) < MISSING_IN
    x["host_share_2025"] = np.where(missing, x["host_share_2026"], _shares(rng, labs, landlords))
    invested = rng.random((labs, landlords)) >= MISSING_IN
    x["host_equity_busd"] = np.where(invested, rng.uniform(0, 1e4, (labs, landlords)), 0.0)
    x["captive"] = rng.integers(0, 2, (labs, landlords)).astype(float)
    x["rpo_lab_share"] = rng.uniform(0, 1 / labs, (landlords, labs))
    return x


@cache
def _base_case(draws: int) -> Inputs:
    ds = sim.simulate(sim.load(ROOT / "params" / "base.toml"), draws=draws, seed=1, keep="all")
    names = [str(name) for name in ds if name not in OUTPUTS and name not in PROBABILITIES]
    return {
        name: ds[name].values
        if name in MATRICES
        else np.broadcast_to(
            ds[name].values, (draws, *ds[name].isel(draw=0, missing_dims="ignore").shape)
        )
        for name in names
    }


def base_case(draws: int, first: int = 0) -> Inputs:
    """Inputs of draws `first` ... `first + draws - 1` of the base case."""
    rows = slice(first, first + draws)
    inputs = _base_case(2048)
    return {name: x if name in MATRICES else x[rows] for name, x in inputs.items()}


@st.composite
def from_base_case(draw: st.DrawFn, draws: int = 64) -> Inputs:
    """A batch of draws of the base case."""
    first = draw(st.integers(0, 2048 - draws))
    return Batch(f"base_case({draws}, {first})", base_case(draws, first))


@st.composite
def from_domains(draw: st.DrawFn, draws: int = 64) -> Inputs:
    """A batch of draws over the domains, with few labs and landlords of any kind."""
    size = st.integers(1, 4)
    labs, landlords, seed = draw(size), draw(size), draw(st.integers(0, 2**32 - 1))
    call = f"spread_over_domains({draws}, {labs}, {landlords}, {seed})"
    return Batch(call, spread_over_domains(draws, labs, landlords, seed))


def anywhere(draws: int = 64) -> st.SearchStrategy[Inputs]:
    """Inputs of the base case or of anywhere in the domains."""
    return st.one_of(from_base_case(draws), from_domains(draws))


def multiplied(x: Inputs, factor: float | Array, *names: str) -> Inputs:
    """The same inputs with some of them times a factor, which may differ by draw."""
    by_draw = np.broadcast_to(factor, len(x["pue"]))
    return {**x, **{name: (x[name].T * by_draw).T for name in names}}


def replaced(x: Inputs, **values: float) -> Inputs:
    """The same inputs with some of them given in every draw, lab and landlord."""
    return {**x, **{name: np.full_like(x[name], value) for name, value in values.items()}}
