"""Fixtures that all tests share."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from rich.console import Console

import sim
from sim.cli import main, terminal
from sim.parameters.scenario import Scenario
from sim.store import locks

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List by name the tests that found a tool missing: nothing is skipped quietly."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("tests that found a tool missing")
    for report in skipped:
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {reason}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected texts")


@pytest.fixture(scope="session")
def base() -> Scenario:
    """The base case."""
    return sim.load(ROOT / "params" / "base.toml")


@pytest.fixture(scope="session")
def ds(base: Scenario) -> xr.Dataset:
    """4,000 draws of the base case, headline outputs (not a whole number of tiles)."""
    return sim.simulate(base, draws=4_000, seed=1)


@pytest.fixture(scope="session")
def summary(ds: xr.Dataset) -> xr.Dataset:
    return sim.summarise(ds)


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """A copy of `params/` that a test may edit."""
    return Path(shutil.copytree(ROOT / "params", tmp_path / "params"))


# Where Python is told not to keep what it compiles, every process would compile the package anew.
COMPILED_ONCE = {"PYTHONDONTWRITEBYTECODE": ""}
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `sim ARGUMENTS` in a process, as a user does, in a folder of its own, 80 columns wide.

    Where the process is not the point, `invoke` does the same sooner.
    """

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sim", *arguments],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80", **COMPILED_ONCE, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def invoke(tmp_path: Path) -> Command:
    """As `command`, in this process; what it imports and caches is there already."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return invoke_in(tmp_path, *arguments, **environment)

    return run


def invoke_in(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `sim ARGUMENTS` in this process, in a folder, 80 columns wide unless COLUMNS is given."""
    output, errors = io.StringIO(), io.StringIO()
    thresholds = gc.get_threshold()
    code: Any = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        patch.setattr(sys, "argv", ["sim", *arguments])
        for name, value in {"COLUMNS": "80", **environment}.items():
            patch.setenv(name, value)
        # The consoles are made when the module is imported, for a terminal of that time.
        for name, console in zip(("out", "err"), terminal.consoles(), strict=True):
            patch.setattr(terminal, name, console)
        try:
            main.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        finally:
            gc.set_threshold(*thresholds)
            atexit.unregister(gc.freeze)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Console:
    """The console that tables are printed to, 80 columns wide, which records them."""
    console = Console(
        width=80, record=True, highlight=False, force_terminal=False, legacy_windows=False
    )
    monkeypatch.setattr(terminal, "out", console)
    return console


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the expected one of that name; `--update-golden` rewrites it."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


def runs_in(folder: Path) -> list[Path]:
    """What is in a folder of runs, but for the locks."""
    return sorted(path for path in folder.iterdir() if path.name != locks.LOCKS)
