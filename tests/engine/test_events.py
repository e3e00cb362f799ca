"""A probability is declared once; comparisons, dims and statistics follow."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawing import drawn

import sim
from sim.engine.events import indicator_set
from sim.engine.histograms import count_indicators
from sim.model.blocks import REPLICATES, replicate_of
from sim.model.catalogue import DIMS, probability_dims
from sim.model.dims import QUARTERS, REGIMES
from sim.model.outputs import EVERY_THRESHOLD, FIRST_THRESHOLD, PROBABILITIES, Probability
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset

Array = np.ndarray[Any, Any]
DRAWS, KEPT = 10_000, 8_192
LEVEL = 10.0
NEAR = [np.nextafter(LEVEL, -np.inf), LEVEL, np.nextafter(LEVEL, np.inf), -np.inf, np.inf]
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


# Every comparison of values that lie on their threshold, a bit beside it, or nowhere


def on_thresholds(
    rng: np.random.Generator, labs: int, landlords: int, draws: int, with_nan: Sequence[str]
) -> dict[str, Array]:
    """Draws [..., draw] of what probabilities compare: of `NEAR`, and some NaN."""
    sizes = {
        "lab": labs, "landlord": landlords, "quarter": len(QUARTERS), "regime": len(REGIMES),
    }  # fmt: skip
    names = {p.of for p in PROBABILITIES.values()} | {"hurdle_margin"}
    values = {}
    for name in sorted(names):
        shape = [sizes[dim] for dim in DIMS[name]] if name in DIMS else []
        values[name] = rng.choice(NEAR, (*shape, draws))
        if name in with_nan:
            values[name][rng.random(values[name].shape) < 0.05] = np.nan
    return values


def count_by_declaration(
    probability: Probability, values: Mapping[str, Array], labs: list[str], named: list[str]
) -> tuple[Array, Array]:
    """Indicators [..., draw] of an event and of known draws, as the declaration has them."""
    of = values[probability.of]
    threshold = values.get(str(probability.threshold), LEVEL)
    with np.errstate(invalid="ignore"):
        passes = of >= threshold if probability.relation == ">=" else of > threshold
    known = ~np.isnan(of) & ~np.isnan(np.broadcast_to(threshold, of.shape))
    if probability.count == "all named":
        passes, known = passes[[labs.index(lab) for lab in named]].all(axis=0), known.all(axis=0)
    elif probability.count == "at least two":
        passes, known = passes.sum(axis=0) >= 2, known.all(axis=0)
    return passes & known, known


@pytest.mark.parametrize("sampler", ["stratified", "sobol"])
@pytest.mark.parametrize("left_out", [0.0, 0.1])
@pytest.mark.parametrize("labs", [2, 4])
@pytest.mark.parametrize(
    "with_nan", ["nowhere", "in what is compared", "in what it is compared with"]
)
@pytest.mark.parametrize("hurdle", ["fixed", "drawn"])
def test_events_of_values_on_their_thresholds_are_those_of_the_declaration(
    monkeypatch: pytest.MonkeyPatch,
    sampler: str, left_out: float, labs: int, with_nan: str, hurdle: str,
) -> None:  # fmt: skip
    for name, new in NEW.items():
        level = EVERY_THRESHOLD if isinstance(new.threshold, float) else new.threshold
        monkeypatch.setitem(
            PROBABILITIES, name, Probability(new.of, new.meaning, new.relation, level, new.count)
        )
    for name, probability in list(PROBABILITIES.items()):
        if isinstance(probability.threshold, float):  # values lie on LEVEL and beside it
            monkeypatch.setitem(PROBABILITIES, name, replace(probability, threshold=LEVEL))
    probability_dims.cache_clear()
    rng, draws = np.random.default_rng(labs), 1_700
    names = [] if with_nan == "nowhere" else ["hurdle_margin"]
    if with_nan == "in what is compared":
        names = [p.of for p in PROBABILITIES.values()]
    values = on_thresholds(rng, labs, 2, draws, names)
    counted = rng.random(draws) >= left_out
    compared = [name for name in values if hurdle == "drawn" or name != "hurdle_margin"]
    ends = np.cumsum([0, *(values[name][..., 0].size for name in compared)])
    columns = {
        name: np.arange(*ends[i : i + 2]).reshape(values[name].shape[:-1])
        for i, name in enumerate(compared)
    }
    if hurdle == "fixed":
        values["hurdle_margin"] = np.full(draws, LEVEL)
    store = np.concatenate([values[name].reshape(-1, draws) for name in compared])
    ids = list("abcd")[:labs]
    declared = indicator_set(
        columns, {"hurdle_margin": np.array(LEVEL)} if hurdle == "fixed" else {}, ids, ["a", "b"],
        [LEVEL],
    )  # fmt: skip
    unknown = np.isnan(store).any(axis=1)
    counts = count_indicators(store, counted, sampler, declared.events, unknown)
    replicate = replicate_of(np.arange(draws), sampler)
    shapes = {name: indices.shape for name, indices in columns.items()}
    seen = set()
    for name, chosen, _ in declared.by_name(shapes):
        seen.add(name)
        expected = count_by_declaration(PROBABILITIES[name], values, ids, ["a", "b"])
        for count, mask in zip(counts, expected, strict=True):
            rows = (mask & counted).reshape(-1, draws)
            by_replicate = [np.bincount(replicate, row, REPLICATES) for row in rows]
            np.testing.assert_array_equal(count[chosen], by_replicate, err_msg=name)
    assert seen == set(PROBABILITIES)
    probability_dims.cache_clear()


def test_a_probability_of_all_named_labs_needs_every_one_of_them_in_the_scenario() -> None:
    columns = {"gw": np.arange(16).reshape(2, 8)}
    shapes = {"gw": (2, 8)}
    for named, labs in itertools.product((["a"], ["b", "a"], ["a", "z"], ["z"]), (["a", "b"],)):
        declared = indicator_set(columns, {}, labs, named, [LEVEL])
        names = {name for name, *_ in declared.by_name(shapes)}
        assert ("p_both_named" in names) == (set(named) <= set(labs)), named
