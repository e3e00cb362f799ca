from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from parameter_files import PUE, RENT, Folder

import sim
from sim.common.errors import Fault, InputError, Location
from sim.parameters import sweep_axes, sweep_grid
from sim.parameters.sweep_axes import Axis
from sim.parameters.sweep_grid import Grid, load_grid

DUTY = "utilisation.duty_cycle_online_inference.median"
LIFE = "hardware.it_economic_life_years.median"


def grid(folder: Folder, over: dict[str, Any], file: str = "base.toml", **changes: Any) -> Grid:
    faults: list[Fault] = []
    return load_grid(folder.root / file, sweep_axes.of_mapping(over, faults), changes, faults)


def messages_of(folder: Folder, over: dict[str, Any], file: str = "base.toml") -> list[str]:
    with pytest.raises(InputError) as caught:
        grid(folder, over, file)
    return [str(fault).replace(f"{folder.root}/", "") for fault in caught.value.faults]


def test_a_grid_has_a_scenario_for_every_combination_the_last_key_fastest(folder: Folder) -> None:
    swept = grid(folder, {DUTY: [0.4, 0.5], "model.view": ["economic", "accounting"]})
    assert swept.shape == (2, 2)
    assert [tuple(swept.at(i).values()) for i in range(4)] == [
        (0.4, "economic"), (0.4, "accounting"), (0.5, "economic"), (0.5, "accounting"),
    ]  # fmt: skip
    for i, scenario in enumerate(swept.scenarios):
        assert scenario == sim.load(folder.root / "base.toml", set=swept.at(i))


@pytest.mark.parametrize(
    ("key", "values", "units", "meaning"),
    [
        (LIFE, "3,4", "yr", "Economic life of IT, median"),
        ("hardware.it_economic_life_years.sigma", "0.1,0.2", "1", "Economic life of IT, sigma"),
        ("labs.openai.gw_2026q4.median", "5,6", "GW", "OpenAI: Gigawatts at the end of 2026"),
        ("finance.hurdle_margin.value", "0.6,0.7", "1", "Gross margin below which"),
        ("hardware.hbm_value_share.loads.power", "0,0.5", "1", "loads power"),
        ("factors.demand", "-2:2:3", "1", "Score of the common factor demand"),
        ("model.uncertainty", "0,1", "1", "Uncertainty"),
    ],
)
def test_an_axis_has_the_unit_and_meaning_of_its_key(
    folder: Folder, key: str, values: str, units: str, meaning: str
) -> None:
    swept = grid(folder, {key: values})
    about = swept.about(swept.axes[0])
    assert about["units"] == units
    assert meaning in about["long_name"]


def test_an_unknown_key_is_a_single_fault_with_the_nearest(folder: Folder) -> None:
    assert messages_of(folder, {"hardware.it_economic_life_yeers.median": "3:6:4"}) == [
        "over: hardware.it_economic_life_yeers: unknown key; did you mean 'it_economic_life_years'?"
    ]
    assert messages_of(folder, {"hardware.pue.mediam": [1.1, 1.2]}) == [
        "over: hardware.pue.mediam: unknown key for logit_normal; did you mean 'median'?"
    ]


def test_faults_of_all_points_are_raised_once_each_with_their_value(folder: Folder) -> None:
    messages = messages_of(folder, {DUTY: [0.5, 1.5], LIFE: [-3, 4, 5]})
    assert messages == [
        f"over: {LIFE}: expected a number above 0, got -3",
        f"over: {DUTY}: 1.5 is above the bound 1"
        " (Share of paid hours at the operating point, inference)",
    ]
    assert messages_of(folder, {"model.view": "economic,fiscal"}) == [
        "over: model.view: expected one of economic, accounting, got 'fiscal'"
    ]


def test_a_fault_of_some_points_names_their_common_values(folder: Folder) -> None:
    over = {
        "hardware.pue.median": [1.1, 1.5], "hardware.facility_capacity_ratio.value": [1.2, 1.6],
        "model.view": "economic,accounting",
    }  # fmt: skip
    assert messages_of(folder, over) == [
        "over: hardware.pue: 1.5 is above hardware.facility_capacity_ratio, 1.2 (at"
        " hardware.pue.median = 1.5, hardware.facility_capacity_ratio.value = 1.2)"
    ]
    share = "labs.openai.host.microsoft.share_2026"
    assert messages_of(folder, {share: [0.4, 0.5]}) == [
        "over: labs.openai.host: the share_2026 of its landlords add up to 1.1, expected 1"
        f" (at {share} = 0.5)"
    ]


def test_faults_that_are_known_already_are_raised_before_all_points_are_read(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grid takes minutes to be read, or, with too many points, has no end."""
    read: list[Any] = []

    def count(path: Any, changes: Any) -> sim.Scenario:
        read.append(changes)
        return sim.load(path, changes)

    monkeypatch.setattr(sweep_grid, "load", count)
    monkeypatch.setattr(sweep_grid, "load", count)
    known = Fault(Location("--output"), "nonsense", "unknown output")
    values = tuple(map(float, range(1, 2501)))
    axes = [Axis(key, values, Location("over")) for key in (LIFE, f"{PUE}.median", f"{RENT}.value")]
    for some in (axes[:1], axes):
        read.clear()
        with pytest.raises(InputError) as caught:
            load_grid(folder.root / "base.toml", some, None, [known])
        assert known in caught.value.faults
        assert len(read) == 3  # the file itself, the first point and the last


def test_a_sweep_is_checked_with_its_first_scenario(folder: Folder) -> None:
    checked: list[str] = []

    def check(scenario: sim.Scenario, faults: list[Fault]) -> None:
        checked.append(scenario.name)
        faults.append(Fault(Location("--output"), "gw[x]", "unknown label"))

    axis = Axis(f"{PUE}.median", (1.1, 1.15, 1.2), Location("over"))
    for missing in (False, True):  # a number that only the sweep gives
        if missing:
            folder.change(f"{PUE}.median", "")
        with pytest.raises(InputError, match="unknown label"):
            load_grid(folder.root / "base.toml", [axis], None, None, check)
    assert checked == ["base", "base"]


def test_a_fault_of_another_key_names_the_value_that_leads_to_it(folder: Folder) -> None:
    key, offset = "hardware.it_book_life_years.value", "landlords.oracle.book_life_offset_years"
    folder.overlay(f"[{offset}]\nvalue = -3\n")
    (message,) = messages_of(folder, {key: [3, 5]}, "overlay.toml")
    assert f"{offset}: -3 leaves no book life of hardware.it_book_life_years, 3" in message
    assert message.endswith(f" (at {key} = 3)")


def test_a_fault_of_the_file_itself_keeps_its_location(folder: Folder) -> None:
    file, line, _ = folder.change("hardware.pue.median", "median = 0.5")
    (message,) = messages_of(folder, {LIFE: [3, 4]})
    assert message.startswith(f"{file}:{line}: hardware.pue.median: 0.5 is below the bound 1")


def test_a_sweep_may_stand_in_the_file(folder: Folder) -> None:
    body = f'[sweep]\n"{DUTY}" = "0.4:0.6:3"\n[sweep.hardware.it_economic_life_years]\nmedian = [4]'
    file = folder.overlay(body)
    swept = grid(folder, {}, file)
    assert {axis.key: axis.values for axis in swept.axes} == {DUTY: (0.4, 0.5, 0.6), LIFE: (4,)}
    given = grid(folder, {"factors.demand": [0, 1]}, file)  # what is asked for comes first
    assert [axis.key for axis in given.axes] == ["factors.demand"]
    assert "nothing is swept: give --over KEY=VALUES" in messages_of(folder, {})[0]


def test_a_sweep_in_the_file_changes_no_run_of_it(folder: Folder) -> None:
    file = folder.overlay(f'[sweep]\n"{DUTY}" = "0.4:0.6:3"\n')
    plain = folder.overlay("", "plain.toml")
    assert folder.load(file).digest() == folder.load(plain).digest()
    assert folder.load(file).overrides == ()


def test_an_overlay_inherits_a_sweep_and_changes_it_by_key(folder: Folder) -> None:
    folder.overlay(f'[sweep]\n"{DUTY}" = "0.4:0.6:3"\n"{LIFE}" = "3,4"\n', "middle.toml")
    file = folder.overlay(f'[sweep]\n"{LIFE}" = [5, 6]\n', extends="middle.toml")
    scenario = folder.load(file)
    assert {axis.key: axis.values for axis in scenario.sweep} == {
        DUTY: (0.4, 0.5, 0.6), LIFE: (5, 6),
    }  # fmt: skip
    assert scenario.overrides == ()


def test_check_reports_the_line_of_a_fault_of_a_sweep(
    invoke: Command, folder: Folder, tmp_path: Path
) -> None:
    folder.overlay(f'[sweep]\n"{DUTY}" = "0.4:0.6"\n"run.draws" = [1, 2]\n', "grammar.toml")
    folder.overlay(f'[sweep]\n"hardware.puee.median" = [1.1]\n"{LIFE}" = [-1, 4]\n', "keys.toml")
    done = invoke("check", "params/grammar.toml")
    assert done.returncode == 2
    assert "params/grammar.toml:4: utilisation.duty_cycle_online_inference.median: " in done.stderr
    assert "params/grammar.toml:5: run.draws: is not a parameter" in done.stderr
    done = invoke("check", "params/base.toml", "params/keys.toml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "params/keys.toml:4: hardware.puee: unknown key; did you mean 'pue'?",
        f"params/keys.toml:5: {LIFE}: expected a number above 0, got -1",
    ]
    folder.overlay(f'[sweep]\n"{LIFE}" = [3, 4]\n', "good.toml")
    done = invoke("check", "params/good.toml")
    assert done.returncode == 0, done.stderr
    assert f"sweep: {LIFE} (2)" in done.stdout
