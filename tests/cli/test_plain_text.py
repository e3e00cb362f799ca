"""What a user typed is text and nothing else, in whatever a command prints."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, invoke_in, runs_in
from nasty_names import CONTROLS, FILE, HARMLESS, NAME, shown, shown_in_prose, write_scenario
from rich.cells import cell_len
from rich.console import Console
from run_folders import change_manifest

from sim.cli import terminal

DESCRIPTION = shown_in_prose(f"description {NAME}")
OUT = "out[/red][bold]" + CONTROLS
Sim = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    shutil.copytree(ROOT / "params", folder / "params")
    return write_scenario(folder / "params")


@pytest.fixture(scope="module")
def run_nasty(scenario: Path) -> Sim:
    """`sim ARGUMENTS` beside that scenario and a run of it, whose command printed what it shows."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return invoke_in(scenario.parent.parent, *arguments)

    done = run(
        "run", f"params/{FILE}.toml", "--draws", "64", "--out", OUT, "--no-figures", "--quiet"
    )
    assert done.returncode == 0, done.stderr
    return run


def assert_plain(done: subprocess.CompletedProcess[str], *texts: str, code: int = 0) -> None:
    """Nothing acts on the terminal, and every text is there as it was typed."""
    assert done.returncode == code, done.stderr
    printed = done.stdout + done.stderr
    assert {c for c in printed if not c.isprintable()} <= {"\n"}
    unbroken = re.sub(r"\s", "", printed)
    for text in texts:
        assert re.sub(r"\s", "", shown(text)) in unbroken, text


def test_run_and_show_print_names_as_they_are(run_nasty: Sim, scenario: Path) -> None:
    options = ("--draws", "64", "--out", OUT, "--no-figures")
    named = ("--table", "labs", "--table", "landlords")
    again = run_nasty("run", f"params/{FILE}.toml", *options, *named)
    stored = run_nasty("show", f"{FILE}-", "headline", "labs", "landlords", "--out", OUT)
    for done in (again, stored):
        assert_plain(done, FILE, DESCRIPTION, " changes by ", OUT)
        lines = done.stdout.splitlines()
        assert max(map(cell_len, lines[: lines.index("")])) <= 80
        assert len([line for line in lines if line.startswith(f" {NAME[:20]}")]) >= 4
    document = json.loads(run_nasty("show", f"{FILE}-", "--out", OUT, "--json").stdout)
    assert document["scenario"] == FILE  # data are as they were typed
    assert document["folder"].startswith(f"{OUT}/{FILE}-")


def test_run_of_several_files_prints_names_as_they_are(run_nasty: Sim) -> None:
    files = (f"params/{FILE}.toml", "params/base.toml")
    done = run_nasty("run", *files, "--draws", "64", "--out", OUT, "--no-figures")
    assert_plain(done, FILE, f"{FILE}: {DESCRIPTION}", f"base against {FILE}", OUT)
    assert any(line.startswith(f" {NAME[:20]}") for line in done.stdout.splitlines())
    quiet = run_nasty("run", files[0], "--draws", "64", "--out", OUT, "--no-figures", "--quiet")
    assert_plain(quiet, f"{OUT}/{FILE}-")


def test_list_prints_names_and_damage_as_they_are(run_nasty: Sim, scenario: Path) -> None:
    assert_plain(run_nasty("list", "--out", OUT), FILE, f"in {OUT}/")
    out = scenario.parent.parent / "damaged"
    (run,) = [run for run in runs_in(scenario.parent.parent / OUT) if run.name.startswith("[old]")]
    shutil.copytree(run, out / "renamed-000000000000")
    renamed = out / "renamed-000000000000"
    changes = {"sampler": NAME, "started": NAME, "source": "0", "commit": NAME}
    changes |= {"versions": {"numba": NAME}, "remarks": [NAME], "description": NAME}
    change_manifest(renamed, **changes)
    assert_plain(run_nasty("list", "--out", "damaged"), f"scenario {FILE}", NAME)
    done = run_nasty("show", "renamed", "--out", "damaged", "--lab", "xai")
    assert_plain(done, f"Odd: {NAME}", f"numba {NAME}")


def test_check_and_describe_print_names_as_they_are(run_nasty: Sim) -> None:
    file = f"params/{FILE}.toml"
    assert_plain(run_nasty("check", file), f"{FILE}: no faults", f"{file}:5: hardware.pue", NAME)
    done = run_nasty("describe", "hardware.pue", "--file", file)
    for key in ("note", "title", "publisher", "url"):
        assert_plain(done, shown_in_prose(f"{key} {NAME}"), f"{file}:5: hardware.pue.median")
    assert_plain(run_nasty("describe", "--file", file))
    done = run_nasty("describe", "--correlations", "hardware.pue", "--file", file)
    assert_plain(done, f"Group [/red]{HARMLESS}")


def test_sweep_prints_names_as_they_are(run_nasty: Sim) -> None:
    done = run_nasty(
        "sweep", f"params/{FILE}.toml", "--over", "model.view=economic,accounting", "--draws",
        "256", "--out", OUT, "--output", "p50(gw[openai]@2027Q4)",
    )  # fmt: skip
    assert_plain(done, f"{FILE}  2 points", f"{OUT}/{FILE}-sweep-")


def test_plot_export_init_and_schema_print_paths_as_they_are(run_nasty: Sim) -> None:
    to = f"to[/red]{CONTROLS}"
    rows = json.loads(run_nasty("list", "--out", OUT, "--json").stdout)
    runs = [row["run"] for row in rows if row["run"].startswith(f"{FILE}-")]
    name = next(run for run in runs if "-sweep-" not in run)
    done = run_nasty("plot", name, "margin", "--out", OUT, "--to", f"{to}/{HARMLESS}.png")
    assert_plain(done, f"{to}/{HARMLESS}.png")
    assert_plain(run_nasty("plot", name, "margin", "--out", OUT, "--to", to), f"{to}/margin.png")
    one = ("export", name, "--out", OUT, "--output", "tps_decode", "--format", "csv")
    assert_plain(run_nasty(*one, "--to", f"{to}/"), f"{to}/{FILE}-")
    assert_plain(run_nasty(*one, "--to", f"{to}/"), f"{to}/{FILE}-", "--force replaces it", code=2)
    assert_plain(run_nasty("schema", "--out", f"{to}/a/"), f"{to}/a/schema.json")
    assert_plain(run_nasty("init", f"{to}/b"), f"{to}/b/params/ next: sim run {to}/b/params/base")
    assert_plain(run_nasty("init", f"{to}/b"), f"{to}/b/params: is there already", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        (NAME,),
        ("run", NAME),
        ("run", f"--{NAME}"),
        ("show", NAME),
        ("list", NAME),
        ("help", NAME),
        ("check", "params/base.toml", "--set", NAME),
        ("check", "params/base.toml", "--set", f"{NAME}=1"),
        ("check", "params/base.toml", "--set", f"hardware.pue.median={NAME}"),
        ("describe", NAME, "--file", "params/base.toml"),
        ("sweep", "params/base.toml", "--over", f"{NAME}=1,2"),
        ("run", "params/base.toml", "--sampler", NAME, "--lab", NAME, "--quarter", NAME),
    ],
)
def test_a_fault_prints_what_was_typed_and_nothing_acts(
    run_nasty: Sim, arguments: tuple[str, ...]
) -> None:
    done = run_nasty(*arguments)
    assert_plain(done, code=2)
    assert "Traceback" not in done.stderr
    assert "[/red]" in done.stderr


def test_progress_on_a_terminal_shows_a_name_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200, color_system=None)
    monkeypatch.setattr(terminal, "err", console)
    with terminal.watch(False, NAME, 10) as bar:
        bar.advance(5)
        bar.stage(f"pictures {HARMLESS}")
    sequences = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
    assert shown(NAME) in sequences.sub("", screen.getvalue())


def test_nothing_in_a_name_is_a_style_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200, color_system="truecolor")
    monkeypatch.setattr(terminal, "out", console)
    terminal.say_headed("[red]a", "[old] :smile: https://x.org 'b' 5 %")
    assert screen.getvalue() == "\x1b[1m[red]a\x1b[0m  [old] :smile: https://x.org 'b' 5 %\n"


PRINTERS = {"printing.py", "terminal.py", "help.py"}  # of which `help` prints shipped pages


def test_no_command_prints_past_the_functions_that_make_text_plain() -> None:
    """A new command cannot forget it: `print`, echoes and consoles stand in these files alone."""
    found = set()
    for path in (ROOT / "sim" / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = (
                getattr(node.func, "attr", getattr(node.func, "id", ""))
                if isinstance(node, ast.Call)
                else ""
            )
            if name in ("print", "echo", "secho", "print_json"):
                found.add(path.name)
    assert found == PRINTERS
