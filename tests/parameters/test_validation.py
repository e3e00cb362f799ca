"""The merged files as a whole: unknown keys, missing quantities, all faults together."""

from __future__ import annotations

from pathlib import Path

import pytest
from parameter_files import ORACLE, ORACLE_FILE, PUE, RENT, XAI, XAI_FILE, BadChange, Folder

import sim

BAD: dict[str, BadChange] = {
    "unknown key at the top": BadChange(
        "formt", "formt = 1", "unknown key; did you mean 'format'?"
    ),
    "unknown table": BadChange(
        "[run]", "[hardwear]\n[run]", "unknown key; did you mean 'hardware'?", "hardwear"
    ),
    "settings that are no table": BadChange("factors", "factors = 1", "expected a table, got 1"),
    "unknown group": BadChange(
        "[run]", "[trainin.x]\n[run]", "did you mean 'training'?", "trainin"
    ),
    "labs that are no table": BadChange("labs", "labs = 3", "expected a table, got 3"),
    "description that is a number": BadChange("description", "description = 3", "expected a text"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_an_unknown_or_wrong_table_is_refused(folder: Folder, bad: BadChange) -> None:
    folder.assert_refuses(bad)


def test_a_distribution_beyond_its_domain_is_remarked_upon(folder: Folder) -> None:
    life = "hardware.it_economic_life_years"

    def remarks(text: str) -> tuple[str, ...]:
        return folder.load(folder.overlay(f"[{life}]\nfamily = {text}\n")).remarks

    (remark,) = remarks('"normal"\nmean = 9\nsd = 1')
    assert remark == (
        f"{life}: 16 % of its distribution lies outside its domain, from 1 to 10, and is"
        " drawn all the same: give max"
    )
    assert remarks('"normal"\nmean = 9\nsd = 1\nmin = 2\nmax = 10') == ()
    assert remarks('"normal"\nmean = 6\nsd = 1') == ()  # a trifle


def test_an_empty_base_lacks_every_quantity_of_the_model(folder: Folder) -> None:
    folder.write("base.toml", "")
    faults = folder.faults()
    assert ("base.toml", 0, "format", "missing: expected format = 1") in faults
    assert sum(fault.message.startswith("missing: ") for fault in faults) == 103
    assert len(faults) == 103


def test_a_misspelt_extends_leaves_no_quantity_missing(folder: Folder) -> None:
    folder.write("overlay.toml", f'format = 1\nextend = "base.toml"\n[{PUE}]\nmedian = 1.1\n')
    faults = folder.faults("overlay.toml")
    assert faults[0] == ("overlay.toml", 2, "extend", "unknown key; did you mean 'extends'?")
    assert {fault.key for fault in faults[1:]} == {PUE}  # an overlay alone is no whole quantity


def test_a_misspelt_table_hides_no_missing_quantity(folder: Folder) -> None:
    folder.change(f"[{RENT}]", "[hardwear.x]")
    faults = {fault.key: fault.message for fault in folder.faults()}
    assert faults.keys() == {"hardwear", RENT}
    assert faults[RENT].startswith("missing: ")


def test_empty_sources_are_refused(folder: Folder) -> None:
    folder.write("sources.toml", "")
    expected = ("sources.toml", 0, "format", "missing: expected format = 1")
    assert expected in folder.faults()


def test_an_empty_lab_is_refused(folder: Folder) -> None:
    folder.write("labs/xai.toml", "")
    faults = folder.faults()
    assert {fault.file for fault in faults} == {"labs/xai.toml"}
    assert ("labs/xai.toml", 0, "labs.xai.format", "missing: expected format = 1") in faults


def test_all_faults_of_all_files_are_raised_at_once(folder: Folder) -> None:
    _, pue, _ = folder.change(f"{PUE}.unit", 'unit = "kW"')
    _, rent, _ = folder.change(f"{RENT}.value", "value = 2")
    _, draws, _ = folder.change("run.draws", "draws = 0")
    _, xai, _ = folder.change(f"{XAI}.gw_2025q4.value", "value = 0")
    _, oracle, _ = folder.change(f"{ORACLE}.order", "order 5")
    with pytest.raises(sim.InputError) as caught:
        folder.load()
    lines = str(caught.value).splitlines()
    assert lines == [str(fault) for fault in caught.value.faults]
    base, labs, landlords = (folder.root / f for f in ("base.toml", XAI_FILE, ORACLE_FILE))
    expected = [
        f"{base}:{draws}: run.draws: expected a whole number of draws from 1 to 1e+12, got 0",
        f"{base}:{pue}: {PUE}.unit: expected \"1\", got 'kW'",
        f"{base}:{rent}: {RENT}.value: 2 is above the bound 1 (",
        f"{labs}:{xai}: {XAI}.gw_2025q4.value: 0 is not above the bound 0 (",
        f"{landlords}:{oracle}: not valid TOML: expected '=' after a key",
    ]
    for beginning in expected:
        assert any(line.startswith(beginning) for line in lines), (beginning, lines)


MANY = ", ".join(str(1 + i / 1000) for i in range(600))
CANNOT_BE_DRAWN = {
    "too many values beside others": (
        'family = "mixture"\nweights = [1, 1]\ncomponents = [\n'
        f'{{ family = "empirical", values = [{MANY}] }},\n'
        '{ family = "lognormal", median = 1.2, sigma = 0.1 } ]',
        "it has 600 values with a probability of their own beside others without (at most 500)",
    ),
    "too rough": (
        'family = "beta"\na = 1e-3\nb = 8',
        "its quantile function is too rough for a table",
    ),
    "beyond doubles": (
        'family = "lognormal"\nmedian = 1.2\nsigma = 200',
        "it reaches beyond 1e+300, next to the largest number that a double holds",
    ),
}


@pytest.mark.parametrize(("entry", "message"), CANNOT_BE_DRAWN.values(), ids=CANNOT_BE_DRAWN.keys())
def test_what_cannot_be_drawn_is_a_fault_of_its_file(
    folder: Folder, entry: str, message: str
) -> None:
    file = folder.overlay(
        f'[hardware.server_cost_ratio]\n{entry}\nsource = "judgement"\nnote = "x"\n'
    )
    with pytest.raises(sim.InputError) as caught:
        folder.load(file)
    (fault,) = caught.value.faults
    assert Path(fault.location.file).name == file
    assert fault.location.line is not None
    assert 3 <= fault.location.line <= 11
    assert fault.key == "hardware.server_cost_ratio"
    assert fault.message.startswith(message)


def test_a_table_reaches_as_far_as_held_factors_and_uncertainty_carry_it(folder: Folder) -> None:
    """What is within doubles for the base case may not be where a factor is held far out."""
    wide = (
        '[hardware.pue]\nfamily = "lognormal"\nmedian = 1.2\nsigma = 90\nloads = { power = 0.9 }\n'
        'source = "judgement"\nnote = "x"\n'
    )
    folder.load(folder.overlay(wide))
    for more in ("[model]\nuncertainty = 1.5\n", "[factors]\npower = 8\n"):
        with pytest.raises(sim.InputError, match=r"hardware\.pue: it reaches beyond 1e\+300"):
            folder.load(folder.overlay(more + wide))
