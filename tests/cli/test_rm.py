"""`sim rm`: removing stored runs."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest
from conftest import runs_in
from run_folders import read_files
from stored_runs import Sim


def test_rm_removes_runs_and_only_runs(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    second = shutil.copytree(folder, Path("outputs") / f"base-{'0' * 12}")
    Path("mine").mkdir()
    Path("mine", "notes.txt").write_text("mine")
    code, out, errors = run_sim("rm", folder.name, "mine", "--yes")
    assert (code, out) == (2, "")
    assert errors == "mine: a folder that is no run: expected one with manifest.json and run.nc\n"
    assert folder.is_dir()  # one fault, and nothing is removed
    assert run_sim("rm", folder.name, str(second), "--yes")[:2] == (
        0,
        f"removed {folder.name}\nremoved {second.name}\n",
    )
    assert runs_in(Path("outputs")) == []
    assert Path("mine", "notes.txt").exists()


def test_rm_asks_on_a_terminal_and_refuses_without_one(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = runs_in(Path("outputs"))
    (folder / "notes.md").write_text("mine")
    code, _, errors = run_sim("rm", "base")
    assert (code, errors) == (
        2,
        "sim rm: needs --yes to remove runs where there is no terminal to ask on\n",
    )
    assert folder.is_dir()
    monkeypatch.setattr("sim.cli.rm._on_terminal", lambda: True)
    for answer, left in (("n\n", True), ("y\n", False)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        code, _, errors = run_sim("rm", "base")
        assert "among them notes.md" in errors
        assert "Remove this run?" in errors
        assert (code == 0, folder.is_dir()) == (not left, left)


def test_rm_removes_a_broken_run(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    (folder / "manifest.json").unlink()
    assert run_sim("rm", "base", "--yes")[0] == 0
    assert runs_in(Path("outputs")) == []


def test_rm_of_a_link_removes_the_link_alone(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    before = read_files(folder)
    moved = folder.rename(Path("elsewhere").resolve())
    folder.symlink_to(moved)
    code, out, _ = run_sim("rm", "base", "--yes")
    assert (code, out) == (0, f"removed {folder.name}: a link alone; {moved} stays\n")
    assert runs_in(Path("outputs")) == []
    assert read_files(moved) == before
