"""`sim init` gives an installed package something to run, and touches nothing that is there."""

from __future__ import annotations

from pathlib import Path

from conftest import ROOT, Command


def test_init_copies_the_shipped_parameters_that_run(command: Command, tmp_path: Path) -> None:
    done = command("init", "demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "demo/params/  next: sim run demo/params/base.toml\n"
    shipped = {p.relative_to(ROOT) for p in (ROOT / "params").rglob("*") if p.is_file()}
    demo = tmp_path / "demo"
    assert {p.relative_to(demo) for p in demo.rglob("*") if p.is_file()} == shipped
    done = command("run", "demo/params/base.toml", "--draws", "64", "--no-figures", "--quiet")
    assert done.returncode == 0, done.stderr


def test_init_replaces_nothing(command: Command, tmp_path: Path) -> None:
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "mine.toml").write_text("mine")
    done = command("init")
    assert done.returncode == 2
    assert done.stderr == (
        "sim init: params: is there already: expected a folder without params/\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["params"]
    assert (tmp_path / "params" / "mine.toml").read_text() == "mine"


def test_init_says_why_it_cannot_write(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("init", "file")
    assert done.returncode == 1
    assert "could not be written: Not a directory" in done.stderr or "File exists" in done.stderr
