"""Draws as plain arrays are those of a Dataset."""

from __future__ import annotations

import numpy as np

import sim
from sim.engine.draws import draw_arrays
from sim.parameters.scenario import Scenario


def test_arrays_are_the_draws_of_a_dataset_with_its_labels(base: Scenario) -> None:
    names = ["gw", "rent_per_hour", "hurdle_margin", "gw_2025q4", "pue"]
    ds = sim.simulate(base, draws=2_048, keep=names)
    arrays = draw_arrays(base, 2_048, names)
    for name in (*names, "lab", "landlord", "quarter", "regime"):
        dims, values = arrays[name]
        np.testing.assert_array_equal(values, ds[name].transpose(*dims).values)
