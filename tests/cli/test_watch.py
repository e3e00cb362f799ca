"""`sim watch` as a process: a user edits the file while it runs."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xarray as xr
from conftest import COMPILED_ONCE, invoke_in, runs_in

BEAR = "params/scenarios/bear.toml"
DRAWS = "640"
LONGEST = 60.0  # seconds until a page is there, on a busy machine
AGAIN = "draws in"  # below every page


class Watcher:
    """A running `sim watch`, on a terminal of its own or with its output in a pipe."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], on_terminal: bool) -> None:
        self.folder, self.text = folder, ""
        self.master, slave = pty.openpty() if on_terminal else os.pipe()
        self.slave = slave
        if on_terminal:
            termios.tcsetwinsize(slave, (24, 80))
            self.modes = termios.tcgetattr(slave)
        environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **COMPILED_ONCE}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sim", "watch", *arguments, "--draws", DRAWS],
            cwd=folder, env=environment, stdin=slave if on_terminal else subprocess.DEVNULL,
            stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip

    def read_until(self, expected: str) -> str:
        """What is printed until a text is there."""
        end = time.monotonic() + LONGEST
        while expected not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536).decode()
        before, _, self.text = self.text.partition(expected)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", before + expected).replace("\r", "")

    def rest(self, seconds: float = 0.5) -> str:
        """What is printed in so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                self.text += os.read(self.master, 65536).decode()
        return self.text

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())

    def save(self, old: str, new: str, name: str = BEAR, *, replace: bool = False) -> None:
        """Edit a file in place, or as an editor that writes another and renames it."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        target = path.with_name("4913~") if replace else path
        target.write_text(text.replace(old, new, 1))
        if replace:
            target.replace(path)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.master, self.slave):
            os.close(stream)


Start = Callable[..., Watcher]


@pytest.fixture
def start(params: Path) -> Iterator[Start]:
    """Begin to watch a file of a copy of `params/`."""
    started: list[Watcher] = []

    def begin(*arguments: str, on_terminal: bool = False) -> Watcher:
        started.append(Watcher(params.parent, arguments, on_terminal))
        return started[-1]

    yield begin
    for watcher in started:
        watcher.end()


def test_a_file_is_edited_broken_and_mended(start: Start) -> None:
    watcher = start(BEAR)
    page = watcher.read_until(AGAIN)
    assert "change from" in page
    assert "last version" not in page
    watcher.save("median = 0.29", "median = 0.30")
    page = watcher.read_until(AGAIN)
    assert "duty_cycle_online_inference: 0.29 (0.2 to 0.401) -> 0.3 (0.207 to 0.412)" in page
    assert re.search(r"P\(>= hurdle\) 2026Q4 +[\d.]+ ±[\d.]+ +[\d.]+ ±[\d.]+ +-[\d.]+ ±", page)
    assert re.search(r"OpenAI GW 2027Q4 +[\d.]+ ±[\d.]+ +same +same", page)
    assert all(len(line) <= 80 for line in page.splitlines())
    watcher.save("median = 0.30", "medain = 0.30")
    faults = watcher.read_until("did you mean 'median'")
    assert re.search(r"bear\.toml:\d+: utilisation\.duty_cycle_online_inference\.medain", faults)
    watcher.save("medain = 0.30", "median = 0.30")
    watcher.read_until("gives the numbers of the last good version")
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(LONGEST) == 130
    assert not (watcher.folder / "outputs").exists()  # nothing is stored unless asked


@pytest.mark.long
def test_a_key_stores_the_version_as_sim_run_does(start: Start, tmp_path: Path) -> None:
    watcher = start(BEAR, "--out", "mine", on_terminal=True)
    assert "s stores it, q ends" in watcher.read_until("q ends")
    watcher.save("median = 0.29", "median = 0.30")
    page = watcher.read_until("q ends")
    assert len(page.strip().splitlines()) <= 24
    watcher.press("s")
    watcher.read_until("stored: mine/bear-")
    watcher.save("median = 0.30", "x = [")  # the last good version is that of the page
    watcher.read_until("The last good version:")
    watcher.press("q")
    assert watcher.process.wait(LONGEST) == 0
    assert termios.tcgetattr(watcher.slave) == watcher.modes
    watcher.save("x = [", "median = 0.30")
    arguments = ("--draws", DRAWS, "--no-figures", "--out", "theirs")
    invoke_in(tmp_path, "run", BEAR, *arguments)
    (mine,), (theirs,) = (runs_in(tmp_path / name) for name in ("mine", "theirs"))
    assert mine.name == theirs.name
    for name in ("summary.csv", "parameters.toml"):
        assert (mine / name).read_bytes() == (theirs / name).read_bytes()
    with xr.open_dataset(mine / "run.nc") as stored, xr.open_dataset(theirs / "run.nc") as other:
        assert stored.drop_attrs().identical(other.drop_attrs())


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_as_before_after_a_signal(start: Start, number: signal.Signals) -> None:
    watcher = start(BEAR, on_terminal=True)
    watcher.read_until("q ends")
    assert termios.tcgetattr(watcher.slave) != watcher.modes
    watcher.process.send_signal(number)
    assert watcher.process.wait(LONGEST) == 128 + number
    assert termios.tcgetattr(watcher.slave) == watcher.modes


@pytest.mark.long
def test_twenty_edits_are_shown_one_after_the_other(start: Start) -> None:
    watcher = start(BEAR)
    watcher.read_until(AGAIN)
    before = "0.29"
    for i in range(20):
        after = f"0.3{i:02d}"
        watcher.save(f"median = {before}\n", f"median = {after}\n", replace=i % 2 == 1)
        page = watcher.read_until(AGAIN)
        assert f"-> {float(after):.3g}" in page
        before = after
    assert AGAIN not in watcher.rest()


@pytest.mark.long
def test_a_burst_of_saves_shows_the_last(start: Start) -> None:
    watcher = start(BEAR)
    watcher.read_until(AGAIN)
    before = "0.29"
    for i in range(1, 9):
        watcher.save(f"median = {before}\n", f"median = 0.29{i}\n")
        before = f"0.29{i}"
    watcher.read_until("-> 0.298")
    assert "->" not in watcher.rest(1.0)


@pytest.mark.long
def test_a_save_without_a_change_shows_nothing(start: Start) -> None:
    watcher = start(BEAR)
    watcher.read_until(AGAIN)
    watcher.rest()
    watcher.text = ""
    watcher.save("median = 0.29", "median = 0.29")
    (watcher.folder / "params" / "labs" / "4913").write_text("of an editor")
    assert watcher.rest(1.0) == ""
    watcher.save("description", "# a remark\ndescription")
    watcher.read_until("what was saved moves no number")


@pytest.mark.long
def test_an_edit_of_the_base_and_of_another_file_is_shown(start: Start) -> None:
    watcher = start(BEAR, "params/scenarios/bull.toml")
    assert re.search(r"change from *\n.* bull *\n", watcher.read_until(AGAIN))
    watcher.save("[hardware.pue]\n", "[hardware.pue]\nas_of = 2026-11-01\n", "params/base.toml")
    watcher.read_until("what was saved moves no number")
    watcher.save("median = 1.2\nsigma = 0.3", "median = 1.25\nsigma = 0.3", "params/base.toml")
    assert "pue: 1.2 (1.13 to 1.29) -> 1.25" in watcher.read_until(AGAIN)
    (watcher.folder / "params/scenarios/bull.toml").write_text(
        'format = 1\nextends = "../base.toml"\n'
    )
    watcher.read_until("the world with which it is compared has changed")


@pytest.mark.long
def test_a_deleted_file_is_waited_for(start: Start) -> None:
    watcher = start(BEAR)
    watcher.read_until(AGAIN)
    text = (watcher.folder / BEAR).read_text()
    (watcher.folder / BEAR).unlink()
    watcher.read_until("no such file now: waiting for it")
    (watcher.folder / BEAR).write_text(text.replace("median = 0.29", "median = 0.31"))
    assert "-> 0.31" in watcher.read_until(AGAIN)


@pytest.mark.long
def test_a_version_that_cannot_be_stored_says_why_and_goes_on(start: Start) -> None:
    watcher = start(BEAR, "--out", BEAR, on_terminal=True)
    watcher.read_until("q ends")
    watcher.press("s")
    watcher.read_until("cannot be written to")
    watcher.save("median = 0.29", "median = 0.30")
    assert "-> 0.3" in watcher.read_until("q ends")
