"""The house itself: its import contracts, its sizes, its names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
from conftest import ROOT

import sim


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of a checkout."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as f; f()"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package and its contracts that a test may spoil."""
    shutil.copytree(ROOT / "sim", tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The contracts that a check found broken."""
    return set(re.findall(r"^(.*) BROKEN", done.stdout, re.MULTILINE))


def test_import_contracts_are_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout
    assert not broken(done)


def test_no_import_runs_in_a_circle() -> None:
    """Of modules, imports within functions and of a package by its own modules included."""
    graph = grimp.build_graph("sim", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


PLANTED = {  # contract -> file -> an import that it forbids
    "Ten floors, each uses those below it": ("parameters/rules.py", "import sim.cli.main"),
    "Inside kernels": ("kernels/simd/memory.py", "import sim.kernels.loop"),
    "Only kernels import numba and llvmlite": ("engine/loop.py", "import numba"),
    "Only plots import matplotlib": ("tables/cells.py", "import matplotlib.pyplot"),
    "Only the backend for clusters imports Dask": ("store/run.py", "import distributed"),
    "Below statistics and simulation nothing knows xarray": ("engine/state.py", "import xarray"),
    "Each part of a room uses the others without a circle": (
        "statistics/replicates.py", "def f():\n    import sim.statistics.summary",
    ),
}  # fmt: skip


def test_every_import_contract_breaks_where_it_should(checkout: Path) -> None:
    for module, statement in PLANTED.values():
        path = checkout / "sim" / module
        path.write_text(f"{path.read_text()}\n{statement}\n")
    done = lint_imports(checkout)
    assert done.returncode == 1
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert broken(done) == set(PLANTED) == {one["name"] for one in contracts["contracts"]}


@pytest.mark.parametrize("room", ["attic", "kernels/attic"])
def test_a_new_folder_fails_until_it_has_a_floor(checkout: Path, room: str) -> None:
    (checkout / "sim" / room).mkdir()
    (checkout / "sim" / room / "__init__.py").touch()
    done = lint_imports(checkout)
    assert done.returncode == 1
    assert "attic" in done.stdout + done.stderr


def test_no_module_has_more_than_400_lines() -> None:
    sizes = {p: len(p.read_text().splitlines()) for p in (ROOT / "sim").rglob("*.py")}
    assert not {path: size for path, size in sizes.items() if size > 400}


def test_no_module_hides_a_public_function() -> None:
    """`import sim.x` would put the module in the place of a function `sim.x`."""
    functions = [name for name, home in sim._HOMES.items() if home != f"sim.{name}"]
    assert not [name for name in functions if (ROOT / "sim" / f"{name}.py").exists()]
