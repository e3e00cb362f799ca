"""`sim watch`: a file drawn again each time it is saved."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options import Sampler, Seed, Threads, announce_compiling, draw_options
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import plain
from sim.store import folders

if TYPE_CHECKING:
    from sim.parameters.options import RunOptions
    from sim.parameters.scenario import Scenario
    from sim.store.live import Live
DRAWS = "20000"
POLL = 0.03  # seconds between two looks at the files, of which each takes a hundredth of that
MOST_FAULTS = 6
MOST_REMARKS = 2
ReadKey = Callable[[float], str]


def watch(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The parameter file to watch.")],
    base: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BASE]",
            help="The file with which it is compared (default: the root of its chain).",
        ),
    ] = None,
    draws: Annotated[
        str, typer.Option(metavar="N", help="Number of draws of every version.")
    ] = DRAWS,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    out: Annotated[Path, typer.Option(help="Folder in which s stores a version.")] = (
        folders.OUTPUTS
    ),
) -> None:
    """Draw a file again each time it is saved, and show what the edit moved.

    A file with faults shows them, and keeps the last good result. Keys: s stores the last good
    version as sim run does, with the draws of this command and without pictures; q ends.
    """
    faults: list[Fault] = []
    given = draw_options(draws, seed, sampler, threads, faults)
    faults += [
        Fault(Location(str(path)), "", "no such file")
        for path in (file, *([base] if base else []))
        if not path.is_file()
    ]
    if faults:
        raise InputError(faults)
    announce_compiling()
    from sim.parameters.options import RunOptions
    from sim.store.live import Live

    def options(scenario: Scenario) -> RunOptions:
        return RunOptions.of(scenario, **given)

    with _keys() as read_key:
        _follow(Live(file, base, options), read_key, out)


def _follow(live: Live, read_key: ReadKey, out: Path) -> None:
    """Show the file, and again after each save, until the key that ends it."""
    from sim.cli import terminal
    from sim.store.live import Event

    event = live.update()
    # Of the libraries nothing is let go of: to look through them again takes as long as a load.
    gc.collect()
    gc.freeze()
    while True:
        if event in (Event.NUMBERS, Event.FAULTS):
            _show(live)
        elif event in (Event.MENDED, Event.BASE):
            _show(live, event.value)
        elif event is Event.TEXT:
            terminal.say(f"{time.strftime('%H:%M:%S')}  {event.value}", "dim")
        sys.stdout.flush()
        event = Event.NOTHING
        key = read_key(POLL)
        if key == "q":
            return
        if key == "s":
            _store(live, out)
        elif live.files.has_changed():
            event = live.update()


def _show(live: Live, remark: str = "") -> None:
    """Print the page: faults, the last good version, and what differs from the one before."""
    from sim.cli import terminal
    from sim.tables.watch import edit_lines, watch_table

    if terminal.out.is_terminal:
        terminal.out.clear()
    for fault in live.faults[:MOST_FAULTS]:
        terminal.say(plain(fault), "bold red")
    if (more := len(live.faults) - MOST_FAULTS) > 0:
        terminal.say(f"and {more} more faults", "red")
    if live.failure:
        terminal.say(plain(live.failure), "bold red")
    version = live.last
    if version is None:
        return
    if live.faults or live.failure:
        if not terminal.out.is_terminal:
            return  # the last good version stands above
        terminal.say("The last good version:", "dim")
    terminal.show(watch_table(version), close=True)
    for line in edit_lines(version.edits):
        terminal.say(plain(line))
    for note in version.remarks[:MOST_REMARKS]:
        terminal.say(f"note: {plain(note)}")
    keys = "  s stores it, q ends" if terminal.out.is_terminal and sys.stdin.isatty() else ""
    line = f"{time.strftime('%H:%M:%S')}  {version.draws:,} draws in {version.seconds:.2f} s{keys}"
    terminal.say(line, "dim")
    if remark:
        terminal.say(remark, "dim")


def _store(live: Live, out: Path) -> None:
    """Store the last good version, as `sim run` does, and say where; or why that cannot be."""
    from sim.cli import terminal
    from sim.store import run as store_run

    if live.last is None:
        terminal.say("nothing to store: no version could be drawn", "bold red")
        return
    try:
        result = store_run.run(
            live.last.scenario, out, live.last.options, figures=False, tables=True,
            note=terminal.warn,
        )  # fmt: skip
    except (InputError, RunError) as error:
        terminal.say(plain(error), "bold red")
        return
    terminal.say(f"stored: {plain(result.folder)}/")


@contextlib.contextmanager
def _keys() -> Iterator[ReadKey]:
    """A function that waits so many seconds for a key, and returns it, "" without one.

    Off a terminal it only waits. The terminal is as before however this ends: a signal to end it
    is an exit like others.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield _wait
        return
    try:
        import select
        import termios
        import tty
    except ImportError:  # no POSIX
        yield _wait_for_windows_key
        return
    stream = sys.stdin.fileno()

    def read(seconds: float) -> str:
        ready, _, _ = select.select([stream], [], [], seconds)
        if not ready:
            return ""
        # Bytes, since text that Python has read ahead is not seen by select. At the end: q.
        return os.read(stream, 1).decode("ascii", "replace").lower() or "q"

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = termios.tcgetattr(stream)
    handlers = {of: signal.signal(of, leave) for of in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setcbreak(stream)
        yield read
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)
        for of, handler in handlers.items():
            signal.signal(of, handler)


def _wait(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _wait_for_windows_key(seconds: float) -> str:
    """A key of a terminal of Windows, or "" after so many seconds."""
    import msvcrt

    console: Any = msvcrt
    end = time.monotonic() + seconds
    while not console.kbhit():
        if time.monotonic() >= end:
            return ""
        time.sleep(0.01)
    return str(console.getwch()).lower()
