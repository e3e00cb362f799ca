"""The command line as a whole: usage, version, imports, and runs of other versions."""

from __future__ import annotations

import math
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import ROOT, Command, runs_in
from run_folders import change_manifest
from stored_runs import Sim, StoredRun

from sim.cli import options
from sim.cli.app import app
from sim.common.errors import Fault, InputError, Location, RunError
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
    names = list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert len(names) >= 13
    for name in names:
        done = invoke(name, "--help")
        assert done.returncode == 0
        assert invoke(name, "-h").stdout == done.stdout
        assert "Usage:" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert "…" not in done.stdout, name
    assert max(map(len, invoke("--help").stdout.splitlines())) <= 80
    assert invoke("-h").stdout == invoke("--help").stdout


def python(code: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([sys.executable, "-c", code], text=True, timeout=60, **given)


@pytest.mark.parametrize("module", ["signal", "typer", "llvmlite"])
def test_an_interruption_of_imports_is_one_line_and_130(module: str) -> None:
    """Where a module is imported; `exec` stands for what libraries do while they are."""
    code = f"""
import os, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            exec("os.kill(os.getpid(), 2)")
for name in list(sys.modules):
    if name.split(".")[0] in {module.split(".")[0]!r}:
        del sys.modules[name]
sys.meta_path.insert(0, Interrupt())
sys.argv = ["sim", "run", {BASE!r}, "--draws", "64", "--no-figures", "--out", os.devnull]
from sim.cli.main import main
main()
"""
    done = python(code)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted: finished work is kept\n"


@pytest.mark.parametrize("arguments", [("show", "base"), ("--help",)])
def test_output_to_a_full_device_is_one_line_and_1(
    stored: StoredRun, arguments: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sim", *arguments], cwd=stored.folder.parent.parent,
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "standard output: No space left on device\n"


@pytest.mark.parametrize("arguments", [("show", "base"), ("--help",)])
def test_a_reader_that_has_enough_ends_the_command_quietly(
    stored: StoredRun, arguments: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # before anything is written
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sim", *arguments], cwd=stored.folder.parent.parent,
            stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_a_command_without_standard_output_ends_as_others(stored: StoredRun) -> None:
    closed = f"exec >&-; {shlex.quote(sys.executable)} -m sim list"
    done = subprocess.run(
        ["sh", "-c", closed], cwd=stored.folder.parent.parent, stderr=subprocess.PIPE, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("threads", ["0", "", "many"])
def test_an_unlawful_number_of_threads_in_the_environment_is_told(
    command: Command, tmp_path: Path, threads: str
) -> None:
    done = command("run", BASE, "--draws", "64", NUMBA_NUM_THREADS=threads)
    assert (done.returncode, done.stdout) == (2, "")
    expected = f"NUMBA_NUM_THREADS: expected a number of threads, 1 or more; got '{threads}'\n"
    assert done.stderr == expected
    assert list(tmp_path.iterdir()) == []


def test_a_warning_is_one_line_without_its_source() -> None:
    code = """
import warnings
from sim.cli import app
app._prepare_streams()
warnings.warn("the cache is damaged", RuntimeWarning)
"""
    assert python(code).stderr == "note: the cache is damaged\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError([Fault(Location("--draws"), "", "wrong")]), 2, "--draws: wrong\n"),
        (RunError("it failed"), 1, "it failed\n"),
        (MemoryError(), 1, "out of memory\n"),
        (MemoryError("Unable to allocate 8 TiB"), 1, "out of memory\n"),
        (KeyboardInterrupt(), 130, "interrupted: finished work is kept\n"),
    ],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("command", [("check", BASE), ("list",), ("run", BASE)])
def test_every_kind_of_failure_has_its_exit_code_in_every_command(
    invoke: Command, monkeypatch: pytest.MonkeyPatch,
    error: BaseException, code: int, message: str, command: tuple[str, ...],
) -> None:  # fmt: skip
    def fail(*_: object) -> None:
        raise error

    for name in ("check.load_scenarios", "run.load_scenarios", "list.folders.listed"):
        monkeypatch.setattr(f"sim.cli.{name}", fail)
    done = invoke(*command)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", message)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("1e6", 1_000_000),
        ("-0.0", 0),
        ("1.5", 1.5),
        (str(2**64 - 1), 2**64 - 1),
        (f"{2**53 - 1}.0", 2**53 - 1),
        (f"{2**53}.0", 2.0**53),  # which also stands for 2^53 + 1: no whole number is meant
        (f"-{2**53}.0", -(2.0**53)),
        ("1e16", 1e16),
        ("inf", math.inf),
        ("ten", "ten"),
        (None, None),
    ],
)
def test_a_number_is_whole_only_where_a_float_can_tell(text: str | None, number: object) -> None:
    parsed = options.parse_number(text)
    assert (parsed, type(parsed)) == (number, type(number))
