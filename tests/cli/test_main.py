from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, Command, runs_in

import sim
from sim.common.errors import Fault
from sim.parameters.loading import parse_set

BASE = str(ROOT / "params" / "base.toml")


def test_a_run_prints_tables_and_says_where_the_results_are(
    command: Command, tmp_path: Path
) -> None:
    done = command("run", BASE, "--draws", "1e3", "--seed", "7", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "Gross margin (%)",
        "landlord margin",
        "1,000 draws, stratified, seed 7",
        "Anthropic",
    ):
        assert words in done.stdout
    (folder,) = runs_in(tmp_path / "outputs")
    assert f"outputs/{folder.name}/" in done.stdout
    assert (folder / "figures" / "margin.png").exists()


def test_quiet_prints_the_folder_and_nothing_else(command: Command, tmp_path: Path) -> None:
    done = command("run", BASE, "--draws", "64", "--quiet", "--no-figures", "--out", "here")
    assert done.stdout.strip() == f"here/{runs_in(tmp_path / 'here')[0].name}"
    assert done.stderr == ""
    assert not list((tmp_path / "here").glob("*/figures"))


def test_json_is_for_machines(command: Command) -> None:
    done = command("run", BASE, "--draws", "512", "--json", "--no-figures")
    (document,) = json.loads(done.stdout)
    assert document["draws"] == 512
    assert document["tables"][0]["title"] == "Gross margin (%)"


def test_labs_landlords_and_quarters_narrow_the_tables(command: Command) -> None:
    done = command(
        "run", BASE, "--draws", "512", "--no-figures", "--lab", "xai", "--lab", "openai",
        "--landlord", "oracle", "--quarter", "2027Q2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in ("Labs, 2027Q2", "Landlords, 2027Q2", "xAI", "OpenAI", "Oracle"):
        assert words in done.stdout
    for words in ("Anthropic", "Softbank", "Inference 2026Q4"):
        assert words not in done.stdout
    narrowed = command("run", BASE, "--draws", "512", "--no-figures", "--json", "--lab", "deepseek")
    tables = {t["title"].split(",")[0]: t for t in json.loads(narrowed.stdout)[0]["tables"]}
    assert {cell["row"] for cell in tables["Labs"]["cells"]} == {"DeepSeek"}
    said = {cell["column"]: cell for cell in tables["Labs"]["cells"]}
    assert said["ARR mean"]["value"] is None
    assert said["ARR mean"]["text"] == "not reported"


def test_unknown_labs_landlords_and_quarters_are_bad_input(
    command: Command, tmp_path: Path
) -> None:
    done = command("run", BASE, "--lab", "openia", "--landlord", "orcale", "--draws", "64")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "--lab: no such lab: 'openia'; did you mean 'openai'?",
        "--landlord: no such landlord: 'orcale'; did you mean 'oracle'?",
    ]
    done = command("run", BASE, "--quarter", "2028Q1", "--draws", "0")
    assert done.returncode == 2
    assert "--quarter: no such quarter: '2028Q1'; expected 2026Q1 to 2027Q4" in done.stderr
    assert "--draws: expected" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_several_files_share_their_random_numbers_and_end_side_by_side(
    command: Command, params: Path
) -> None:
    overlay = params / "dear-power.toml"
    overlay.write_text(
        'format = 1\nextends = "base.toml"\n[hardware.power_price_usd_per_kwh]\nmedian = 0.1\n'
    )
    done = command(
        "run", str(params / "base.toml"), str(overlay), "--draws", "1000", "--no-figures",
        COLUMNS="200",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = done.stdout[done.stdout.index("Scenarios:") :]
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line.strip()}
    assert float(rows["dear-power"][1]) < float(rows["base"][1])
    # Power moves no gigawatt: the same random numbers, to the last digit.
    assert rows["dear-power"][6:9] == rows["base"][6:9]


def test_set_changes_a_parameter_and_says_so(command: Command) -> None:
    key = "utilisation.duty_cycle_online_inference.median"
    done = command("run", BASE, "--set", f"{key}=0.6", "--draws", "256", "--no-figures")
    assert f"{key}: 0.5 -> 0.6" in done.stdout
    view = command("check", BASE, "--set", "model.view=accounting")
    assert view.returncode == 0


def test_all_faults_of_options_and_files_are_reported_together(
    command: Command, params: Path, tmp_path: Path
) -> None:
    base = params / "base.toml"
    base.write_text(base.read_text().replace("[hardware.pue]", "[hardware.puee]"))
    done = command(
        "run", str(base), "nowhere.toml", "--draws", "1e30", "--seed", "-1", "--threads", "0",
        "--sampler", "magic", "--set", "hardware.maintenance_rat.median=1", "--set", "nonsense",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    for words in (
        "--draws: expected a whole number of draws",
        "--seed: expected",
        "--threads: expected",
        "--sampler: unknown sampler 'magic'",
        "--set: nonsense: expected group.name.key=value",
        "hardware.puee: unknown key; did you mean 'pue'?",
        "hardware.pue: missing",
        "--set: hardware.maintenance_rat: unknown key; did you mean 'maintenance_rate'?",
        "nowhere.toml: no such file",
    ):
        assert words in done.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", BASE, "--nonsense"), ("fly",), ("check", "nowhere.toml")]
)
def test_wrong_usage_exits_with_2(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_an_unwritable_folder_exits_with_2_before_anything_is_computed(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "outputs").write_text("a file")
    done = command("run", BASE)
    assert done.returncode == 2
    assert "outputs: cannot be written to" in done.stderr


def test_check_says_what_a_file_holds(command: Command) -> None:
    done = command("check", BASE)
    assert done.returncode == 0
    assert "8 labs, 9 landlords" in done.stdout


def test_the_version_is_told(command: Command) -> None:
    assert command("--version").stdout.startswith("sim 0.")


def test_the_shipped_schema_is_fresh(command: Command, tmp_path: Path) -> None:
    done = command("schema", "--out", "schema.json")
    assert done.returncode == 0
    assert (tmp_path / "schema.json").read_text() == (ROOT / "params" / "schema.json").read_text()
    assert command("schema", "--out", "no/such/folder.json").returncode == 2


def test_the_base_case_meets_its_schema() -> None:
    """What the schema allows and what the files say do not drift apart."""
    import tomllib

    shipped = json.loads((ROOT / "params" / "schema.json").read_text())
    said = tomllib.loads((ROOT / "params" / "base.toml").read_text())
    distributions = set(shipped["$defs"]["distribution"]["properties"])
    for group, quantities in said.items():
        allowed = shipped["properties"][group]
        if not isinstance(quantities, dict):
            continue
        for name, entry in quantities.items():
            below = allowed["properties"][name]
            if isinstance(entry, dict):
                assert set(entry) <= set(below["properties"]) | distributions, name
                assert entry["unit"] == below["properties"]["unit"]["const"]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["check", BASE], ["run", "--help"], ["describe", "hardware.pue", "--file", BASE]],
)
def test_what_runs_no_model_does_not_import_the_heavy_libraries(arguments: list[str]) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['sim', *{arguments!r}]\n"
        "try:\n    runpy.run_module('sim', run_name='__main__')\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'matplotlib', 'xarray', 'scipy.stats', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_an_interrupted_run_exits_with_130_and_leaves_no_half_written_file(tmp_path: Path) -> None:
    sim.simulate(sim.load(BASE), draws=32)  # compiled before the clock runs
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sim",
            "run",
            BASE,
            "--draws",
            "3e6",
            "--out",
            str(tmp_path / "out"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "80"},
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "out").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    assert runs_in(tmp_path / "out") == []


def test_set_reads_toml_where_it_is_toml_and_text_where_it_is_not() -> None:
    faults: list[Fault] = []
    given = ("a.b=1e3", "c=economic", "d=[1, 2]", "e=1\nf=2", f"g={'1' * 5000}", f"h={'[' * 3000}")
    changes = parse_set(given, faults)
    assert (changes["a.b"], changes["c"], changes["d"]) == (1000.0, "economic", [1, 2])
    assert isinstance(changes["e"], str)
    assert isinstance(changes["g"], str)
    assert isinstance(changes["h"], str)
    assert "f" not in changes
    assert not faults
