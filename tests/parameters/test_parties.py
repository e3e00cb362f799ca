"""Labs, landlords and hosts of files, and what is wrong with them."""

from __future__ import annotations

import re
import shutil

import pytest
import xarray as xr
from parameter_files import ORACLE, ROW, SHIPPED, XAI, BadChange, Folder

import sim

NUMBER = "expected a number, got"


BAD: dict[str, BadChange] = {
    "unknown landlord": BadChange(
        f"[{ROW}]",
        "[host.orcale]",
        "no such landlord; did you mean 'oracle'?",
        f"{XAI}.host.orcale",
    ),
    "unknown key of a host": BadChange(
        f"{ROW}.share_2028", "share_2028 = 0", "did you mean 'share_202"
    ),
    "wrong unit of a host": BadChange(f"{ROW}.unit", 'unit = "GW"', "expected \"1\", got 'GW'"),
    "missing source of a host": BadChange(f"{ROW}.source", "", "missing source", ROW, "header"),
    "share of 2025 with one landlord alone": BadChange(
        f"{ROW}.share_2025",
        "share_2025 = 0.05",
        "stands with all of the lab's landlords or with none; missing: other",
    ),
    "share of 2025 above one": BadChange(
        "labs.openai.host.oracle.share_2025", "share_2025 = 1.4", "1.4 is above the bound 1"
    ),
    "negative equity": BadChange(f"{ROW}.equity_busd", "equity_busd = -1", "-1 is below the bo"),
    "share above one": BadChange(
        f"{ROW}.share_2026", "share_2026 = 1.5", "1.5 is above the bound 1 (L"
    ),
    "share that is not finite": BadChange(
        f"{ROW}.rpo_share", "rpo_share = nan", "not a finite number"
    ),
    "text for a flag": BadChange(
        f"{ROW}.captive", 'captive = "no"', "expected true or false, got 'no'"
    ),
    "flag for a share": BadChange(f"{ROW}.rpo_share", "rpo_share = true", f"{NUMBER} true"),
    "name that is a list": BadChange(f"{ORACLE}.name", "name = []", "expected a name, got []"),
    "empty name": BadChange(f"{XAI}.name", 'name = " "', "expected a name, got ' '"),
    "order that is a text": BadChange(f"{XAI}.order", 'order = "a"', f"{NUMBER} 'a'"),
    "order that is no number": BadChange(f"{XAI}.order", "order = nan", "expected a finite number"),
    "mark of an override of a host": BadChange(f"{ROW}.overrides", "overrides = 1", "unknown key"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_party_or_host_with_a_fault_is_refused(folder: Folder, bad: BadChange) -> None:
    folder.assert_refuses(bad)


def test_shares_of_2025_add_up_where_they_are_given(folder: Folder) -> None:
    folder.change("labs.openai.host.oracle.share_2025", "share_2025 = 0.15")
    fault = folder.fault()
    assert (fault.file, fault.key) == ("labs/openai.toml", "labs.openai.host")
    assert fault.message == "the share_2025 of its landlords add up to 1.01, expected 1"


def test_shares_of_2025_are_those_of_2026_where_none_is_given(folder: Folder) -> None:
    scenario = folder.load(set={f"{ROW}.share_2026": 0.1, f"{XAI}.host.other.share_2026": 0.9})
    assert scenario.hosts["xai", "oracle"].share_2025 == 0.1
    resolved = scenario.resolved()["hosts"][ROW]
    assert (resolved["share_2025"], resolved["equity_busd"]) == (0.1, 0.0)


@pytest.mark.parametrize("name", ["XAI", "x.ai", "x ai", "1ai"])
def test_a_lab_file_is_named_in_lower_case(folder: Folder, name: str) -> None:
    (folder.root / "labs/xai.toml").rename(folder.root / f"labs/{name}.toml")
    fault = folder.fault()
    assert fault[:3] == (f"labs/{name}.toml", 0, f"labs.{name}")
    assert "is named in lower case: a-z, 0-9 and _" in fault.message


@pytest.mark.parametrize("month", ["0", "13", "5.0", "true", '"May"', "[5]"])
def test_a_fiscal_year_ends_in_a_month(folder: Folder, month: str) -> None:
    file, line, _ = folder.change(f"{ORACLE}.fiscal_year_end", f"fiscal_year_end = {month}")
    fault = folder.fault()
    assert (fault.file, fault.line, fault.key) == (file, line, f"{ORACLE}.fiscal_year_end")
    assert "expected the month in which its fiscal years end, 1 to 12" in fault.message


def test_a_lab_has_no_fiscal_year(folder: Folder) -> None:
    folder.change(f"{XAI}.fiscal_year_end", "fiscal_year_end = 5")
    assert folder.fault().message.startswith("unknown key")


def test_hosts_that_are_no_table_are_refused(folder: Folder) -> None:
    fault = folder.fault(set={"labs.openai.host": 3})
    assert fault[:3] == ("--set", 0, "labs.openai.host")


def test_an_unknown_lab_of_an_overlay_is_refused_with_the_nearest(folder: Folder) -> None:
    fault = folder.fault(folder.overlay("[labs.opnai.gw_2026q4]\nmedian = 8\n"))
    assert (fault.file, fault.key) == ("overlay.toml", "labs.opnai")
    new = "a new lab needs a name: [labs.opnai] name = ..."
    assert fault.message == f"no such lab; did you mean 'openai'?; {new}"


def test_an_unknown_lab_of_an_overlay_has_a_line(folder: Folder) -> None:
    assert folder.fault(folder.overlay("[labs.opnai.gw_2026q4]\nmedian = 8\n")).line == 3


def test_an_unknown_landlord_of_an_overlay_is_refused_with_the_nearest(folder: Folder) -> None:
    fault = folder.fault(folder.overlay("[landlords.orakle]\nrpo_busd = { value = 1 }\n"))
    assert fault[:3] == ("overlay.toml", 3, "landlords.orakle")
    new = "a new landlord needs a name: [landlords.orakle] name = ..."
    assert fault.message == f"no such landlord; did you mean 'oracle'?; {new}"


def test_a_lab_may_be_removed(folder: Folder) -> None:
    (folder.root / "labs/anthropic.toml").unlink()
    scenario = folder.load()
    assert "anthropic" not in {lab.id for lab in scenario.labs}
    assert not any("anthropic" in name for name in scenario.quantities)
    assert not any(lab == "anthropic" for lab, _ in scenario.hosts)
    (remark,) = scenario.remarks  # named_labs asks for it, and that is no fault
    assert "anthropic" in remark
    assert "model.named_labs" in remark


def test_a_lab_may_be_added(folder: Folder, base: sim.Scenario) -> None:
    text = (SHIPPED / "labs/deepseek.toml").read_text()
    text = re.sub(r"name = .*\norder = .*\n", 'name = "New"\norder = 2.5\n', text, count=1)
    folder.write("labs/new_lab2.toml", text)
    scenario = folder.load()
    assert [lab.id for lab in scenario.labs][:4] == [
        *("openai", "anthropic", "new_lab2", "google_deepmind"),
    ]
    assert scenario.labs[2].name == "New"
    assert set(base.quantities) < set(scenario.quantities)
    assert scenario.quantities["labs.new_lab2.gw_2025q4"].distribution.point == 0.06


def test_a_landlord_may_be_added(folder: Folder) -> None:
    shutil.copy(SHIPPED / "landlords/other.toml", folder.root / "landlords/sovereign.toml")
    assert "sovereign" in {landlord.id for landlord in folder.load().landlords}


def test_the_shipped_landlords_give_the_ends_of_their_years(base: sim.Scenario) -> None:
    """Model.md 7; all others end in December."""
    ends = {party.id: party.fiscal_year_end for party in base.landlords}
    early = {"microsoft": 6, "oracle": 5, "alibaba": 3, "softbank": 3}
    assert ends == dict.fromkeys(ends, 12) | early


NEW_LAB = """
[labs.mistral]
name = "Mistral"

[labs.mistral.lab_is_china]
value = false
unit = "1"
source = "judgement"
note = "French"
"""
NUMBERS = {
    "gw_2025q4": (0.1, "GW"),
    "gw_2026q4": (0.3, "GW"),
    "planned_additions_2027_gw": (0.3, "GW"),
    "inference_share": (0.4, "1"),
    "lab_free_token_share": (0.3, "1"),
    "arr_2025q4_busd": (0.4, "USD bn"),
    "arr_2026q4_busd": (1.0, "USD bn"),
    "arr_growth_2027": (2.0, "x/yr"),
}
NEW_LAB += "".join(
    f"""
[labs.mistral.{name}]
value = {value}
unit = "{unit}"
source = "judgement"
note = "n"
"""
    for name, (value, unit) in NUMBERS.items()
)
HOST = """
[labs.mistral.host.other]
share_2026 = 1
share_2027 = 1
unit = "1"
source = "judgement"
note = "n"
"""


def test_an_overlay_adds_a_lab_whose_rows_stand_beside_the_others(folder: Folder) -> None:
    path = folder.overlay(NEW_LAB + HOST)
    base, scenario = folder.load(), folder.load(path)
    assert [lab.id for lab in scenario.labs] == [*(lab.id for lab in base.labs), "mistral"]
    assert scenario.labs[-1].name == "Mistral"
    names = ["gw_2026q4", "arr_growth_2027", "arr", "gw"]
    old, new = (sim.simulate(s, draws=64, keep=names) for s in (base, scenario))
    for name in names[:3]:  # draws follow from names: a new lab moves no one's
        xr.testing.assert_equal(new[name].sel(lab=old.lab), old[name])
    assert float(new.gw.sel(lab="mistral", quarter="2026Q4").median()) == pytest.approx(0.3)


def test_what_a_new_lab_lacks_is_said_at_the_line_of_its_table(folder: Folder) -> None:
    path = folder.overlay(NEW_LAB)
    with pytest.raises(sim.InputError) as raised:
        folder.load(path)
    faults = raised.value.faults
    assert {fault.key for fault in faults} == {"labs.mistral.host"}
    assert all("add up to 0, expected 1" in fault.message for fault in faults)


def test_an_overlay_leaves_a_lab_out(folder: Folder) -> None:
    path = folder.overlay("[labs.xai]\nremove = true\n")
    base, scenario = folder.load(), folder.load(path)
    assert [lab.id for lab in scenario.labs] == [lab.id for lab in base.labs if lab.id != "xai"]
    assert not any(name.startswith("labs.xai") for name in scenario.quantities)
    old, new = (sim.simulate(s, draws=64, keep=["arr"]) for s in (base, scenario))
    xr.testing.assert_equal(new.arr, old.arr.sel(lab=new.lab))


def test_a_landlord_that_is_left_out_has_its_shares_taken_up_by_others(folder: Folder) -> None:
    path = folder.overlay("[landlords.oracle]\nremove = true\n")
    with pytest.raises(sim.InputError) as raised:
        folder.load(path)
    assert "labs.openai.host" in {fault.key for fault in raised.value.faults}
    assert all("add up to" in fault.message for fault in raised.value.faults)


@pytest.mark.parametrize(
    ("body", "key", "message"),
    [
        ("[labs.xai]\nremove = 1\n", "labs.xai.remove", "expected true, got 1"),
        ("[labs.xia]\nremove = true\n", "labs.xia.remove", "no such lab; did you mean 'xai'?"),
    ],
)
def test_a_lab_is_left_out_by_name_alone(folder: Folder, body: str, key: str, message: str) -> None:
    fault = folder.fault(folder.overlay(body))
    assert (fault.key, fault.message) == (key, message)
