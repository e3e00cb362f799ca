"""Draws as plain arrays are those of a Dataset."""

from __future__ import annotations

import numpy as np
import pytest

import sim
from sim.engine.draws import draw_arrays
from sim.parameters.scenario import Scenario


@pytest.mark.parametrize("uncertainty", [1.0, 3.0])  # 3: some draws are left out
def test_arrays_are_the_draws_of_a_dataset_with_its_labels(
    base: Scenario, uncertainty: float
) -> None:
    names = ["gw", "rent_per_hour", "hurdle_margin", "gw_2025q4", "pue"]
    changed = sim.load(base.path, set={"model.uncertainty": uncertainty})
    ds = sim.simulate(changed, draws=2_048, keep=names, bad_draws="fail")
    arrays = draw_arrays(changed, 2_048, names)
    for name in (*names, "lab", "landlord", "quarter", "regime"):
        dims, values = arrays[name]
        np.testing.assert_array_equal(values, ds[name].transpose(*dims).values)
