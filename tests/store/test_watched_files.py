"""Watched files: what counts as a change, and when it is over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.store.watched_files import GONE, MOST_UNSETTLED, SETTLED, WatchedFiles

BEAR = "scenarios/bear.toml"


class Clock:
    """Time that passes only in sleep, in which files may change."""

    def __init__(self, during: Callable[[int], None] = lambda sleeps: None) -> None:
        self.now, self.sleeps, self.during = 0.0, 0, during

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        self.during(self.sleeps)

    def __call__(self) -> float:
        return self.now


def watch(path: Path, clock: Clock | None = None, *others: Path) -> WatchedFiles:
    clock = clock or Clock()
    files = WatchedFiles([path, *others], clock.sleep, clock)
    files.read()
    return files


def append(path: Path, text: str = "# a remark\n") -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    "name", [BEAR, "base.toml", "labs/openai.toml", "landlords/oracle.toml", "sources.toml"]
)
def test_each_file_of_a_scenario_is_watched(params: Path, name: str) -> None:
    files = watch(params / BEAR)
    before = files.read()
    assert not files.has_changed()
    append(params / name)
    assert files.has_changed()
    assert files.read() != before
    assert not files.has_changed()


def test_a_save_without_a_change_has_the_same_contents(params: Path) -> None:
    files = watch(params / "base.toml")
    before = files.read()
    (params / "base.toml").write_text((params / "base.toml").read_text())
    os.utime(params / "base.toml", ns=(1, 1))
    assert files.has_changed()
    assert files.read() == before


def test_a_file_replaced_by_another_of_the_same_time_and_size_is_a_change(params: Path) -> None:
    file = params / "base.toml"
    files = watch(file)
    status = file.stat()
    beside = params / "4913"  # an editor writes beside the file, and renames
    beside.write_text(file.read_text().replace("median = 1.2\n", "median = 1.3\n", 1))
    os.utime(beside, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not files.has_changed()
    beside.replace(file)
    assert file.stat().st_size == status.st_size
    assert files.has_changed()


def test_a_burst_of_saves_is_one_change(params: Path) -> None:
    file = params / "base.toml"

    def save_again(sleeps: int) -> None:
        if sleeps < 5:
            append(file)

    clock = Clock(save_again)
    files = watch(file, clock)
    append(file)
    assert files.has_changed()
    assert clock.now == pytest.approx(5 * SETTLED)
    files.read()
    assert not files.has_changed()


def test_a_file_that_never_rests_is_read_all_the_same(params: Path) -> None:
    clock = Clock(lambda sleeps: append(params / "base.toml"))
    files = watch(params / "base.toml", clock)
    append(params / "base.toml")
    assert files.has_changed()
    assert clock.now == pytest.approx(MOST_UNSETTLED, abs=2 * SETTLED)


def test_a_file_that_is_being_replaced_is_not_one_that_was_deleted(params: Path) -> None:
    file = params / "base.toml"
    text = file.read_text()
    clock = Clock(lambda sleeps: file.write_text(text) if sleeps == 3 else None)  # type: ignore[func-returns-value]
    files = watch(file, clock)
    before = files.read()
    file.unlink()
    assert files.has_changed()
    assert file.is_file()
    assert clock.now < GONE
    assert files.read() == before


def test_a_deleted_file_is_a_change_once(params: Path) -> None:
    clock = Clock()
    files = watch(params / BEAR, clock)
    before = files.read()
    text = (params / BEAR).read_text()
    (params / BEAR).unlink()
    assert files.has_changed()
    assert clock.now == pytest.approx(GONE, abs=2 * SETTLED)
    assert files.read() != before
    assert not files.has_changed()
    append(params / "base.toml")  # of the chain of before
    assert files.has_changed()
    files.read()
    (params / BEAR).write_text(text)
    assert files.has_changed()


def test_a_lab_that_comes_or_goes_is_a_change(params: Path) -> None:
    files = watch(params / BEAR)
    text = (params / "labs" / "xai.toml").read_text()
    (params / "labs" / "mistral.toml").write_text(text)
    assert files.has_changed()
    files.read()
    (params / "labs" / "xai.toml").unlink()
    assert files.has_changed()
    files.read()
    (params / "labs" / ".#openai.toml").write_text("an editor's own")
    assert not files.has_changed()


def test_a_base_that_is_missing_is_waited_for(params: Path) -> None:
    (params / "mine.toml").write_text('format = 1\nextends = "other.toml"\n')
    files = watch(params / "mine.toml")
    (params / "other.toml").write_text('format = 1\nextends = "base.toml"\n')
    assert files.has_changed()
    files.read()
    assert files.root(params / "mine.toml") == params / "base.toml"
    append(params / "base.toml")
    assert files.has_changed()


def test_files_that_extend_one_another_are_watched(params: Path) -> None:
    (params / "one.toml").write_text('format = 1\nextends = "two.toml"\n')
    (params / "two.toml").write_text('format = 1\nextends = "one.toml"\n')
    files = watch(params / "one.toml")
    (params / "two.toml").write_text('format = 1\nextends = "base.toml"\n')
    assert files.has_changed()


def test_a_second_file_is_watched_with_all_that_it_extends(params: Path, tmp_path: Path) -> None:
    files = watch(params / "base.toml", None, params / BEAR)
    append(params / BEAR)
    assert files.has_changed()
