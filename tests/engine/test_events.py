"""A probability is declared once; comparisons, dims and statistics follow."""

from __future__ import annotations

import numpy as np
import pytest
from drawing import drawn

import sim
from sim.model.catalogue import probability_dims
from sim.model.outputs import EVERY_THRESHOLD, FIRST_THRESHOLD, PROBABILITIES, Probability
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset

DRAWS, KEPT = 10_000, 8_192
NEW = {
    "p_new_each": Probability("lab_paid_margin", "each lab by a number", ">", 0.6),
    "p_new_input": Probability("gross_margin", "by an input that is drawn", ">=", "hurdle_margin"),
    "p_new_levels": Probability("hosted_gw_landlord", "by every level", ">=", EVERY_THRESHOLD),
    "p_new_named": Probability("compute_bill", "all named labs", ">=", 30.0, "all named"),
    "p_new_two": Probability("gw", "two labs at a level", ">=", FIRST_THRESHOLD, "at least two"),
    "p_new_two_of_lab": Probability("training_moic", "two labs", ">", 1.2, "at least two"),
}


@pytest.mark.parametrize("name", NEW)
def test_a_declared_probability_has_the_same_value_from_kernels_and_from_draws(
    base: Scenario, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    probability = NEW[name]
    monkeypatch.setitem(PROBABILITIES, name, probability)
    probability_dims.cache_clear()
    keep = [probability.of, "hurdle_margin"]
    all_kept = make_dataset(drawn(base, DRAWS, keep=keep, kept_draws=2 * KEPT))
    beyond = make_dataset(drawn(base, DRAWS, keep=keep, kept_draws=KEPT))
    assert all_kept[name].dims == probability_dims(name) == beyond[name].dims
    values = all_kept[probability.of]
    level = {
        EVERY_THRESHOLD: all_kept["threshold"],
        FIRST_THRESHOLD: all_kept["threshold"][0],
        "hurdle_margin": all_kept["hurdle_margin"],
    }.get(probability.threshold, probability.threshold)  # type: ignore[call-overload]
    passes = values >= level if probability.relation == ">=" else values > level
    valid = values.notnull()
    if probability.count == "all named":
        passes, valid = passes.sel(lab=list(base.settings.named_labs)).all("lab"), valid.all("lab")
    elif probability.count == "at least two":
        passes, valid = passes.sum("lab") >= 2, valid.all("lab")
    expected = (passes & valid).sum("draw") / valid.sum("draw")
    expected = expected.transpose(*probability_dims(name))
    for ds in (all_kept, beyond):
        np.testing.assert_array_equal(ds[name], expected)
        summary = sim.summarise(ds, [name])
        np.testing.assert_allclose(summary[name], expected, rtol=1e-15)
        assert summary[f"{name}_error"].dims == probability_dims(name)
    probability_dims.cache_clear()


def test_probabilities_at_least_and_above_differ_for_a_value_on_the_threshold(
    base: Scenario,
) -> None:
    """It passes >= and does not pass >."""
    ds = sim.simulate(base, draws=64)
    at = ds.assign(gw=ds.gw * 0 + 10.0)  # exactly on the first threshold
    assert float(sim.summarise(at, ["p_gw_above"]).p_gw_above.sel(threshold=10).max()) == 0.0
    above = ds.assign(gw=ds.gw * 0 + np.nextafter(10.0, 11.0))
    assert float(sim.summarise(above, ["p_gw_above"]).p_gw_above.sel(threshold=10).min()) == 1.0
    margin = ds.assign(inference_gross_margin=ds.inference_gross_margin * 0 + ds.hurdle_margin)
    names = ["p_margin_above_hurdle"]
    assert float(sim.summarise(margin, names).p_margin_above_hurdle.min()) == 1.0
