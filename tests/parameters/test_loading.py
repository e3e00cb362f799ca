"""Chains of files, folders of labs and landlords, and changes by `set`."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
from parameter_files import POWER, PUE, RENT, SHIPPED, Folder, changed_names

import sim
from sim.distributions.discrete import Fixed
from sim.distributions.normal import LogitNormal


def test_loading_imports_nothing_heavy() -> None:
    """A check of a file is to start fast."""
    code = (
        "import sim, sys; sim.load(sys.argv[1]); "
        "print({'numba', 'matplotlib', 'scipy.stats', 'xarray'} & set(sys.modules))"
    )
    path = str(SHIPPED / "base.toml")
    ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "set()"


def test_extends_is_relative_to_its_own_file(folder: Folder, base: sim.Scenario) -> None:
    folder.overlay(f"[{PUE}]\nmedian = 1.15\n", "scenarios/deep/a.toml", "../../base.toml")
    # A lab beside the overlay is not one of the base case.
    shutil.copytree(folder.root / "labs", folder.root / "scenarios" / "labs")
    shutil.copy(SHIPPED / "labs/xai.toml", folder.root / "scenarios/labs/other_lab.toml")
    file = folder.overlay("[run]\nseed = 5\n", "scenarios/b.toml", "deep/a.toml")
    scenario = folder.load(file)
    assert scenario.quantities[PUE].distribution.point == 1.15
    assert scenario.run.seed == 5
    assert scenario.labs == base.labs


@pytest.mark.parametrize("files", [["a"], ["a", "b"], ["a", "b", "c"]], ids=len)
def test_files_that_extend_one_another_in_a_circle_are_refused(
    folder: Folder, files: list[str]
) -> None:
    for file, below in zip(files, [*files[1:], files[0]], strict=True):
        folder.overlay("", f"{file}.toml", f"{below}.toml")
    fault = folder.fault("a.toml")
    assert fault[:3] == (f"{files[-1]}.toml", 2, "extends")
    assert fault.message.startswith("goes in a circle: ")
    assert re.findall(r"\w+(?=\.toml)", fault.message) == [*files, "a"]


def test_a_circle_by_another_name_of_the_file_is_refused(folder: Folder) -> None:
    assert "circle" in folder.fault(folder.overlay("", "a.toml", "labs/../a.toml")).message


def test_extends_to_a_missing_file_is_refused_with_the_nearest(folder: Folder) -> None:
    folder.overlay("", "first.toml", "bse.toml")
    fault = folder.fault(folder.overlay("", "second.toml", "first.toml"))
    assert fault[:3] == ("first.toml", 2, "extends")
    assert "bse.toml: no such file; did you mean" in fault.message
    assert "base.toml" in fault.message


@pytest.mark.parametrize("target", ["labs", "", "base.toml/x", "a" * 300])
def test_extends_to_what_is_no_file_is_refused(folder: Folder, target: str) -> None:
    assert folder.fault(folder.overlay("", extends=target))[:3] == ("overlay.toml", 2, "extends")


@pytest.mark.parametrize("target", ["3", "['base.toml']", "true", "{ file = 'base.toml' }"])
def test_extends_that_is_no_text_is_refused(folder: Folder, target: str) -> None:
    folder.write("overlay.toml", f"format = 1\nextends = {target}\n")
    fault = folder.fault("overlay.toml")
    assert fault[:3] == ("overlay.toml", 2, "extends")
    assert fault.message.startswith("expected a file name, got ")


def test_an_overlay_of_an_unreadable_base_has_the_fault_of_the_base(folder: Folder) -> None:
    file = folder.overlay("", "scenarios/a.toml", "../base.toml")
    folder.write("base.toml", "format 1\n")
    assert folder.fault(file)[:2] == ("base.toml", 1)


def test_a_missing_folder_is_refused(folder: Folder) -> None:
    message = "no such file; did you mean 'params/base.toml'?"
    assert ("nowhere/base.toml", 0, "", message) in folder.faults("nowhere/base.toml")


def test_a_missing_folder_is_a_single_fault(folder: Folder) -> None:
    assert folder.fault("nowhere/base.toml").file == "nowhere/base.toml"


def test_a_hidden_file_of_a_lab_is_left_out_and_told(folder: Folder, base: sim.Scenario) -> None:
    for name in ("labs/.#xai.toml", "landlords/._oracle.toml"):
        folder.write(name, b"\x00\x05\x16 not TOML")
    scenario = folder.load()
    assert scenario.digest() == base.digest()
    hidden = [remark for remark in scenario.remarks if "begins with a dot" in remark]
    assert hidden == [
        f"{folder.root}/labs/.#xai.toml: is left out of the labs, because its name begins with a"
        " dot",
        f"{folder.root}/landlords/._oracle.toml: is left out of the landlords, because its name"
        " begins with a dot",
    ]


def test_a_scenario_of_a_hidden_name_is_refused(folder: Folder) -> None:
    """Its runs would be hidden from `sim list`."""
    fault = folder.fault(folder.overlay("", file=".site.toml"))
    assert fault.file == ".site.toml"
    assert fault.message.startswith("a scenario's file cannot begin with a dot")


@pytest.mark.parametrize("parties", ["labs", "landlords"])
def test_folders_without_labs_or_landlords_are_refused(folder: Folder, parties: str) -> None:
    shutil.rmtree(folder.root / parties)
    assert (parties, 0, "", "no parameter files (*.toml) here") in folder.faults()


def test_missing_sources_are_refused(folder: Folder) -> None:
    (folder.root / "sources.toml").unlink()
    faults = folder.faults()
    assert any(f[:3] == ("sources.toml", 0, "") and "no such file" in f.message for f in faults)


@pytest.mark.parametrize("file", ["landlords/oracle.toml", "labs/xai.toml", "sources.toml"])
def test_a_file_that_cannot_be_read_is_a_single_fault(folder: Folder, file: str) -> None:
    folder.write(file, "format 1\n")
    overlay = folder.overlay("[labs.xai.gw_2026q4]\nmedian = 3\n")
    assert folder.fault(overlay).file == file


def test_set_is_laid_over_all_files(folder: Folder, base: sim.Scenario) -> None:
    file = folder.overlay(f"[{PUE}]\nmedian = 1.15\n[model]\nview = 'accounting'\n")
    changes = {f"{PUE}.median": 1.1, "model.view": "economic", "labs.xai.gw_2026q4.median": 3}
    scenario = folder.load(file, changes)
    assert scenario.quantities[PUE].distribution.point == 1.1
    assert scenario.quantities[PUE].overrides == base.quantities[PUE].source
    assert scenario.settings.view == "economic"
    assert changed_names(scenario, base) == {PUE, "labs.xai.gw_2026q4"}
    assert scenario.overrides[-1].by == "--set"


def test_set_takes_a_whole_table(folder: Folder) -> None:
    scenario = folder.load(set={PUE: {"value": 1.1, "note": "mine"}})
    assert scenario.quantities[PUE].distribution == Fixed(value=1.1)
    assert scenario.quantities[PUE].note == "mine"


def test_set_of_an_input_that_no_file_gives_needs_a_number_alone(folder: Folder) -> None:
    names = ("accelerator.measured_tps_decode", "labs.meta.relative_price")
    scenario = folder.load(set={f"{name}.value": 2 for name in names})
    for name in names:
        quantity = scenario.quantities[name]
        assert quantity.distribution == Fixed(value=2)
        assert quantity.source == "judgement"
        assert quantity.note == "In no file: given by --set"


def test_set_of_an_input_that_no_file_gives_may_say_where_it_is_from(folder: Folder) -> None:
    name = "accelerator.measured_tps_decode"
    given = {"value": 2, "source": "deepseek-inference-day-2025", "note": "A day"}
    quantity = folder.load(set={name: given}).quantities[name]
    assert (quantity.source, quantity.note) == (given["source"], given["note"])
    (fault,) = folder.faults(set={name: {"value": 2, "unit": "kW"}})
    assert fault.message == "expected \"tokens/s\", got 'kW'"


def test_an_input_that_an_overlay_adds_needs_unit_and_source(folder: Folder) -> None:
    overlay = folder.overlay("[accelerator.measured_tps_decode]\nvalue = 2\n")
    faults = folder.faults(overlay, {"accelerator.measured_tps_decode.value": 3})
    assert {fault.message.split(":")[0] for fault in faults} == {"missing unit", "missing source"}


def test_set_does_not_change_its_argument(folder: Folder) -> None:
    changes: dict[str, Any] = {PUE: {"value": 1.1}, "model.thresholds_gw": (8, 4)}
    given = copy.deepcopy(changes)
    assert folder.load(set=changes).settings.thresholds_gw == (8, 4)
    assert changes == given


def test_set_of_one_loading_keeps_the_others(folder: Folder) -> None:
    name = "hardware.accelerator_price_usd"
    scenario = folder.load(set={f"{name}.loads.demand": 0.5})
    assert scenario.quantities[name].loads == {"demand": 0.5, "capital": 0.3}


def test_set_takes_a_key_and_its_table_together(folder: Folder) -> None:
    distribution = (
        folder.load(set={f"{PUE}.median": 1.1, PUE: {"sigma": 0.2}}).quantities[PUE].distribution
    )
    assert distribution == LogitNormal(family="logit_normal", median=1.1, sigma=0.2, min=1, max=2)


def test_set_takes_a_key_of_a_lab_and_its_table_together(folder: Folder) -> None:
    name = "labs.openai.gw_2026q4"
    changes = {f"{name}.median": 8, name: {"sigma": 0.11}}
    distribution = folder.load(set=changes).quantities[name].distribution
    assert distribution.model_dump(include={"median", "sigma"}) == {"median": 8, "sigma": 0.11}


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"hardware.puee.median": 1.1}, "hardware.puee", "unknown key; did you mean 'pue'?"),
        ({"hardwear.pue.median": 1.1}, "hardwear", "unknown key; did you mean 'hardware'?"),
        ({f"{PUE}.medain": 1.1}, f"{PUE}.medain", "did you mean 'median'?"),
        ({"labs.opnai.gw_2026q4.median": 8}, "labs.opnai", "no such lab; did you mean 'openai'?"),
        ({"landlords.orcl.rpo_busd.value": 8}, "landlords.orcl", "no such landlord"),
        ({"labs.xai.host.orcle.captive": True}, "labs.xai.host.orcle", "did you mean 'oracle'?"),
        ({PUE: 1.1}, PUE, "expected a table with value or family, unit and source, got 1.1"),
        ({"hardware": 3}, "hardware", "expected a table, got 3"),
        ({"labs": 1}, "labs", "expected a table, got 1"),
        ({"labs.openai.host.oracle": 3}, "labs.openai.host.oracle", "expected a table, got 3"),
        ({"labs.openai.host": "none"}, "labs.openai.host", "expected tables [host.<landlord>]"),
        ({"run": None}, "run", "expected a table, got None"),
        ({f"{PUE}.median.x": 1.1}, f"{PUE}.median", "expected a number, got {'x': 1.1}"),
        ({f"{PUE}.median": "1.1"}, f"{PUE}.median", "expected a number, got '1.1'"),
        ({f"{PUE}.median": None}, f"{PUE}.median", "expected a number, got None"),
        ({f"{POWER}.median": 9}, f"{POWER}.median", "9 is above the bound 0.5"),
        ({f"{PUE}.unit": "kW"}, f"{PUE}.unit", "expected \"1\", got 'kW'"),
        ({f"{PUE}.source": "nobody"}, f"{PUE}.source", "unknown source 'nobody'"),
        ({f"{PUE}.value": 1.1, f"{PUE}.median": 1.1}, f"{PUE}.median", "the quantity is a fixed"),
        ({f"{RENT}.median": 1}, f"{RENT}.median", "the quantity is a fixed value"),
        ({"": 1}, "", "unknown key"),
        ({"model.view": "book"}, "model.view", "expected one of economic, accounting, got 'book'"),
        ({"run.draws": 0}, "run.draws", "got 0"),
        ({"run.sampler": "none"}, "run.sampler", "unknown sampler 'none'"),
        ({"factors.demnd": 1}, "factors.demnd", "did you mean 'demand'?"),
        (
            {"factors.demand": float("nan")},
            "factors.demand",
            "expected a score from -10 to 10, got nan",
        ),
        ({"format": 2}, "format", "please upgrade"),
    ],
    ids=str,
)
def test_a_set_with_a_fault_is_refused_with_its_key(
    folder: Folder, changes: dict[str, Any], key: str, message: str
) -> None:
    fault = folder.fault(set=changes)
    assert fault[:3] == ("--set", 0, key)
    assert message in fault.message


def test_a_key_that_is_set_as_value_and_as_table_is_refused(folder: Folder) -> None:
    faults = folder.faults(set={PUE: 1, f"{PUE}.median": 1.2})
    assert ("--set", 0, f"{PUE}.median", "set twice, as a value and as a table") in faults


def test_a_lab_that_is_set_to_a_number_is_refused(folder: Folder) -> None:
    fault = folder.fault(set={"labs.openai": 1})
    assert fault == ("--set", 0, "labs.openai", "expected a table, got 1")


def test_extends_cannot_be_set(folder: Folder) -> None:
    folder.overlay("[run]\nseed = 5\n", "other.toml")
    assert folder.fault(set={"extends": "other.toml"})[:3] == ("--set", 0, "extends")
