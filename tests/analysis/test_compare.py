"""Worlds side by side, and the edits between them."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import ROOT

import sim
from sim.analysis.compare import parse_measure
from sim.common.errors import InputError
from sim.parameters.edits import apply_edits, find_edits, group_edits

DRAWS = 512
SCENARIOS = sorted((ROOT / "params" / "scenarios").glob("*.toml"))
PUE, DUTY = "hardware.pue", "utilisation.duty_cycle_online_inference"


@pytest.fixture(scope="module")
def bear() -> sim.Scenario:
    return sim.load(ROOT / "params" / "scenarios" / "bear.toml")


@pytest.fixture(scope="module")
def edited() -> sim.Scenario:
    changes = {f"{PUE}.median": 1.3, f"{DUTY}.median": 0.3, "model.rental_mode": "market"}
    return sim.load(ROOT / "params" / "base.toml", set=changes)


@pytest.fixture(scope="module")
def comparison(base: sim.Scenario, edited: sim.Scenario) -> object:
    return sim.compare(base, edited, draws=DRAWS)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_all_edits_together_are_the_other_scenario(base: sim.Scenario, path: object) -> None:
    """No draw differs between them, and none of the edits is empty."""
    other = sim.load(str(path))
    edits = find_edits(base, other)
    merged = apply_edits(base, other, edits)
    assert find_edits(merged, other) == []
    assert find_edits(base, apply_edits(base, other, [])) == []
    for edit in edits:
        assert find_edits(base, apply_edits(base, other, [edit])), edit.name


def test_edits_are_listed_with_their_medians(base: sim.Scenario, edited: sim.Scenario) -> None:
    by_name = {edit.name: edit for edit in find_edits(base, edited)}
    assert list(by_name) == ["model.rental_mode", PUE, DUTY]
    assert (by_name["model.rental_mode"].before, by_name["model.rental_mode"].after) == (
        "cost_plus",
        "market",
    )
    assert by_name[PUE].after.startswith("1.3 (")


def test_a_new_note_is_no_edit(base: sim.Scenario) -> None:
    other = sim.load(ROOT / "params" / "base.toml", set={f"{PUE}.note": "measured"})
    assert find_edits(base, other) == []


def test_parts_sum_to_the_difference(comparison) -> None:  # type: ignore[no-untyped-def]
    data = comparison.data
    np.testing.assert_allclose(data.part.sum("edit"), data.difference, atol=1e-12)
    assert (data.part_error >= 0).all()


def test_what_no_edit_reaches_is_identical_in_every_draw(comparison) -> None:  # type: ignore[no-untyped-def]
    of = comparison.data.set_coords("same").sel(measure="p50(gw[openai]@2027Q4)")
    assert bool(of.same)
    assert float(of.difference) == float(of.difference_error) == 0.0
    assert float(np.abs(of.part).sum()) == 0.0


def test_parts_are_the_means_over_all_orders_of_runs(base: sim.Scenario) -> None:
    """Against brute force with `simulate`, for two edits."""
    text = "p50(inference_gross_margin@2026Q4)"
    changes = [{f"{PUE}.median": 1.3}, {f"{DUTY}.median": 0.3}]
    both = sim.load(ROOT / "params" / "base.toml", set=changes[0] | changes[1])
    found = sim.compare(base, both, [text], draws=DRAWS).data.isel(measure=0)

    def median(*of: dict[str, object]) -> float:
        merged = {key: value for change in of for key, value in change.items()}
        scenario = sim.load(ROOT / "params" / "base.toml", set=merged)
        ds = sim.simulate(scenario, draws=DRAWS)
        return float(np.median(ds.inference_gross_margin.sel(quarter="2026Q4")))

    none, one, other, all_ = median(), median(changes[0]), median(changes[1]), median(*changes)
    expected = [(one - none + all_ - other) / 2, (other - none + all_ - one) / 2]
    np.testing.assert_allclose(found.part, expected, atol=1e-12)
    assert float(found.first) == pytest.approx(none, abs=1e-12)
    np.testing.assert_allclose(found.first_in, [one - none, other - none], atol=1e-12)


@pytest.mark.long
def test_rental_price_of_bear_acts_only_with_the_rental_mode(
    base: sim.Scenario, bear: sim.Scenario
) -> None:
    found = sim.compare(base, bear, ["p50(inference_gross_margin@2027Q4)"], draws=2048)
    price = found.data.isel(measure=0).sel(edit="hardware.rental_price_usd_per_hour")
    assert float(price.first_in) == 0.0
    assert float(price.part) > 4 * float(price.part_error)
    interaction = found.data.interaction.isel(measure=0)
    pair = "model.rental_mode x hardware.rental_price_usd_per_hour"
    assert float(interaction.sel(pair=pair)) > 0


def test_a_group_of_edits_is_one(base: sim.Scenario, edited: sim.Scenario) -> None:
    edits = group_edits(find_edits(base, edited), {"machines": ["hardware.*", DUTY]})
    assert [edit.name for edit in edits] == ["model.rental_mode", "machines"]
    assert edits[1].keys == (PUE, DUTY)
    with pytest.raises(InputError, match=r"no edit 'hardware\.peu'"):
        group_edits(find_edits(base, edited), {"g": ["hardware.peu"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p50(gw[openai]@2027Q5)", "unknown quarter"),
        ("P(gw[openai]@2027Q4)", "P takes an event"),
        ("mean(gw[openai]@2027Q4 > 3)", "'mean' takes a value"),
        ("p120(gw[openai]@2027Q4)", "level between 0 and 100"),
        ("P(inference_gross_margin@2026Q4 >= 70)", "fractions: 0.70"),
    ],
)
def test_another_statistic_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_measure(text)


def test_a_lab_that_one_world_lacks_is_refused(base: sim.Scenario, bear: sim.Scenario) -> None:
    with pytest.raises(InputError, match="'opnai' is not in either world"):
        sim.compare(base, bear, ["p50(gw[opnai]@2027Q4)"], draws=64)
