"""What tests of identities share: names of layers and regimes, closeness, and changes of inputs."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from random_worlds import REFERENCE, SCALAR_FIELDS, Array, Inputs

from sim.model.declarations import declared
from sim.model.dims import LAYERS, REGIMES, RENTAL_MODES, VIEWS
from sim.model.inputs import HOST_MATRICES, Host, Lab, Landlord

COMPUTE = slice(0, LAYERS.index("revenue_share"))
LAYER = {name: index for index, name in enumerate(LAYERS)}
TRAINING, FINE_TUNE, INFERENCE = range(len(REGIMES))
IN_2026 = slice(REFERENCE + 1)
HOURS_PER_YEAR = 8760
FIELDS = {
    **SCALAR_FIELDS,
    **declared(Lab),
    **declared(Landlord),
    **{name: declared(Host)[field] for field, (name, _) in HOST_MATRICES.items()},
}
MEASURED = tuple(name for name in SCALAR_FIELDS if name.startswith("measured"))

views = st.sampled_from(VIEWS)
rental_modes = st.sampled_from(RENTAL_MODES)
seeds = st.integers(0, 2**32 - 1)


def close(value: Array, expected: Array, of: Array | float = 0.0) -> bool:
    """Equal to 1e-9 of the expected value, or of the largest amount that enters it."""
    return bool((np.abs(value - expected) <= 1e-9 * np.maximum(np.abs(expected), of)).all())


def gross(layers: Array) -> Array:
    """The sum of amounts whatever their sign: a market rent may leave the landlord a loss."""
    return np.abs(layers).sum(axis=-1)


def without(x: Inputs, *names: str) -> Inputs:
    """The same inputs with optional ones missing: NaN, or the value that stands for it."""
    return {**x, **{name: np.full_like(x[name], FIELDS[name].default) for name in names}}


def given_by_lab(x: Inputs, own: str, of_the_draw: str) -> Array:
    """A lab's own rate, or that of the draw where it has none [draw, lab]."""
    return np.where(np.isnan(x[own]), x[of_the_draw][:, None], x[own])


def levies(x: Inputs) -> Array:
    """What partners and overhead take of a lab's revenue [draw, lab]."""
    share = given_by_lab(x, "lab_revenue_share_rate", "revenue_share_rate")
    return share + x["serving_overhead_rate"][:, None]


def accelerators_per_gw(x: Inputs) -> Array:
    """Accelerators of a facility gigawatt [draw]."""
    return 1e6 / (x["accelerator_tdp_kw"] * x["it_power_ratio"] * x["facility_capacity_ratio"])


def averages(x: Inputs, out: dict[str, Array]) -> Array:
    """Facility gigawatts hosted on average over each quarter [draw, lab, landlord, quarter]."""
    stated = x["gw_2025q4"] * x["gw_definition_ratio"][:, None]
    before = (x["host_share_2025"] * stated[..., None])[..., None]
    stock = np.concatenate([before, out["hosted_gw"]], axis=-1)
    return (stock[..., 1:] + stock[..., :-1]) / 2


def standing_still_in_2026(x: Inputs) -> Inputs:
    """The same inputs without growth of gigawatts and revenue, and change of hosts, in 2026."""
    arr = x["arr_2025q4_busd"]
    return {
        **without(x, "arr_2026q1_busd", "arr_2026q2_busd", "arr_2026q3_busd"),
        "gw_2026q4": x["gw_2025q4"],
        "arr_2026q4_busd": arr,
        "host_share_2025": x["host_share_2026"],
    }


def additions(out: dict[str, Array], name: str = "gw") -> Array:
    """Gigawatts added since 2026Q4 at the ends of the quarters of 2027 [draw, lab, quarter]."""
    return out[name][..., REFERENCE + 1 :] - out[name][..., REFERENCE, None]
