"""`sim compare`: worlds of files, sweeps and runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import ROOT, Command

BASE = str(ROOT / "params" / "base.toml")
KEY = "hardware.pue.median"
MARGIN = "p50(inference_gross_margin@2026Q4)"


def test_one_file_is_compared_with_itself_without_set(invoke: Command, tmp_path: Path) -> None:
    done = invoke(
        "compare", BASE, "--set", f"{KEY}=1.3", "--draws", "256", "--landlord", "oracle",
        "--lab", "OpenAI", "--to", "why/bars.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("base edited against base  256 draws, stratified, seed 1")
    assert any(line.startswith(" pue ") and "1.3 (" in line for line in lines)
    assert any(line.startswith(" OpenAI GW 2027Q4") and "same" in line for line in lines)
    assert any(line.startswith(" Oracle margin 2026Q4") for line in lines)
    assert not any("Anthropic" in line for line in lines)
    assert any(line.startswith(" = difference") for line in lines)
    assert lines[-1] == "why/bars.png"
    assert (tmp_path / "why" / "bars.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "outputs").exists()  # nothing is stored


def test_points_of_a_sweep_are_each_compared_with_the_first(
    invoke: Command, tmp_path: Path
) -> None:
    """Stored sweeps give the same numbers as their files."""
    sweep = ("sweep", BASE, "--over", f"{KEY}=1.1,1.2,1.3", "--draws", "128", "--no-figures")
    folder = invoke(*sweep, "--output", MARGIN, "--quiet").stdout.strip()
    done = invoke("compare", folder, "--output", MARGIN, "--json", "--to", "points.svg")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["draws"] == 128
    assert [of["second"] for of in document["comparisons"]] == [f"{KEY} = 1.2", f"{KEY} = 1.3"]
    assert [edit["name"] for edit in document["comparisons"][1]["edits"]] == ["hardware.pue"]
    pictures = sorted(path.name for path in tmp_path.glob("points*.svg"))
    assert pictures == [f"points-{KEY}-=-1.2.svg", f"points-{KEY}-=-1.3.svg"]
    files = []
    for pue in (1.1, 1.3):
        text = f'format = 1\nextends = "{BASE}"\n[hardware.pue]\nmedian = {pue}\n'
        (tmp_path / f"pue{pue:g}.toml").write_text(text)
        files.append(f"pue{pue:g}.toml")
    of_files = invoke("compare", *files, "--output", MARGIN, "--json", "--draws", "128")
    (expected,) = json.loads(of_files.stdout)["comparisons"]
    cells = document["comparisons"][1]["tables"][0]["cells"][2]
    assert cells["value"] == expected["tables"][0]["cells"][2]["value"]


def test_csv_names_the_world_of_each_table(invoke: Command) -> None:
    done = invoke(
        "compare", "base", "cheap-power", "stress", "--draws", "128", "--csv", "--output", MARGIN,
        "--no-attribution",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["table"] for row in rows} >= {"cheap-power: comparison", "stress: edits"}
    assert not any("attribution" in row["table"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("base",), "expected two worlds, or one file with --set"),
        (("base", "base", "--json", "--csv"), "cannot stand beside --json"),
        (("base", "bear", "--group", "power=hardware.pue"), "no edit 'hardware.pue'"),
        (("base", "base", "--draws", "64", "--to", "a.png"), "no difference to draw"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(
    invoke: Command, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = invoke("compare", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(tmp_path.glob("*.png"))
