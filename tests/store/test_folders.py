from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from run_folders import DRAWS, read_files

import sim
from sim.common.fingerprint import source_hash
from sim.store import arrays, folders, leftovers, locks, manifest
from sim.store.locks import lock_of


def test_find_takes_folder_name_scenario_or_beginning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent.parent)
    digest = folder.name.removeprefix("base-")
    for name in (folder, str(folder), f"outputs/{folder.name}", folder.name, "base", "base-", "ba"):
        assert folders.find(name).resolve() == folder.resolve()
    assert folders.find(f"base-{digest[:3]}", folder.parent) == folder
    longer = folder.with_name(f"base-cheap-{digest}")
    shutil.copytree(folder, longer)
    assert folders.find("base").name == folder.name  # a scenario comes before a beginning
    assert folders.find("base-ch").name == longer.name  # no digest begins with an h
    (folder.parent.parent / "base").mkdir()  # a folder of that name that is no run
    assert folders.find("base").name == folder.name
    renamed = folder.with_name("best")
    folder.rename(renamed)
    assert sim.open_run("best").attrs["digest"] == digest


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("bsae", "bsae: no such run in outputs/; did you mean 'base'?"),
        ("zzz", "zzz: no such run in outputs/; known: base-"),
        ("", "no such run in outputs/|a folder that is no run"),
        ("b", "b: 2 runs are called so: give the name of one, or enough of it"),
        ("outputs", "outputs: a folder that is no run: expected one with manifest.json"),
        ("outputs/notes.txt", "a file that is no run"),
        ("elsewhere/base", "elsewhere/base: no such run folder"),
        ("x" * 5000, "no such run in outputs/"),
        ("nul\0", "no such run in outputs/"),
    ],
)
def test_find_explains_why_no_run_matches(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: str, message: str
) -> None:
    monkeypatch.chdir(folder.parent.parent)
    shutil.copytree(folder, folder.with_name("base-000000000000"))
    (folder.parent / "notes.txt").write_text("mine")
    with pytest.raises(sim.InputError, match=message):
        sim.open_run(run)


def test_a_name_belongs_to_the_run_that_got_it_last(folder: Path) -> None:
    other = Path(shutil.copytree(folder, folder.with_name("base-000000000000")))
    notes: list[str] = []
    folders.give_name(folder, "trial", notes.append)
    assert folders.find("trial", folder.parent) == folder
    with pytest.raises(sim.InputError, match="did you mean 'trial'"):
        folders.find("trail", folder.parent)
    folders.give_name(other, "trial", notes.append)
    assert notes == [f"the name trial was of {folder.name}: now it is of {other.name}"]
    assert folders.find("trial", folder.parent) == other
    assert [row["name"] for row in folders.listed(folder.parent)] == ["trial", None]
    for path in (folder, other):  # whose manifests are still whole
        assert sim.open_run(path).attrs["draws"] == DRAWS


def test_missing_folder_of_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(sim.InputError, match="nowhere: no such folder"):
        sim.open_run("base", tmp_path / "nowhere")
    with pytest.raises(sim.InputError, match="nowhere: no such folder"):
        folders.listed(tmp_path / "nowhere")


def test_listed_states_every_run_and_its_defects(folder: Path, tmp_path: Path) -> None:
    out = folder.parent
    shutil.copytree(folder, out / "base-000000000000")
    (out / "base-000000000000" / "run.nc").write_bytes(b"half")
    # Of a killed run, with a checkpoint; and another one, with a checkpoint that cannot be read.
    save_checkpoint(out / ".dear-111111111111.unfinished", "111111111111")
    (out / ".void-333333333333.unfinished").mkdir()
    save_checkpoint(out / ".old-444444444444.unfinished", "444444444444", source="other")
    (out / ".busy-222222222222.partial").mkdir()
    (out / "photos-123456789012").mkdir()
    (out / "photos-123456789012" / "cat.png").write_bytes(b"cat")
    (out / "other").mkdir()
    (out / "notes.txt").write_text("mine")
    with lock_of(out / "busy-222222222222"):
        rows = {row["run"]: row for row in folders.listed(out)}
    assert {name: (row["state"], row["why"]) for name, row in rows.items()} == {
        folder.name: ("whole", ""),
        "base-000000000000": ("broken", f"run.nc: has 4 bytes, not {data_size(folder):,}"),
        "dear-111111111111": ("unfinished", leftovers.BROKEN_OFF["unfinished"]),
        "old-444444444444": ("unfinished", leftovers.OTHER_VERSION),
        "busy-222222222222": ("unfinished", "being made"),
    }
    row = rows[folder.name]
    facts = {key: row[key] for key in ("scenario", "draws", "seed", "sampler", "model")}
    assert facts == {
        "scenario": "base", "draws": DRAWS, "seed": 3, "sampler": "stratified", "model": "this",
    }  # fmt: skip
    assert row["bytes"] == sum(len(data) for data in read_files(folder).values())


def save_checkpoint(folder: Path, digest: str, source: str = "") -> None:
    """The part of a checkpoint of 5 draws that says of which run it is."""
    folder.mkdir()
    numbers = {"digest": digest, "source": source or source_hash(), "draws": 5}
    arrays.save_arrays(
        folder / manifest.STATE, {name: np.array(value) for name, value in numbers.items()}
    )


def data_size(folder: Path) -> int:
    """Size of `run.nc` in bytes."""
    return (folder / "run.nc").stat().st_size


def test_remove_deletes_a_run_and_its_leftovers_only(folder: Path) -> None:
    out = folder.parent
    untouched = shutil.copytree(folder, out / "base-000000000000")
    for kind in ("partial", "unfinished"):
        (out / f".{folder.name}.{kind}").mkdir()
    with lock_of(folder), pytest.raises(OSError, match="another process works on it"):
        folders.remove(folder)
    folders.remove(folder)
    assert sorted(path for path in out.iterdir() if path.name != locks.LOCKS) == [untouched]


def test_killed_removal_leaves_nothing_that_looks_like_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(path: Path) -> None:
        (path / "manifest.json").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupt)
    with pytest.raises(KeyboardInterrupt):
        folders.remove(folder)
    assert list(folder.parent.glob(".*.removed"))
    with pytest.raises(sim.InputError, match="no such run"):
        folders.find(folder.name, folder.parent)
    monkeypatch.undo()
    assert folders.listed(folder.parent) == []  # which finishes the removal
    assert [path.name for path in folder.parent.iterdir()] == [locks.LOCKS]
