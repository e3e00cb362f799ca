"""The command line as a whole: usage, version, imports, and runs of other versions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from conftest import ROOT, Command, runs_in
from run_folders import change_manifest
from stored_runs import Sim

from sim.cli import main
from sim.common.errors import Fault
from sim.parameters.loading import parse_set

BASE = str(ROOT / "params" / "base.toml")


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", BASE, "--nonsense"), ("fly",), ("check", "nowhere.toml")]
)
def test_wrong_usage_exits_with_2(invoke: Command, arguments: tuple[str, ...]) -> None:
    done = invoke(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_version_is_printed(invoke: Command) -> None:
    assert invoke("--version").stdout.startswith("sim 0.")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["check", BASE], ["run", "--help"], ["describe", "hardware.pue", "--file", BASE]],
)
def test_commands_that_run_no_model_import_no_heavy_libraries(arguments: list[str]) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['sim', *{arguments!r}]\n"
        "try:\n    runpy.run_module('sim', run_name='__main__')\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'matplotlib', 'xarray', 'scipy.stats', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_run_without_figures_imports_neither_matplotlib_nor_the_whole_of_scipy(
    tmp_path: Path,
) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['sim', 'run', {BASE!r}, '--draws', '64', '--no-figures']\n"
        "try:\n    runpy.run_module('sim', run_name='__main__')\nexcept SystemExit: pass\n"
        "slow = {'matplotlib', 'scipy.stats', 'distributed'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, timeout=60, cwd=tmp_path
    )
    assert runs_in(tmp_path / "outputs")


def test_set_reads_a_value_as_toml_or_else_as_text() -> None:
    faults: list[Fault] = []
    given = ("a.b=1e3", "c=economic", "d=[1, 2]", "e=1\nf=2", f"g={'1' * 5000}", f"h={'[' * 3000}")
    changes = parse_set(given, faults)
    assert (changes["a.b"], changes["c"], changes["d"]) == (1000.0, "economic", [1, 2])
    assert isinstance(changes["e"], str)
    assert isinstance(changes["g"], str)
    assert isinstance(changes["h"], str)
    assert "f" not in changes
    assert not faults


def test_commands_note_that_another_version_made_a_run(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    change_manifest(folder, source="0", remarks=[])
    for command in (("show", "base"), ("export", "base", "--to", "x.csv", "--output", "gw")):
        code, _, errors = run_sim(*command)
        assert code == 0
        assert errors.startswith(f"note: {folder.name}: made by another version of the model")


@pytest.mark.parametrize("command", ["show", "plot", "export"])
def test_commands_name_a_damaged_file_and_leave_it_alone(run_sim: Sim, command: str) -> None:
    (folder,) = runs_in(Path("outputs"))
    data = folder / "run.nc"
    data.write_bytes(data.read_bytes()[:-1])
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    more = ("--format", "csv") if command == "export" else ()
    code, out, errors = run_sim(command, "base", *more)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"{data}: truncated: it has \S+ bytes, and was written with \S+\n", errors)
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_help_of_every_command_fits_80_columns(invoke: Command) -> None:
    names = list(typer.main.get_command(main.app).commands)  # type: ignore[attr-defined]
    assert len(names) == 13
    for name in names:
        done = invoke(name, "--help")
        assert done.returncode == 0
        assert "Usage:" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert "…" not in done.stdout, name
    assert max(map(len, invoke("--help").stdout.splitlines())) <= 80
