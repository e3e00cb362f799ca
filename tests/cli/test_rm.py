"""`sim rm`: removing stored runs."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest
from conftest import runs_in
from run_folders import change_manifest, read_files
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


def test_rm_of_old_runs_keeps_the_last_and_those_with_a_name(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    for number, name in enumerate((None, "mine")):
        old = shutil.copytree(folder, Path("outputs") / f"base-{number:012}")
        change_manifest(old, started=f"2026-01-0{number + 1}T00:00:00+00:00", name=name)
    both = ("rm", "--keep-last", "1", "--older-than", "7d")
    line = f"would remove base-{'0' * 12}: "
    code, out, errors = run_sim(*both, "--dry-run")
    assert (code, out.startswith(line), len(out.splitlines())) == (0, True, 1)
    assert errors == "note: runs that have a name stay: mine\n"
    assert run_sim(*both)[0] == 2  # there is no terminal to ask on
    assert len(runs_in(Path("outputs"))) == 3
    assert run_sim(*both, "--yes")[:2] == (0, f"removed base-{'0' * 12}\n")
    assert run_sim(*both, "--yes")[:2] == (0, "no run to remove in outputs/\n")
    assert folder.is_dir()
    code, _, errors = run_sim("rm", "--yes")
    assert (code, errors) == (
        2,
        "sim rm: missing RUN: expected runs, --older-than or --keep-last\n",
    )
    assert run_sim("rm", folder.name, "--keep-last", "0", "--yes")[0] == 2
