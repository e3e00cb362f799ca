"""A watched file: its numbers, what an edit moved, and what is kept while it has faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.analysis.compare import compare
from sim.analysis.measures import headline_measures
from sim.parameters.loading import load
from sim.parameters.options import RunOptions
from sim.parameters.scenario import Scenario
from sim.store import live as store_live
from sim.store.live import Event, Live, Number

DRAWS = 640
BEAR, SHORT = "scenarios/bear.toml", "scenarios/short-life.toml"
PUE = '[hardware.pue]\nfamily = "logit_normal"\nmedian = 1.2\n'
DUTY = "[utilisation.duty_cycle_online_inference]\nmedian = 0.29\n"


def options(scenario: Scenario) -> RunOptions:
    return RunOptions.of(scenario, draws=DRAWS)


def follow(path: Path, base: Path | None = None) -> Live:
    live = Live(path, base, options)
    assert live.update() is Event.NUMBERS, (live.faults, live.failure)
    return live


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def number(live: Live, text: str) -> Number:
    assert live.last is not None
    (found,) = (of for of in live.last.numbers if of.measure.text.startswith(text))
    return found


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the scenarios that are drawn."""
    names: list[str] = []

    def draw(scenario: Scenario, *others: object) -> object:
        names.append(scenario.name)
        return drawn(scenario, *others)  # type: ignore[arg-type]

    drawn = store_live.draw_measures
    monkeypatch.setattr(store_live, "draw_measures", draw)
    return names


def test_changes_are_those_that_a_comparison_gives(params: Path) -> None:
    live = follow(params / BEAR)
    first = load(params / BEAR)
    change(params / BEAR, DUTY, DUTY.replace("0.29", "0.30"))
    assert live.update() is Event.NUMBERS
    assert live.last is not None
    second, base = load(params / BEAR), load(params / "base.toml")
    assert [edit.name for edit in live.last.edits] == ["utilisation.duty_cycle_online_inference"]
    measures = headline_measures(second)
    for reference, name in ((first, "change"), (base, "of_base")):
        data = compare(reference, second, options(second), measures, attributed=False).data
        for i, found in enumerate(live.last.numbers):
            moved = getattr(found, name)
            expected = data.isel(measure=i)
            assert found.value == pytest.approx(float(expected["second"]), rel=1e-12, nan_ok=True)
            assert moved.same == bool(expected["same"])
            assert moved.value == pytest.approx(float(expected["difference"]), abs=1e-12)
            assert moved.error == pytest.approx(float(expected["difference_error"]), rel=1e-9)
    assert any(found.change is not None and found.change.same for found in live.last.numbers)
    assert any(found.change is not None and not found.change.same for found in live.last.numbers)


@pytest.mark.long
def test_a_file_that_extends_none_is_compared_with_itself_as_it_first_was(params: Path) -> None:
    live = follow(params / "base.toml")
    values = [number(live, "p50(inference_gross_margin@2026Q4").value]
    for old, new in (("1.2", "1.25"), ("1.25", "1.3")):
        change(params / "base.toml", f"median = {old}\nsigma = 0.3", f"median = {new}\nsigma = 0.3")
        assert live.update() is Event.NUMBERS
        found = number(live, "p50(inference_gross_margin@2026Q4")
        values.append(found.value)
        assert found.change is not None
        assert found.of_base is not None
        assert found.change.value == values[-1] - values[-2] < 0
        assert found.of_base.value == values[-1] - values[0] < 0


def test_faults_keep_the_last_good_version_until_they_are_mended(params: Path) -> None:
    live = follow(params / BEAR)
    good = live.last
    change(params / BEAR, "median = 0.29", "medain = 0.29")
    assert live.update() is Event.FAULTS
    assert "did you mean 'median'" in " ".join(map(str, live.faults))
    assert live.last is good
    assert live.update() is Event.NOTHING
    change(params / BEAR, "medain = 0.29", "median = 0.29")
    assert live.update() is Event.MENDED
    assert live.faults == []
    assert live.last is not None
    assert good is not None
    assert live.last.numbers == good.numbers


@pytest.mark.long
def test_a_file_is_mended_by_an_edit_whose_changes_are_from_the_last_good_one(params: Path) -> None:
    live = follow(params / BEAR)
    before = number(live, "p50(inference_gross_margin@2026Q4").value
    (params / BEAR).write_text((params / BEAR).read_text() + "x = [")
    assert live.update() is Event.FAULTS
    change(params / BEAR, "x = [", "")
    change(params / BEAR, DUTY, DUTY.replace("0.29", "0.2"))
    assert live.update() is Event.NUMBERS
    found = number(live, "p50(inference_gross_margin@2026Q4")
    assert found.change is not None
    assert found.change.value == found.value - before < 0


def test_a_missing_file_is_waited_for(params: Path) -> None:
    live = follow(params / BEAR)
    text = (params / BEAR).read_text()
    (params / BEAR).unlink()
    assert live.update() is Event.FAULTS
    assert live.failure == f"{params / BEAR}: no such file now: waiting for it"
    (params / BEAR).write_text(text)
    assert live.update() is Event.MENDED
    assert live.failure == ""


@pytest.mark.long
def test_a_fault_at_the_first_look_is_no_end(params: Path) -> None:
    text = (params / "base.toml").read_text()
    (params / "base.toml").write_text(text + "x = [")
    live = Live(params / BEAR, None, options)
    assert live.update() is Event.FAULTS
    assert live.last is None
    (params / "base.toml").write_text(text)
    assert live.files.has_changed()
    assert live.update() is Event.NUMBERS


def test_what_moves_no_number_is_text(params: Path, evaluated: list[str]) -> None:
    live = follow(params / BEAR)
    assert evaluated == ["bear", "base"]
    change(params / BEAR, "description = ", "# a remark\ndescription = ")
    assert live.update() is Event.TEXT
    assert evaluated == ["bear", "base"]


@pytest.mark.long
def test_an_edit_of_the_base_moves_both_worlds(params: Path, evaluated: list[str]) -> None:
    live = follow(params / SHORT)
    before = number(live, "p50(inference_gross_margin@2026Q4")
    change(params / "base.toml", PUE, PUE.replace("1.2", "1.3"))
    evaluated.clear()
    assert live.update() is Event.NUMBERS
    assert sorted(evaluated) == ["base", "short-life"]
    after = number(live, "p50(inference_gross_margin@2026Q4")
    assert after.change is not None
    assert after.change.value < 0
    assert before.of_base is not None
    assert after.of_base is not None
    assert after.of_base.value != before.of_base.value


@pytest.mark.long
def test_another_file_is_the_base_and_is_followed(params: Path) -> None:
    bull = params / "scenarios" / "bull.toml"
    live = follow(params / BEAR, bull)
    assert live.last is not None
    assert live.last.base.name == "bull"
    before = number(live, "p50(inference_gross_margin@2026Q4")
    bull.write_text('format = 1\nextends = "../base.toml"\n')
    assert live.files.has_changed()
    assert live.update() is Event.BASE
    after = number(live, "p50(inference_gross_margin@2026Q4")
    assert after.value == before.value
    assert after.of_base is not None
    assert before.of_base is not None
    assert before.of_base.value < after.of_base.value < 0


@pytest.mark.long
def test_an_edit_taken_back_is_not_drawn_again(params: Path, evaluated: list[str]) -> None:
    live = follow(params / BEAR)
    first = number(live, "p50(inference_gross_margin@2026Q4").value
    change(params / BEAR, DUTY, DUTY.replace("0.29", "0.4"))
    assert live.update() is Event.NUMBERS
    evaluated.clear()
    change(params / BEAR, DUTY.replace("0.29", "0.4"), DUTY)
    assert live.update() is Event.NUMBERS
    assert evaluated == []
    assert number(live, "p50(inference_gross_margin@2026Q4").value == first


@pytest.mark.long
def test_another_seed_moves_numbers_and_no_pair(params: Path) -> None:
    live = follow(params / "base.toml")
    before = number(live, "p50(inference_gross_margin@2026Q4").value
    change(params / "base.toml", "seed = 1\n", "seed = 2\n")
    assert live.update() is Event.NUMBERS
    after = number(live, "p50(inference_gross_margin@2026Q4")
    assert after.value != before
    assert after.change is not None
    assert after.change.same


@pytest.mark.long
def test_a_lab_that_the_base_has_not_has_nothing_to_be_compared_with(params: Path) -> None:
    (params / "less.toml").write_text(
        'format = 1\nextends = "base.toml"\n[model]\nnamed_labs = ["anthropic"]\n'
        "[labs.openai]\nremove = true\n"
    )
    live = follow(params / "base.toml", params / "less.toml")
    assert number(live, "p50(gw[openai]@2027Q4").of_base is None
    of_base = number(live, "p50(gw[anthropic]@2027Q4").of_base
    assert of_base is not None


def test_a_save_while_the_file_is_drawn_is_not_lost(
    params: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(params / BEAR, None, options)
    drawn = store_live.draw_measures

    def draw(*arguments: object) -> object:
        if "0.29" in (params / BEAR).read_text():
            change(params / BEAR, "median = 0.29", "median = 0.25")
        return drawn(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store_live, "draw_measures", draw)
    assert live.update() is Event.NUMBERS
    assert live.files.has_changed()
    assert live.update() is Event.NUMBERS
    assert live.last is not None
    assert [edit.name for edit in live.last.edits] == ["utilisation.duty_cycle_online_inference"]
    assert not live.files.has_changed()
