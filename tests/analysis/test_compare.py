"""Worlds side by side, and the edits between them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import sim
from sim.analysis.compare import compare_runs, measure_run
from sim.analysis.measures import common_measures, headline_measures, parse_measure
from sim.common.errors import InputError
from sim.parameters.edits import apply_edits, find_edits, group_edits
from sim.statistics.replicates import replicated

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


@pytest.mark.parametrize("median", [1.2001, 1.2000001])
def test_texts_of_a_small_edit_tell_it_apart(base: sim.Scenario, median: float) -> None:
    other = sim.load(ROOT / "params" / "base.toml", set={f"{PUE}.median": median})
    (edit,) = find_edits(base, other)
    assert edit.before != edit.after
    assert "," not in edit.after
    assert edit.after.startswith(f"{median} (")


def test_other_loads_are_said_where_the_numbers_are_the_same(base: sim.Scenario) -> None:
    other = sim.load(ROOT / "params" / "base.toml", set={f"{PUE}.loads.power": 0.123})
    (edit,) = find_edits(base, other)
    assert edit.after == f"{edit.before}, other loads"


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
    with pytest.raises(InputError, match=f"'{DUTY}' is an edit: expected another name"):
        group_edits(find_edits(base, edited), {DUTY: ["hardware.*"]})


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


def test_the_share_of_draws_above_is_of_pairs_and_of_draws_that_both_have(
    base: sim.Scenario, edited: sim.Scenario
) -> None:
    measures = [parse_measure("p50(inference_gross_margin@2026Q4)")]
    runs = [sim.simulate(of, draws=DRAWS, seed=1) for of in (base, edited)]
    kept = [runs[0].isel(draw=slice(7, None)), runs[1].isel(draw=slice(None, -9))]
    measured = [measure_run(ds, of, measures) for ds, of in zip(kept, (base, edited), strict=True)]
    found = compare_runs(*measured, measures)
    margins = [ds.inference_gross_margin.sel(quarter="2026Q4").values for ds in runs]
    of_both = slice(7, -9)
    expected = float((margins[1][of_both] > margins[0][of_both]).mean())
    assert float(found.data.p_above[0]) == expected
    assert found.draws == DRAWS - 16
    assert float(found.data["first"][0]) == float(np.median(margins[0][7:]))
    assert float(found.data.difference[0]) == pytest.approx(
        np.median(margins[1][:-9]) - np.median(margins[0][7:]), abs=1e-12
    )


def test_runs_compare_as_their_scenarios_do(base: sim.Scenario, edited: sim.Scenario) -> None:
    """Draws that are kept and draws that are made for it have the same bits."""
    measures = headline_measures(base)
    runs = [measure_run(sim.simulate(of, draws=DRAWS), of, measures) for of in (base, edited)]
    found = compare_runs(*runs, measures).data
    drawn = sim.compare(base, edited, draws=DRAWS, attributed=False).data
    assert found.identical(drawn)


@pytest.mark.parametrize(
    ("changes", "pairs"),
    [({}, True), ({"uncertainty": 0.5}, True), ({"seed": 2}, False), ({"sampler": "random"}, False),
     ({"draws": 320}, False)],
)  # fmt: skip
def test_runs_are_paired_only_where_seed_sampler_and_draws_are_the_same(
    base: sim.Scenario, changes: dict[str, object], pairs: bool
) -> None:
    measures = [parse_measure("p50(gw[xai]@2027Q4)")]
    common: dict[str, object] = {"draws": 256, "seed": 1, "sampler": "stratified"}
    runs = [
        measure_run(sim.simulate(base, **(common | of)), base, measures)  # type: ignore[arg-type]
        for of in ({}, changes)
    ]
    found = compare_runs(*runs, measures)
    assert bool(np.isfinite(found.data.difference[0])) == pairs
    assert (found.draws > 0) == pairs


@pytest.mark.parametrize("level", [5, 50, None])
def test_errors_of_paired_differences_are_their_spread_over_seeds(level: int | None) -> None:
    """Quantiles of distributions that share their noise differ by more than a replicate's."""
    value = "inference_gross_margin@2026Q4"
    measure = parse_measure(f"p{level}({value})" if level else f"P({value} > 1)")
    rng = np.random.default_rng(4)
    replicates = replicated(4_000, "random")
    pairs = []
    for _ in range(300):
        one = rng.normal(size=4_000)
        both = [one, one + 0.05 * (1 + rng.normal(size=4_000))]
        draws = [[of if level else (of > 1).astype(float)] for of in both]
        first, second = (measure.of(of, replicates)[0] for of in draws)
        pairs.append((second - first, measure.difference_error(*draws, replicates)))
    values, errors = np.array(pairs).T
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.2)


def test_a_batch_stands_for_its_scenarios_and_a_sweep_for_its_points(base: sim.Scenario) -> None:
    path, key, text = ROOT / "params" / "base.toml", f"{PUE}.median", "p50(hardware.pue)"
    others = {f"pue {pue:g}": sim.load(path, set={key: pue}) for pue in (1.1, 1.3)}
    batch = sim.simulate_many({"base": base, **others}, draws=128, keep=["gw"])
    of_batch = sim.compare_all([batch], [text], draws=128)
    swept = sim.sweep(path, {key: [1.1, 1.3]}, [text], draws=128)
    of_sweep = sim.compare_all([base, swept], [text], draws=128)
    assert [(of.first, of.second) for of in of_batch] == [("base", name) for name in others]
    assert [of.second for of in of_sweep] == [f"{key} = 1.1", f"{key} = 1.3"]
    for one, other, scenario in zip(of_batch, of_sweep, others.values(), strict=True):
        expected = sim.compare(base, scenario, [text], draws=128)
        assert [edit.name for edit in one.edits] == [edit.name for edit in other.edits] == [PUE]
        assert one.data.identical(expected.data)
        assert other.data.identical(expected.data)
    with pytest.raises(InputError, match="3 worlds: compare_all"):
        sim.compare(base, swept, [text], draws=128)


def test_a_file_is_compared_with_itself_without_its_changes() -> None:
    path, text = ROOT / "params" / "base.toml", "p95(hardware.pue)"
    found = sim.compare(path, set={"model.uncertainty": 0.5}, outputs=[text], draws=128)
    assert found.second == "base edited"
    assert [edit.name for edit in found.edits] == ["model.uncertainty"]
    assert float(found.data.difference[0]) < 0  # a narrower world
    assert float(found.data.part[0, 0]) == float(found.data.difference[0])
    with pytest.raises(InputError, match="expected two worlds, or one file with --set"):
        sim.compare(path)


def test_labs_that_one_scenario_lacks_have_no_rows(base: sim.Scenario, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "params", tmp_path / "params")
    overlay = tmp_path / "params" / "without.toml"
    overlay.write_text('format = 1\nextends = "base.toml"\n[labs.openai]\nremove = true\n'
                       '[model]\nnamed_labs = ["anthropic"]\n')  # fmt: skip
    without = sim.load(overlay)
    texts = [measure.text for measure in common_measures([base, without])]
    assert not any("openai" in text for text in texts)
    assert any("anthropic" in text for text in texts)
    found = sim.compare(base, without, draws=128)
    assert [edit.name for edit in found.edits] == ["model.named_labs", "labs.openai"]
    np.testing.assert_allclose(found.data.part.sum("edit"), found.data.difference, atol=1e-12)
    gw = found.data.sel(measure="p50(gw[anthropic]@2027Q4)")
    assert float(gw.part.sel(edit="labs.openai")) > 0  # what is left of a cap on all additions
    assert float(gw.part.sel(edit="model.named_labs")) == 0
    with pytest.raises(InputError, match="'openai' is not in both worlds"):
        sim.compare(base, without, ["p50(gw[openai]@2027Q4)"], draws=64)


def test_rows_of_a_landlord_are_added_and_the_headline_stays(base: sim.Scenario) -> None:
    usual = [measure.text for measure in headline_measures(base)]
    more = [measure.text for measure in headline_measures(base, landlords=["oracle"])]
    assert more[: len(usual)] == usual
    assert any("landlord_gross_margin[oracle]" in text for text in more)
    narrow = [m.text for m in headline_measures(base, ["xai"], ["2027Q2"])]
    assert narrow[0] == "p5(inference_gross_margin@2027Q2)"
    assert [text for text in narrow if "[" in text] == [text for text in narrow if "[xai]" in text]


def test_a_comparison_shows_itself_in_a_notebook(comparison) -> None:  # type: ignore[no-untyped-def]
    html = comparison._repr_html_()
    assert "3 edits" in html
    assert html.count("<table") == 2


def test_a_probability_that_no_draw_shows_to_move_has_an_error(base: sim.Scenario) -> None:
    """Values differ, and by chance no event: that is half a draw, as of a probability of 0."""
    event = "P(inference_gross_margin@2026Q4 >= hurdle_margin)"
    other = sim.load(base.path, set={f"{PUE}.median": 1.2 + 1e-7})
    row = sim.compare(base, other, [event, "P(gw[xai]@2026Q4 > 2)"], draws=512).data
    assert row["difference"].values.tolist() == [0, 0]
    assert row["difference_error"].values.tolist() == [0.5 / 512, 0]
    assert row["same"].values.tolist() == [False, True]
