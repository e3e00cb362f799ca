"""What each command imports: of libraries that are slow to import, those that it uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from conftest import COMPILED_ONCE, ROOT

from sim.cli.app import app

BASE = str(ROOT / "params" / "base.toml")
PUE = "hardware.pue.median"
SOLVED = ("--draws", "64", "--vary", "pue", "--target", "p50(pue) = 1.22")
WATCHED = (
    "numpy",
    "scipy.special",
    "scipy.stats",
    "pandas",
    "xarray",
    "h5py",
    "pyarrow",
    "dask",
    "matplotlib",
    "numba",
    "llvmlite",
    "rich",
)  # fmt: skip; pydantic is not among them: typer imports it to read any argument
FILES = {"numpy", "scipy.special"}  # parameter files are read with these
KERNELS = {"llvmlite"}  # numba is for kernels that have changed
DATASETS = {"pandas", "xarray", "h5py", "rich"}
RUN = FILES | KERNELS | DATASETS
SHOW = {"rich"}
# What is done -> the libraries among the watched ones that it imports, no more and no fewer.
TABLE: dict[tuple[str, ...], set[str]] = {
    ("--version",): set(),
    ("init", "copy"): set(),
    ("help",): set(),
    ("help", "files"): {"rich"},
    ("check", "nowhere.toml"): FILES,
    ("check", BASE, "--set", "hardware.pue=-1"): FILES,
    ("check", BASE): FILES | KERNELS,
    ("describe", "hardware.pue", "--file", BASE): FILES,
    ("describe", "gw", "--file", BASE): FILES,
    ("schema", "--out", "schema.json"): FILES,
    ("run", BASE, "--draws", "64", "--no-figures"): RUN,
    ("list",): set(),
    ("show", "base"): SHOW,
    ("show", "base", "--json"): SHOW,
    ("cite", "base"): RUN - {"rich", "llvmlite"},
    ("rm", "base", "--yes"): set(),
}
LONG: dict[tuple[str, ...], set[str]] = {
    ("run", BASE, "--draws", "64"): RUN,  # figures are drawn by another process
    ("run", BASE, "--draws", "64", "--threads", "1", "--out", "own"): RUN | {"matplotlib"},
    ("show", "base", "--lab", "openai"): RUN,
    ("plot", "base", "margin"): RUN - {"rich"} | {"matplotlib"},
    ("export", "base", "--to", "gw.csv", "--output", "gw"): RUN - {"rich"} | {"pyarrow"},
    ("sweep", BASE, "--over", "hardware.pue.median=1.2,1.3", "--draws", "64", "--no-figures"): RUN,
    ("compare", BASE, "--set", "hardware.pue.median=1.3", "--draws", "320"): RUN - {"h5py"},
    ("solve", BASE, *SOLVED): RUN - {"h5py"},
    ("condition", BASE, "--draws", "1024", "--on", "gw[openai]@2026Q4 = 7 +- 2"): RUN - {"h5py"},
    ("discover", BASE, "--draws", "512", "--when", "pue > 1.2"): RUN - {"h5py"} | {"scipy.stats"},
    ("sensitivity", BASE, "--draws", "512"): RUN - {"h5py"} | {"scipy.stats"},
    ("trace", "base", "--draw", "3"): RUN,
    ("voi", BASE, "--draws", "512"): RUN - {"h5py"} | {"scipy.stats"},
    ("watch", "nowhere.toml"): {"numpy", "scipy.special"},
    ("selftest",): RUN - {"h5py"} | {"scipy.stats", "numba"},  # it compiles single formulas
}
CODE = """
import json, runpy, sys
arguments, watched = map(json.loads, sys.argv[1:])
sys.argv = ["sim", *arguments]
code = 0
try:
    runpy.run_module("sim", run_name="__main__")
except SystemExit as leaving:
    code = leaving.code or 0
imported = [name for name in watched if sys.modules.get(name)]
print(json.dumps([code, imported]), file=sys.stderr)
"""


def imported_by(arguments: tuple[str, ...], folder: Path) -> set[str]:
    """Run a command in a process of its own; the watched libraries that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(arguments), json.dumps(WATCHED)], cwd=folder,
        text=True, timeout=300, capture_output=True, env={**os.environ, **COMPILED_ONCE},
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    is_faulty = "nowhere.toml" in arguments or "hardware.pue=-1" in arguments
    assert code == (2 if is_faulty else 0), done.stderr
    return set(modules)


def test_each_command_imports_what_it_uses_and_nothing_else(tmp_path: Path) -> None:
    """One after another, in a folder that the run among them fills."""
    found = {arguments: imported_by(arguments, tmp_path) for arguments in TABLE}
    assert found == TABLE


@pytest.mark.long
def test_each_long_command_imports_what_it_uses_and_nothing_else(tmp_path: Path) -> None:
    found = {arguments: imported_by(arguments, tmp_path) for arguments in LONG}
    assert found == LONG


def test_every_command_is_in_a_table() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {*commands} == {
        word for words in (*TABLE, *LONG) for word in words[:1] if word[0] != "-"
    }
