"""`sim schema`, and the shipped schema."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import ROOT, Command

from sim.parameters import json_schema


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


KINDS = {
    "scenario": ["base.toml", "scenarios/*.toml"],
    "lab": ["labs/*.toml"],
    "landlord": ["landlords/*.toml"],
    "sources": ["sources.toml"],
    "published": ["published.toml"],
    "claims": ["claims.toml"],
}


def validator(kind: str) -> jsonschema.Draft202012Validator:
    shipped = (ROOT / "params" / json_schema.FILES[kind]).read_text(encoding="utf-8")
    assert shipped == json_schema.text(kind)
    return jsonschema.Draft202012Validator(json.loads(shipped))


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_files_meet_the_schema_that_their_first_line_names(kind: str) -> None:
    of_kind = validator(kind)
    files = [file for pattern in KINDS[kind] for file in (ROOT / "params").glob(pattern)]
    assert files
    for file in files:
        first, _, body = file.read_text(encoding="utf-8").partition("\n")
        assert (file.parent / first.removeprefix("#:schema ")).resolve() == (
            ROOT / "params" / json_schema.FILES[kind]
        )
        assert not [error.message for error in of_kind.iter_errors(tomllib.loads(body))], file


TYPOS = {
    "a parameter": "[hardware.pue]\nmedain = 1.2\n",
    "a parameter of a family": '[hardware.pue]\nfamily = "lognormal"\nmedian = 1\nsigm = 0.1\n',
    "one of another family": '[hardware.pue]\nfamily = "lognormal"\nmedian = 1\nmode = 1\n',
    "a quantile of a family without": '[hardware.pue]\nfamily = "bernoulli"\np10 = 1\n',
    "a level": "[hardware.pue]\np0 = 1\n",
    "a family": '[hardware.pue]\nfamily = "lognorml"\nmedian = 1\n',
    "a quantity": "[hardware.peu]\nmedian = 1\n",
    "a group": "[hardwear.pue]\nmedian = 1\n",
    "a unit": '[hardware.pue]\nunit = "kW"\n',
    "a note": '[hardware.pue]\nnoet = "n"\n',
    "a source": '[hardware.pue]\nsorce = "s"\n',
    "a factor": "[hardware.pue]\nloads = { demnad = 0.5 }\n",
    "a loading": "[hardware.pue]\nloads = { demand = 1.5 }\n",
    "a factor of labs alone": "[hardware.pue]\nloads = { own = 0.5 }\n",
    "a quantity of a lab": "[labs.xai.gw_2026q5]\nmedian = 1\n",
    "a key of a lab's quantity": "[labs.xai.gw_2026q4]\nmedain = 1\n",
    "a share of a host": "[labs.xai.host.oracle]\nshare_2028 = 1\n",
    "a quantity of a landlord": "[landlords.oracle.rpo]\nmedian = 1\n",
    "a view": '[model]\nview = "economical"\n',
    "a setting": '[model]\nveiw = "economic"\n',
    "a bound": "[hardware.pue]\nvalue = 0.5\n",
    "a flag": "[labs.xai]\nremove = false\n",
}


@pytest.mark.parametrize("name", TYPOS)
def test_a_typo_is_caught_by_an_editor(name: str) -> None:
    assert [*validator("scenario").iter_errors(tomllib.loads(TYPOS[name]))]


@pytest.mark.parametrize(
    "body",
    [
        "[hardware.pue]\nmedian = 1.2\n",
        '[hardware.pue]\nfamily = "scipy.gamma"\na = 1\n',
        '[hardware.pue]\nfamily = "normal"\np10 = 1\np90 = 2\n',
        '[labs.mistral]\nname = "Mistral"\n',
        "[labs.xai]\nremove = true\n",
    ],
)
def test_what_is_right_is_left_alone(body: str) -> None:
    assert not [*validator("scenario").iter_errors(tomllib.loads(body))]


@pytest.mark.long
@pytest.mark.parametrize("tool", [("tombi", "lint", "--offline"), ("taplo", "check")])
def test_editors_report_nothing_on_shipped_files(tool: tuple[str, ...]) -> None:
    program = shutil.which(tool[0]) or shutil.which(tool[0], path=Path(sys.executable).parent)
    if program is None:
        pytest.skip(f"{tool[0]} is not installed (extra dev)")
    files = sorted((ROOT / "params").rglob("*.toml"))
    done = subprocess.run(
        [program, *tool[1:], *map(str, files)], cwd=ROOT, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


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
