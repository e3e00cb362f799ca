"""A stable code for each kind of fault."""

from __future__ import annotations

import pytest
from parameter_files import Folder

import sim
from sim.common.errors import Fault, Location
from sim.parameters.fault_codes import CODES, code_of, suggestion_of

# What is wrong in an overlay -> its code.
KINDS = {
    "[hardware.peu]\nmedian = 1.2\n": "SIM010",
    "[hardware.pue]\nmedain = 1.2\n": "SIM010",
    '[hardware.pue]\nsource = "nowhere"\n': "SIM010",
    "[hardware.pue]\nmedian = 0.2\n": "SIM013",
    '[hardware.pue]\nmedian = "1,2"\n': "SIM012",
    '[hardware.pue]\nunit = "kW"\n': "SIM015",
    "[model]\nview = 'cash'\n": "SIM012",
    "[labs.openai.host.microsoft]\nshare_2026 = 0.9\n": "SIM014",
    "[hardware.pue\n": "SIM002",
    "[landlords.oracle.capex_2026_busd]\nmedian = 8\np5 = 3\n": "SIM017",
}


@pytest.mark.parametrize("body", KINDS)
def test_a_fault_has_the_code_of_its_kind(folder: Folder, body: str) -> None:
    with pytest.raises(sim.InputError) as raised:
        folder.load(folder.overlay(body))
    assert KINDS[body] in {code_of(fault).code for fault in raised.value.faults}


def test_codes_are_unique_and_explained() -> None:
    names = [code.name for code in CODES.values()]
    assert len(set(names)) == len(names)
    assert all(code.explanation.endswith(".") for code in CODES.values())
    assert all(code.code == key for key, code in CODES.items())


def test_a_suggestion_is_the_nearest_right_name() -> None:
    fault = Fault(Location("a.toml", 3), "hardware.peu", "unknown key; did you mean 'pue'?")
    assert suggestion_of(fault) == "pue"
    assert suggestion_of(Fault(Location("a.toml"), "", "missing")) == ""
