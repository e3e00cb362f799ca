"""Files that a user asks for by name: what may be written, and how."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from sim.common.errors import RunError
from sim.common.targets import names_folder, replacing, target_fault


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with every kind of file, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    for link, target in (
        ("to-file", "file"), ("to-folder", "folder"), ("to-nothing", "nowhere"),
        ("to-device", "/dev/null"), ("to-pipe", "pipe"), ("circle", "circle"),
    ):  # fmt: skip
        Path(link).symlink_to(target)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["pipe", "socket", "to-nothing", "to-device", "to-pipe", "circle", "/dev/null"]
)
@pytest.mark.parametrize("replace", [False, True])
def test_what_is_no_regular_file_is_refused(folder: Path, name: str, replace: bool) -> None:
    message = f"{name}: is neither a regular file nor a link to one, and is left alone"
    assert target_fault(Path(name), replace) == message


@pytest.mark.parametrize(
    ("name", "replace", "message"),
    [
        ("new", False, ""),
        ("folder/new", False, ""),
        ("file", False, "file: is there already: --force replaces it"),
        ("to-file", False, "to-file: is there already: --force replaces it"),
        ("file", True, ""),
        ("to-file", True, ""),
        ("folder", True, "folder: is a folder: expected a file"),
        ("to-folder", True, "to-folder: is a folder: expected a file"),
        ("missing/new", True, "missing: no such folder"),
        ("file/new", True, "file: is no folder"),
        ("x" * 5000, True, f"{'x' * 5000}: cannot be written: File name too long"),
    ],
)
def test_a_file_that_is_there_is_replaced_only_where_that_is_asked_for(
    folder: Path, name: str, replace: bool, message: str
) -> None:
    assert target_fault(Path(name), replace) == message


def test_a_folder_is_made_only_where_its_name_ends_in_a_slash(folder: Path) -> None:
    assert all(map(names_folder, ("new/", "folder", "to-folder", "folder/")))
    assert not any(map(names_folder, ("new", "file", "to-file", "to-nothing")))
    assert target_fault(Path("new/deep/file"), False, make_folder=True) == ""
    assert target_fault(Path("file/x"), False, make_folder=True) == "file: is no folder"
    with replacing(Path("new/deep/file.csv")) as partial:
        assert partial.suffix == ".csv"
        partial.write_text("a")
    assert Path("new/deep/file.csv").read_text() == "a"


def test_a_link_stays_and_its_file_is_replaced(folder: Path) -> None:
    with replacing(Path("to-file")) as partial:
        partial.write_text("new")
        assert Path("file").read_text() == "mine"
    assert Path("to-file").is_symlink()
    assert Path("file").read_text() == "new"


def test_a_folder_is_replaced_as_a_whole(folder: Path) -> None:
    Path("folder", "old").touch()
    with replacing(Path("folder")) as partial:
        partial.mkdir()
        (partial / "new").touch()
    assert [path.name for path in Path("folder").iterdir()] == ["new"]


def test_a_file_is_there_until_the_new_one_takes_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, there = Path.replace, []

    def watch(partial: Path, target: Path) -> Path:
        there.append(target.read_text())
        return replace(partial, target)

    monkeypatch.setattr(Path, "replace", watch)
    with replacing(Path("file")) as partial:
        partial.write_text("new")
    assert (there, Path("file").read_text()) == (["mine"], "new")


def _fail(partial: Path, error: BaseException) -> None:
    partial.write_text("half")
    raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_everything_as_it_was(folder: Path, error: BaseException) -> None:
    before = sorted(path.name for path in folder.iterdir())
    kind = RunError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind), replacing(Path("file")) as partial:
        _fail(partial, error)
    assert Path("file").read_text() == "mine"
    assert sorted(path.name for path in folder.iterdir()) == before
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_cannot_be_replaced_is_put_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    Path("folder", "old").touch()
    before = sorted(path.name for path in folder.iterdir())

    def fail(partial: Path, target: Path) -> Path:
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    kind = RunError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind), replacing(Path("folder")) as partial:
        partial.mkdir()
    assert [path.name for path in Path("folder").iterdir()] == ["old"]
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_folder_that_cannot_be_put_back_is_kept_beside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("folder", "old").touch()
    rename = Path.rename

    def fail(partial: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    def rename_once(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", fail)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_once)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(RunError), replacing(Path("folder")) as partial:
        partial.mkdir()
    (kept,) = folder.glob(".folder.*.older")
    assert [path.name for path in kept.iterdir()] == ["old"]
