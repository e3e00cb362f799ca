"""Fingerprints of code: of draws, of files, and of compiled kernels."""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import h5py
import pytest
from conftest import ROOT, runs_in

FOLDERS = {
    "source_hash": ("model", "distributions", "kernels", "engine", "simulation"),
    "kernels_hash": ("model", "kernels"),
    "files_hash": ("expressions", "statistics", "tables", "plots", "store"),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that a test may edit."""
    folder = tmp_path_factory.mktemp("copy") / "sim"
    return Path(shutil.copytree(ROOT / "sim", folder, ignore=shutil.ignore_patterns("__pycache__")))


def fingerprint_of(package: Path) -> ModuleType:
    """The module `sim.common.fingerprint` of a copy, which looks at the copy."""
    path = package / "common" / "fingerprint.py"
    spec = importlib.util.spec_from_file_location("fingerprint_of_a_copy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", FOLDERS)
def test_a_fingerprint_changes_with_modules_of_its_folders_and_no_other(
    package: Path, name: str
) -> None:
    before = getattr(fingerprint_of(package), name)()
    for path in sorted(package.rglob("*.py")):
        text = path.read_bytes()
        path.write_bytes(text + b"# one more line\n")
        changed = getattr(fingerprint_of(package), name)() != before
        path.write_bytes(text)
        folder = path.relative_to(package).parts[0]
        made_of_others = name == "kernels_hash" and path.parent.name == "shipped"
        assert changed == (folder in FOLDERS[name] and not made_of_others), path
    assert getattr(fingerprint_of(package), name)() == before


def test_every_folder_that_results_depend_on_has_a_fingerprint(package: Path) -> None:
    """No result depends on the others; parameters enter by their values."""
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    fingerprinted = {*FOLDERS["source_hash"], *FOLDERS["files_hash"]}
    assert folders - fingerprinted == {
        "common", "parameters", "selftest", "cli", "analysis",
    }  # fmt: skip


@pytest.mark.long  # it compiles the kernels anew
def test_an_edited_event_makes_a_new_run_and_an_edited_statistic_a_new_summary(
    package: Path, tmp_path: Path
) -> None:
    def probability_and_error() -> tuple[float, float]:
        """The share that kernels counted, and its error in the summary."""
        subprocess.run(
            [
                sys.executable, "-m", "sim", "run", str(ROOT / "params" / "base.toml"),
                "--draws", "2048", "--no-figures", "--quiet",
            ],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(package.parent)}, check=True,
            capture_output=True, timeout=300,
        )  # fmt: skip
        newest = max(runs_in(tmp_path / "outputs"), key=lambda path: path.stat().st_mtime)
        with (newest / "summary.csv").open(newline="") as file:
            (row,) = (
                row for row in csv.DictReader(file)
                if row["output"] == "p_top_two" and row["quarter"] == "2027Q4"
            )  # fmt: skip
        with h5py.File(newest / "run.nc") as data:
            counted = float(data["p_top_two"][-1])
        return counted, float(row["error"])

    def edit(module: str, old: str, new: str) -> None:
        path = package / module
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    value, error = probability_and_error()
    edit("statistics/replicates.py", "FEWEST_REPLICATES = 8", "FEWEST_REPLICATES = 65")
    same, none = probability_and_error()
    assert len(runs_in(tmp_path / "outputs")) == 1
    assert (same, str(none)) == (value, "nan")
    edit("engine/events.py", "yield comparisons, 2", "yield comparisons, 3")
    fewer, _ = probability_and_error()
    assert len(runs_in(tmp_path / "outputs")) == 2
    assert error > 0
    assert fewer < value
