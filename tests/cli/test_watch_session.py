"""Sessions of `sim watch` in a process of their own: files are saved, and pages are read."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import COMPILED_ONCE, Command, runs_in

import sim
from sim.store import manifest

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="pipes are waited for by select"),
]
DRAWS, SEED = 512, 7
WAIT = 30.0  # seconds for a page, on a machine that has other work
REST = 1.0  # seconds, in which a page would have come
OVERLAY = """format = 1
extends = "base.toml"

[hardware.pue]
median = {}
source = "judgement"
note = "n"
"""
LIFE = "[hardware.it_economic_life_years]\n"
PAGE_END = re.compile(r"^\d\d:\d\d:\d\d\b.*draws.*\n", re.M)
ROW = re.compile(r"^ *Inference 2026Q4  +(\S.*)$", re.M)
Save = Callable[[Path, str], None]


class Session:
    """A process of `sim watch`, and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.process, self._output = process, output
        self._printed = ""
        self._read = 0  # characters that were waited for

    def wait_for(self, pattern: str | re.Pattern[str]) -> str:
        """What was printed since the last wait, to the end of what matches.

        Words of a text may stand on two lines.
        """
        end = time.monotonic() + WAIT
        if isinstance(pattern, str):
            pattern = re.compile(pattern.replace(" ", r"\s+"))
        while (found := pattern.search(self._printed, self._read)) is None:
            if not self._receive(end - time.monotonic()):
                pytest.fail(f"waited for {pattern}, got:\n{self._printed[self._read :]}")
        text = self._printed[self._read : found.end()]
        self._read = found.end()
        return text

    def page(self) -> str:
        """The next page."""
        return self.wait_for(PAGE_END)

    def rest(self) -> str:
        """What is printed while nothing is done."""
        end = time.monotonic() + REST
        while self._receive(end - time.monotonic()):
            pass
        text = self._printed[self._read :]
        self._read = len(self._printed)
        return text

    def _receive(self, seconds: float) -> bool:
        """Read what is there; False if nothing comes in so many seconds, or any more."""
        if seconds <= 0 or not select.select([self._output], [], [], seconds)[0]:
            return False
        try:
            received = os.read(self._output, 65536)
        except OSError:  # a terminal of which the other side is closed
            return False
        self._printed += received.decode().replace("\r\n", "\n")
        return bool(received)


@contextlib.contextmanager
def watching(*arguments: object, terminal: tuple[int, int] | None = None) -> Iterator[Session]:
    """Watch a file; `terminal` holds both ends of a terminal, which is at the keys and the page."""
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [
            sys.executable, "-m", "sim", "watch", *map(str, arguments),
            "--draws", str(DRAWS), "--seed", str(SEED),
        ],
        env={**environment, "COLUMNS": "80", "TERM": "dumb", **COMPILED_ONCE},
        stdin=terminal[1] if terminal else subprocess.DEVNULL,
        stdout=terminal[1] if terminal else subprocess.PIPE,
        stderr=terminal[1] if terminal else subprocess.STDOUT,
        # A process that a shell has put in the background may ignore an interruption.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    output = terminal[0] if terminal else process.stdout.fileno()  # type: ignore[union-attr]
    try:
        yield Session(process, output)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def save_in_place(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def save_by_renaming(path: Path, text: str) -> None:
    """As most editors do: a file beside it takes its place."""
    beside = path.with_name(f"{path.name}~")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def save_after_removing(path: Path, text: str) -> None:
    """As some do: the old file is gone for a moment."""
    path.rename(path.with_name(f"{path.name}.bak"))
    time.sleep(0.02)
    path.write_text(text, encoding="utf-8")


def save_in_a_burst(path: Path, text: str) -> None:
    """Half of it first, then all of it twice."""
    for part in (text[: len(text) // 2], text, text):
        path.write_text(part, encoding="utf-8")
        time.sleep(0.005)


def median_percent(path: Path) -> float:
    """The median of the inference margin of the file as it stands, drawn anew."""
    ds = sim.simulate(sim.load(path), draws=DRAWS, seed=SEED, keep=["inference_gross_margin"])
    return 100.0 * float(ds["inference_gross_margin"].sel(quarter="2026Q4").median())


def row_of(page: str) -> list[str]:
    """The cells of the median of the inference margin, with their errors: now, and its changes."""
    (line,) = ROW.findall(page)
    return re.split(r"  +", line.strip())


def assert_printed(cell: str, expected: float) -> None:
    """A number is as expected, to the digits in which it stands."""
    text = cell.split(" ")[0]
    assert float(text) == pytest.approx(expected, abs=0.51 * 10.0 ** -len(text.partition(".")[2]))


@pytest.fixture
def overlay(params: Path) -> Path:
    """A file on top of a copy of the base case."""
    path = params / "mine.toml"
    path.write_text(OVERLAY.format(1.21), encoding="utf-8")
    return path


def test_each_of_twenty_saves_shows_the_file_as_it_stands(params: Path, overlay: Path) -> None:
    of_base = median_percent(params / "base.toml")
    saves: list[Save] = [
        save_in_place, save_by_renaming, save_after_removing, save_in_a_burst
    ]  # fmt: skip
    with watching(overlay) as session:
        now, against_base = row_of(session.page())
        before = median_percent(overlay)
        assert_printed(now, before)
        assert_printed(against_base, before - of_base)
        for number in range(20):
            pue = 1.151 + 0.01 * number
            saves[number % len(saves)](overlay, OVERLAY.format(pue))
            page = session.page()
            expected = median_percent(overlay)
            now, change, against_base = row_of(page)
            assert_printed(now, expected)
            assert_printed(change, expected - before)
            assert_printed(against_base, expected - of_base)
            assert re.search(rf"^pue: .*-> {pue:.3g}\b", page, re.M)
            before = expected
        assert session.rest() == ""  # one page a save
        session.process.send_signal(signal.SIGINT)
        assert session.process.wait(WAIT) == 130


def test_what_is_not_a_new_version_keeps_the_last_one(params: Path, overlay: Path) -> None:
    text = OVERLAY.format(1.21)
    with watching(overlay) as session:
        first = row_of(session.page())
        os.utime(overlay)
        assert session.rest() == ""
        save_in_place(overlay, f"{text}# a comment\n")
        session.wait_for(r"moves no number\n")
        save_in_place(overlay, text.replace("median", "medain"))
        assert "mine.toml:5" in session.wait_for("did you mean 'median'").replace("\n", "")
        session.rest()
        save_in_place(overlay, text)
        assert row_of(session.page()) == first
        session.rest()
        overlay.unlink()
        session.wait_for("no such file")
        session.rest()
        save_in_place(overlay, OVERLAY.format(1.3))
        now, change, _ = row_of(session.page())
        assert_printed(now, median_percent(overlay))
        assert change.startswith("-")  # since the last good version: each token takes more power
        session.process.send_signal(signal.SIGINT)
        assert session.process.wait(WAIT) == 130


def test_files_below_are_watched_too(params: Path, overlay: Path) -> None:
    base, lab = params / "base.toml", params / "labs" / "xai.toml"
    with watching(overlay) as session:
        first = session.page()
        before = median_percent(overlay)
        text = base.read_text(encoding="utf-8")
        head, table, life = text.partition(LIFE)
        save_in_place(base, f"{head}{table}{re.sub(r'median = .*', 'median = 3', life, count=1)}")
        now, change, against_base = row_of(session.page())
        assert now != row_of(first)[0]
        assert_printed(change, median_percent(overlay) - before)
        assert_printed(against_base, median_percent(overlay) - median_percent(base))
        session.rest()
        save_by_renaming(lab, f"{lab.read_text(encoding='utf-8')}\nx = [\n")
        assert "xai.toml" in session.wait_for("not valid TOML").replace("\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_keys_store_the_version_as_run_does_and_end(
    params: Path, overlay: Path, command: Command
) -> None:
    import pty
    import termios

    other = params / "other.toml"
    other.write_text(OVERLAY.format(1.3), encoding="utf-8")
    out = params.parent / "watched"
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    try:
        with watching(overlay, other, "--out", out, terminal=(ours, theirs)) as session:
            _, against_base = row_of(session.page())
            assert_printed(against_base, median_percent(overlay) - median_percent(other))
            session.rest()
            save_in_place(overlay, OVERLAY.format(1.25))
            session.page()
            save_in_place(overlay, "x = [")
            session.wait_for("not valid TOML")
            session.page()  # the last good version
            os.write(ours, b"s")
            session.wait_for("stored")
            os.write(ours, b"q")
            assert session.process.wait(WAIT) == 0
        assert termios.tcgetattr(theirs) == before
        with watching(overlay, other, terminal=(ours, theirs)) as session:
            session.wait_for("not valid TOML")
            session.process.send_signal(signal.SIGINT)
            assert session.process.wait(WAIT) == 130
        assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)
    save_in_place(overlay, OVERLAY.format(1.25))
    options = ("--draws", str(DRAWS), "--seed", str(SEED), "--no-figures", "--quiet")
    ran = command("run", str(overlay), *options)
    assert ran.returncode == 0, ran.stderr
    (stored,), (run,) = runs_in(out), runs_in(params.parent / "outputs")
    assert stored.name == run.name
    names = {*manifest.files_of(run)}
    assert {*manifest.files_of(stored)} == names
    for name in names:
        assert (stored / name).read_bytes() == (run / name).read_bytes(), name
