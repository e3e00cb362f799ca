"""`sim run`: tables, options and their faults, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, Command, runs_in
from stored_runs import ALTERED, Sim, StoredRun

import sim
from sim.cli.run import _stored_draws

BASE = str(ROOT / "params" / "base.toml")


def test_run_prints_tables_and_the_folder_of_the_results(command: Command, tmp_path: Path) -> None:
    done = command("run", BASE, "--draws", "1e3", "--seed", "7", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "Gross margin, 2026Q4 (%)",
        "What moves the inference margin of 2026Q4 most",
        "1,000 draws, stratified, seed 7",
        "Anthropic",
    ):
        assert words in done.stdout
    (folder,) = runs_in(tmp_path / "outputs")
    assert f"outputs/{folder.name}/" in done.stdout
    assert (folder / "figures" / "margin.png").exists()


def test_run_quiet_prints_only_the_folder(invoke: Command, tmp_path: Path) -> None:
    done = invoke("run", BASE, "--draws", "64", "--quiet", "--no-figures", "--out", "here")
    assert done.stdout.strip() == f"here/{runs_in(tmp_path / 'here')[0].name}"
    assert done.stderr == ""
    assert not list((tmp_path / "here").glob("*/figures"))


def test_run_json_holds_draws_and_tables(invoke: Command) -> None:
    done = invoke("run", BASE, "--draws", "512", "--json", "--no-figures")
    (document,) = json.loads(done.stdout)
    assert document["draws"] == 512
    assert document["tables"][0]["title"] == "Gross margin, 2026Q4 (%)"


def test_a_run_is_found_by_its_name_which_stays_when_it_grows(
    invoke: Command, tmp_path: Path
) -> None:
    small = ("run", BASE, "--no-figures", "--quiet", "--draws")
    folder = invoke(*small, "64", "--name", "trial").stdout.strip()
    assert invoke(*small, "96").stdout.strip() == folder
    assert json.loads(invoke("list", "--json").stdout)[0]["name"] == "trial"
    assert sim.open_run("trial", tmp_path / "outputs").attrs["draws"] == 96
    assert invoke("list").stdout.count("named trial") == 1
    assert "named trial" in invoke("show", "trial").stdout
    assert invoke("rm", "trial", "--yes").stdout == f"removed {Path(folder).name}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "bear"), "--name: 'bear' means the parameter file of that name"),
        (("--name", "latest"), "--name: 'latest' means another run"),
        (("--name", "a/b"), "--name: 'a/b' looks like a path"),
        (("--name", ""), "--name: expected a name of at most 100 characters"),
        (("--name", "a", BASE), "--name: one name, and 2 files"),
        (("--name", "a", "--no-store"), "--name: has no effect with --no-store"),
    ],
)
def test_a_name_that_could_mean_something_else_is_refused(
    invoke: Command, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = invoke("run", BASE, "--draws", "64", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_store_prints_the_same_and_leaves_nothing(
    invoke: Command, tmp_path: Path
) -> None:
    options = ("run", BASE, "--draws", "640", "--no-figures")
    done = invoke(*options, "--no-store")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    stored = invoke(*options)
    assert done.stdout.splitlines()[:-1] == stored.stdout.splitlines()[:-1]
    assert done.stderr == stored.stderr
    (document,) = json.loads(invoke(*options, "--no-store", "--json").stdout)
    assert (document["folder"], document["stored"]) == (None, False)


def test_labs_and_landlords_are_named_by_id_or_by_display_name(invoke: Command) -> None:
    options = ("run", BASE, "--draws", "64", "--no-figures", "--json")
    by_id = ("--lab", "google_deepmind", "--landlord", "neocloud")
    by_name = ("--lab", "Google deepmind", "--landlord", "neoclouds")
    expected = json.loads(invoke(*options, *by_id).stdout)
    assert json.loads(invoke(*options, *by_name).stdout)[0]["tables"] == expected[0]["tables"]
    done = invoke("show", "latest", "--lab", "Google Depmind")
    assert done.stderr.endswith("no such lab: 'Google Depmind'; did you mean 'Google DeepMind'?\n")


def test_run_narrows_tables_to_labs_landlords_and_quarters(invoke: Command) -> None:
    done = invoke(
        "run", BASE, "--draws", "512", "--no-figures", "--lab", "xai", "--lab", "openai",
        "--landlord", "oracle", "--quarter", "2027Q2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for text in ("Labs, 2027Q2", "Landlords, 2027Q2", "xAI", "OpenAI", "Oracle"):
        assert text in done.stdout
    for text in ("Anthropic", "Softbank", "2026Q4"):
        assert text not in done.stdout
    narrowed = invoke("run", BASE, "--draws", "512", "--no-figures", "--json", "--lab", "deepseek")
    tables = {t["title"].split(",")[0]: t for t in json.loads(narrowed.stdout)[0]["tables"]}
    assert {cell["row"] for cell in tables["Labs"]["cells"]} == {"DeepSeek"}
    cells = {cell["column"]: cell for cell in tables["Labs"]["cells"]}
    assert cells["paid margin"]["value"] is None
    assert cells["paid margin"]["text"] == "not reported"


def test_run_refuses_unknown_labs_landlords_and_quarters(invoke: Command, tmp_path: Path) -> None:
    done = invoke("run", BASE, "--lab", "openia", "--landlord", "orcale", "--draws", "64")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "--lab: no such lab: 'openia'; did you mean 'openai'?",
        "--landlord: no such landlord: 'orcale'; did you mean 'oracle'?",
    ]
    done = invoke("run", BASE, "--quarter", "2028Q1", "--draws", "0")
    assert done.returncode == 2
    assert "--quarter: no such quarter: '2028Q1'; expected 2026Q1 to 2027Q4" in done.stderr
    assert "--draws: expected" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_run_of_several_files_pairs_their_draws_and_ends_side_by_side(
    invoke: Command, params: Path
) -> None:
    overlay = params / "dear-power.toml"
    overlay.write_text(
        'format = 1\nextends = "base.toml"\n[hardware.power_price_usd_per_kwh]\nmedian = 0.1\n'
    )
    done = invoke(
        "run", str(params / "base.toml"), str(overlay), "--draws", "1000", "--no-figures",
        COLUMNS="200",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = done.stdout[done.stdout.index("dear-power against base") :]
    rows = {line[:25].strip(): line[25:].split() for line in table.splitlines() if line.strip()}
    base, _, dear, *_ = rows["Inference 2026Q4"]
    assert float(dear) < float(base)
    # Power moves no gigawatt: the same random numbers, to the last digit.
    assert rows["OpenAI GW 2027Q4"][-1] == "same"


def test_files_of_one_name_are_told_apart(invoke: Command, params: Path, tmp_path: Path) -> None:
    for folder, pue in (("north", 1.25), ("south", 1.3)):
        (params / folder).mkdir()
        text = f'format = 1\nextends = "../base.toml"\n[hardware.pue]\nmedian = {pue}\n'
        (params / folder / "site.toml").write_text(text)
    files = [f"params/{folder}/site.toml" for folder in ("north", "south")]
    done = invoke("run", *files, "params/base.toml", "--draws", "256", "--no-figures")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line in ("north/site", "south/site")]
    rows = [line.split("  ")[0].strip() for line in done.stdout.splitlines()]
    assert {"north/site", "south/site", "base"} <= set(rows)
    assert "south/site against north/site" in done.stdout
    assert "base against north/site" in done.stdout
    (document,) = json.loads(
        invoke("run", *files, "--draws", "256", "--no-figures", "--json").stdout
    )[2:]
    (table,) = document["comparisons"]
    assert {"north/site", "south/site"} < {cell["column"] for cell in table["cells"]}
    listed = invoke("list").stdout
    assert all(f"    of {file}\n" in listed for file in files)
    assert "of params/base.toml" not in listed  # the only one of its name
    ambiguous = invoke("show", "site")
    assert ambiguous.returncode == 2
    assert all(f", of {file}, hardware.pue.median = 1." in ambiguous.stderr for file in files)
    checked = invoke("check", *files).stdout
    assert "\nsouth/site: no faults" in checked


def test_run_reports_a_parameter_that_set_changes(invoke: Command) -> None:
    key = "utilisation.duty_cycle_online_inference.median"
    done = invoke("run", BASE, "--set", f"{key}=0.6", "--draws", "256", "--no-figures")
    assert f"{key}: 0.38 -> 0.6" in done.stdout
    held = invoke("run", BASE, "--set", "factors.demand=-2", "--draws", "256", "--no-figures")
    assert "\n  factors.demand: set to -2\n" in held.stdout
    view = invoke("check", BASE, "--set", "model.view=accounting")
    assert view.returncode == 0


def test_run_reports_all_faults_of_options_and_files_together(
    invoke: Command, params: Path, tmp_path: Path
) -> None:
    base = params / "base.toml"
    base.write_text(base.read_text().replace("[hardware.pue]", "[hardware.puee]"))
    done = invoke(
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


def test_run_refuses_an_unwritable_folder_before_it_computes(
    invoke: Command, tmp_path: Path
) -> None:
    (tmp_path / "outputs").write_text("a file")
    done = invoke("run", BASE)
    assert done.returncode == 2
    assert "outputs: cannot be written to" in done.stderr


def test_an_interrupted_run_exits_with_130_and_leaves_no_partial_file(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("reused", "drawn", "stored", "note"),
    [
        (0, 2_500, True, ""),
        (1_024, 1_476, True, "1,024 draws were stored, 1,476 are new"),
        (2_500, 0, True, "as stored"),
        (0, 2_500, False, "the folder keeps its longer run"),
    ],
)
def test_run_says_how_many_of_its_draws_were_stored(
    reused: int, drawn: int, stored: bool, note: str
) -> None:
    assert _stored_draws(SimpleNamespace(reused=reused, drawn=drawn, stored=stored)) == note  # type: ignore[arg-type]


def test_run_names_a_damaged_file_and_makes_it_anew(run_sim: Sim, stored: StoredRun) -> None:
    (folder,) = runs_in(Path("outputs"))
    table = folder / "summary.csv"
    before = table.read_bytes()
    table.write_bytes(before[:-1] + b"!")
    options = ("--draws", "1100", "--seed", "7", "--set", f"{ALTERED}=0.6", "--no-figures")
    code, _, errors = run_sim("run", BASE, *options, "--quiet")
    assert (code, errors) == (
        0,
        f"note: outputs/{folder.name}/summary.csv: damaged, or changed since it was written:"
        " manifest.json has another checksum: made anew\n",
    )
    assert table.read_bytes() == before
    assert run_sim("run", BASE, *options, "--quiet")[2] == ""


def test_run_and_sweep_refuse_scenarios_whose_runs_would_be_hidden(
    invoke: Command, params: Path, tmp_path: Path
) -> None:
    hidden = params / ".hidden.toml"
    hidden.write_text('format = 1\nextends = "base.toml"\n')
    for command in (
        ("run", BASE, str(hidden), "--draws", "32"),
        ("sweep", str(hidden), "--over", "hardware.it_economic_life_years.median=3,4"),
    ):
        done = invoke(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"{hidden}: a scenario's file cannot begin with a dot")
    assert not (tmp_path / "outputs").exists()
