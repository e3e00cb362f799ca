"""Faults for machines: JSON, annotations of GitHub, SARIF."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT

from sim.cli import fault_formats
from sim.cli.app import app
from sim.common.errors import Fault, Location

FAULTS = [
    Fault(Location("params/a.toml", 3), "hardware.peu", "unknown key; did you mean 'pue'?"),
    Fault(Location("params/b, c.toml"), "", "100 % wrong\nhere: there"),
]


def test_json_holds_every_fault_with_code_and_suggestion() -> None:
    data = json.loads(fault_formats.as_json(FAULTS))
    assert data["version"] == 1
    first, second = data["faults"]
    assert (first["file"], first["line"], first["key"]) == ("params/a.toml", 3, "hardware.peu")
    assert (first["code"], first["suggestion"]) == ("SIM010", "pue")
    assert (second["line"], second["suggestion"]) == (None, None)


def test_annotations_escape_what_has_a_meaning_to_github() -> None:
    first, second = fault_formats.as_github(FAULTS).split("\n")
    assert first.startswith("::error file=params/a.toml,line=3,title=SIM010 unknown-name::")
    assert first.endswith("hardware.peu: unknown key; did you mean 'pue'?")
    assert second.startswith("::error file=params/b%2C c.toml,title=")
    assert "100 %25 wrong" in second
    assert "\r" not in second


def test_a_sarif_log_has_what_the_standard_requires() -> None:
    """SARIF 2.1.0, 3.13 to 3.30: versions, a driver with rules, results that name one of them."""
    log = json.loads(fault_formats.as_sarif(FAULTS))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    rules = {rule["id"] for rule in driver["rules"]}
    assert driver["name"]
    for result, fault in zip(run["results"], FAULTS, strict=True):
        assert result["ruleId"] in rules
        assert result["level"] == "error"
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert "\\" not in place["artifactLocation"]["uri"]
        assert place.get("region", {}).get("startLine", 0) == fault.location.line


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_check_prints_faults_and_exits_with_2(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "overlay.toml"
    base = (ROOT / "params" / "base.toml").as_posix()
    path.write_text(f'format = 1\nextends = "{base}"\n[hardware.peu]\nmedian = 1.2\n')
    with pytest.raises(SystemExit) as leaving:
        app(["check", str(path), "--format", form])
    assert leaving.value.code == 2
    assert "SIM010" in capsys.readouterr().out


def test_the_hook_of_pre_commit_names_a_command_that_exists() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entry = dict(re.findall(r"^[- ] (\w+): (.+)$", text, re.MULTILINE))
    assert entry["entry"] == "sim check"
    files = re.compile(entry["files"])
    shipped = [path.relative_to(ROOT).as_posix() for path in (ROOT / "params").rglob("*.toml")]
    chosen = [path for path in shipped if files.search(path)]
    assert "params/base.toml" in chosen
    assert "params/scenarios/bear.toml" in chosen
    assert not any(Path(path).parent.name in ("labs", "landlords") for path in chosen)
