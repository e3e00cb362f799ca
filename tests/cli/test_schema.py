"""`sim schema`, and the shipped schema."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from conftest import ROOT, Command


def test_shipped_schema_is_up_to_date(invoke: Command, tmp_path: Path) -> None:
    done = invoke("schema", "--out", "schema.json")
    assert done.returncode == 0
    assert (tmp_path / "schema.json").read_text() == (ROOT / "params" / "schema.json").read_text()
    assert invoke("schema", "--out", "no/such/folder.json").returncode == 2
    (tmp_path / "other.json").write_text("{}")
    refused = invoke("schema", "--out", "other.json")
    assert refused.stderr == "--out: other.json: is there already: --force replaces it\n"
    assert (tmp_path / "other.json").read_text() == "{}"
    for arguments, name in (
        (("schema.json",), "schema.json"),  # the same to the byte
        (("other.json", "--force"), "other.json"),
        (("new/",), "new/schema.json"),
    ):
        assert invoke("schema", "--out", *arguments).stdout == f"{name}\n"
        assert (tmp_path / name).read_text() == (tmp_path / "schema.json").read_text()


def test_base_case_meets_the_shipped_schema() -> None:
    """The schema and the shipped files do not drift apart."""
    shipped = json.loads((ROOT / "params" / "schema.json").read_text())
    document = tomllib.loads((ROOT / "params" / "base.toml").read_text())
    distributions = set(shipped["$defs"]["distribution"]["properties"])
    for group, quantities in document.items():
        allowed = shipped["properties"][group]
        if not isinstance(quantities, dict):
            continue
        for name, entry in quantities.items():
            below = allowed["properties"][name]
            if isinstance(entry, dict):
                assert set(entry) <= set(below["properties"]) | distributions, name
                assert entry["unit"] == below["properties"]["unit"]["const"]


def test_inputs_of_a_lab_alone_may_load_on_its_own_factor() -> None:
    shipped = json.loads((ROOT / "params" / "schema.json").read_text())
    definitions = shipped["$defs"]

    def factors(quantity: dict[str, Any]) -> set[str]:
        name = quantity["properties"]["loads"]["$ref"].rpartition("/")[2]
        return set(definitions[name]["properties"])

    lab = definitions["lab"]["properties"]["arr_2026q1_busd"]
    landlord = definitions["landlord"]["properties"]["rent_busd_per_gw_year"]
    scalar = shipped["properties"]["hardware"]["properties"]["pue"]
    assert factors(lab) - factors(scalar) == {"own"}
    assert factors(landlord) == factors(scalar)
    assert {"share_2025", "equity_busd"} <= set(definitions["host"]["properties"])
