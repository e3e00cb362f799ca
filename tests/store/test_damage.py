"""A run is one thing: any file of it that is damaged or of another run is named and made anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import runs_in
from drawing import stored
from long_runs import KEPT
from run_folders import change_manifest

import sim
from sim.parameters.scenario import Scenario
from sim.store import folders, manifest
from sim.store import run as store_run

DRAWS, MORE = KEPT + 1_100, KEPT + 2_100  # more than are kept, so that there is a state
FILES = (
    "run.nc", "manifest.json", "state.npz", "summary.csv", "parameters.toml", "figures/margin.png",
)  # fmt: skip


def store(
    scenario: Scenario, out: Path, draws: int, seed: int = 3
) -> tuple[store_run.Run, list[str]]:
    """A small run, and what was noted."""
    notes: list[str] = []
    options = {"keep": ("tps_decode",), "kept_draws": KEPT}
    run = stored(scenario, out, draws=draws, seed=seed, note=notes.append, **options)
    return run, notes


@pytest.fixture(scope="module", autouse=True)
def _small_pictures() -> Iterator[None]:
    def draw(ds: object, folder: Path, *_: object) -> dict[str, str]:
        folder.mkdir()
        (folder / "margin.png").write_bytes(b"picture")
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.plots.gallery.draw", draw)
        yield


@pytest.fixture(scope="module")
def runs(base: Scenario, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of runs: of few draws, of more, and of few with another seed."""
    cases = {"few": (DRAWS, 3), "more": (MORE, 3), "other": (DRAWS, 4)}
    outs = {name: tmp_path_factory.mktemp(name) for name in cases}
    return {name: store(base, outs[name], *cases[name])[0].folder for name in cases}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in manifest.files_of(folder)}


def remove(path: Path, other: Path) -> None:
    path.unlink()


def empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path, other: Path) -> None:
    """Flip a bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path: Path, other: Path) -> None:
    """Put the file of another run there, or of no run where the two are the same."""
    content = other.read_bytes()
    path.write_bytes(content + b" " if content == path.read_bytes() else content)


def pipe(path: Path, other: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endless(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def folder_instead(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = (remove, empty, cut, flip, swap, pipe, endless, folder_instead)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_damaged_file_is_named_and_made_anew(
    base: Scenario,
    runs: dict[str, Path],
    tmp_path: Path,
    name: str,
    damage: Callable[[Path, Path], None],
) -> None:
    folder = Path(shutil.copytree(runs["few"], tmp_path / runs["few"].name))
    damage(folder / name, runs["other"] / name)
    again, notes = store(base, tmp_path, DRAWS)
    assert runs_in(tmp_path) in ([folder], [folder, Path(f"{folder}.aside")])  # of another run
    assert contents(folder) == contents(runs["few"])
    assert manifest.damage(folder, manifest.read(folder)) == {}
    aside = damage is swap and name == "manifest.json"
    assert [note.partition(": ")[0] for note in notes] == [str(folder if aside else folder / name)]
    assert again.stored
    _, notes = store(base, tmp_path, DRAWS)
    assert notes == []


@pytest.mark.parametrize("damage", [flip, swap])
@pytest.mark.parametrize("name", ["run.nc", "state.npz"])
def test_run_that_is_extended_uses_no_damaged_file(
    base: Scenario,
    runs: dict[str, Path],
    tmp_path: Path,
    name: str,
    damage: Callable[[Path, Path], None],
) -> None:
    folder = Path(shutil.copytree(runs["few"], tmp_path / runs["few"].name))
    damage(folder / name, runs["other"] / name)
    again, notes = store(base, tmp_path, MORE)
    # Draws are not read: those that are kept are made again.
    assert again.reused == (0 if name == "state.npz" else 1_024)
    named = [str(folder / name)] if name == "state.npz" else []
    assert [note.partition(": ")[0] for note in notes] == named
    assert contents(folder) == contents(runs["more"])


def test_edited_data_without_a_checksum_are_not_used(
    base: Scenario, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(runs["few"], tmp_path / runs["few"].name))
    shutil.copy(runs["more"] / "run.nc", folder)
    change_manifest(folder, **{"run.nc": None})
    with pytest.raises(sim.InputError, match=r"the checksum of run\.nc is missing"):
        sim.open_run(folder)
    again, notes = store(base, tmp_path, MORE)
    assert (again.reused, len(notes)) == (0, 1)
    assert contents(folder) == contents(runs["more"])


def test_state_of_another_run_is_not_used_even_with_its_checksum(
    base: Scenario, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(runs["few"], tmp_path / runs["few"].name))
    shutil.copy(runs["other"] / "state.npz", folder)
    change_manifest(folder, **{"state.npz": manifest.describe(folder / "state.npz")})
    again, _ = store(base, tmp_path, MORE)
    assert again.reused == 0
    assert contents(folder) == contents(runs["more"])


def test_folder_of_another_run_is_put_aside(
    base: Scenario, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(runs["other"], tmp_path / runs["few"].name))
    _, notes = store(base, tmp_path, DRAWS)
    assert notes == [f"{folder}: stood in the way of a run; it is now {folder.name}.aside"]
    assert contents(folder) == contents(runs["few"])
    assert contents(Path(f"{folder}.aside")) == contents(runs["other"])


def test_files_of_others_in_the_folder_stay_when_it_is_replaced(
    base: Scenario, runs: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(runs["few"], tmp_path / runs["few"].name))
    (folder / "notes").mkdir()
    (folder / "notes" / "today.md").write_text("mine")
    (folder / "link").symlink_to("notes")
    _, notes = store(base, tmp_path, MORE)
    assert notes == []
    assert (folder / "notes" / "today.md").read_text() == "mine"
    assert (folder / "link").is_symlink()
    assert contents(folder) == contents(runs["more"])


def test_listing_goes_on_past_bad_folders(runs: dict[str, Path], tmp_path: Path) -> None:
    for i, damage in enumerate(DAMAGE):
        for k, name in enumerate(FILES[:2]):
            folder = Path(shutil.copytree(runs["few"], tmp_path / f"bad-{i}{k}0000000000"))
            damage(folder / name, runs["other"] / name)
    good = Path(shutil.copytree(runs["few"], tmp_path / runs["few"].name))
    (tmp_path / "pipe-000000000000").mkdir()
    os.mkfifo(tmp_path / "pipe-000000000000" / "run.nc")
    os.mkfifo(tmp_path / f".{good.name}.unfinished")
    notes: list[str] = []
    rows = {row["run"]: row for row in folders.listed(tmp_path, notes.append)}
    assert notes == [
        f"{tmp_path / f'.{good.name}.unfinished'}: stood in the way of a run; it is now"
        f" {good.name}.unfinished.aside"
    ]
    assert len(rows) == 2 * len(DAMAGE) + 2
    assert rows[good.name]["state"] == "whole"
    assert {row["state"] for name, row in rows.items() if name != good.name} == {"broken", "whole"}
    by_size = {f"bad-{DAMAGE.index(d)}00000000000" for d in (flip, swap)}  # no checksum is compared
    by_name = {f"bad-{DAMAGE.index(swap)}10000000000"}
    whole = {name for name, row in rows.items() if row["state"] == "whole"}
    assert whole <= by_size | by_name | {good.name}


@pytest.mark.parametrize("kind", ["", "partial", "older", "unfinished", "removed"])
@pytest.mark.parametrize("what", ["file", "dangling link", "link to a folder", "pipe"])
def test_what_stands_where_a_folder_should_be_is_put_aside(
    base: Scenario, runs: dict[str, Path], tmp_path: Path, kind: str, what: str
) -> None:
    name, out, elsewhere = runs["few"].name, tmp_path / "outputs", tmp_path / "elsewhere"
    out.mkdir()
    shutil.copytree(runs["other"], elsewhere)
    path = out / (f".{name}.{kind}" if kind else name)
    if what == "file":
        path.write_text("mine")
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(elsewhere if what == "link to a folder" else "nowhere")
    kept = contents(elsewhere)
    run, notes = store(base, out, DRAWS)
    aside = out / f"{path.name.removeprefix('.')}.aside"
    assert notes == [f"{path}: stood in the way of a run; it is now {aside.name}"]
    assert os.path.lexists(aside)
    assert contents(run.folder) == contents(runs["few"])
    assert contents(elsewhere) == kept
    assert sorted(runs_in(out)) == sorted([run.folder, aside])
    folders.remove(run.folder)
    assert runs_in(out) == [aside]


def test_run_that_is_a_link_is_read_and_replaced_without_a_change_where_it_leads(
    base: Scenario, runs: dict[str, Path], tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(runs["few"], tmp_path / "moved"))
    out = tmp_path / "outputs"
    out.mkdir()
    (out / runs["few"].name).symlink_to(moved)
    again, notes = store(base, out, DRAWS)
    assert (again.drawn, notes, again.folder.is_symlink()) == (0, [], True)
    more, notes = store(base, out, MORE)
    assert len(notes) == 1
    assert contents(more.folder) == contents(runs["more"])
    assert contents(moved) == contents(runs["few"])
    assert len(runs_in(out)) == 2  # the run, and the link aside


def test_stored_run_is_answered_from_a_folder_that_cannot_be_written_to(
    base: Scenario, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(runs["few"], tmp_path / runs["few"].name))
    shutil.rmtree(folder / "figures")  # they cannot be drawn there, which is no fault
    monkeypatch.setattr(store_run.os, "access", lambda path, mode: False)
    monkeypatch.setattr(store_run.locks, "lock_of", None)  # nothing is locked, or written
    again, notes = store(base, tmp_path, DRAWS)
    assert (again.drawn, again.reused, notes) == (0, DRAWS, [])
    with pytest.raises(sim.InputError, match="cannot be written to: no permission, or a read-only"):
        store(base, tmp_path, MORE)
    assert runs_in(tmp_path) == [folder]
