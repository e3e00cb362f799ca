"""`sim watch`: a file drawn again each time it is saved."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options import Sampler, Seed, Threads, announce_compiling, draw_options
from sim.common.errors import Fault, InputError, Location
from sim.common.text import plain
from sim.store import folders

if TYPE_CHECKING:
    from sim.parameters.options import RunOptions
    from sim.parameters.scenario import Scenario
    from sim.store.live import Live
DRAWS = "20000"
POLL = 0.1  # seconds between two looks at the files
MOST_FAULTS = 6


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

    A file with faults shows them, and keeps the last good result. Keys: s stores the version as sim
    run does, q ends.
    """
    from sim.cli import terminal
    from sim.parameters.options import RunOptions
    from sim.store.live import Live

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

    def options(scenario: Scenario) -> RunOptions:
        return RunOptions.of(scenario, **given)

    live = Live(file, base, options)
    live.evaluate()
    _show(live)
    with _keys() as read_key:
        while True:
            key = read_key()
            if key == "q":
                return
            if key == "s":
                _store(live, options, out)
            if live.has_changed():
                if live.evaluate() or live.faults or live.failure:
                    _show(live)
                elif not file.is_file():
                    terminal.say(f"{plain(file)}: no such file now: waiting for it", "dim")
            time.sleep(POLL)


def _show(live: Live) -> None:
    """Print the page: faults, the last good version, and what differs from the one before."""
    from sim.cli import terminal
    from sim.parameters.edits import short_name
    from sim.tables.watch import watch_table

    if terminal.out.is_terminal:
        terminal.out.clear()
    for fault in live.faults[:MOST_FAULTS]:
        terminal.say(plain(fault), "bold red")
    if more := len(live.faults) - MOST_FAULTS:
        terminal.say(f"and {more} more faults", "red") if more > 0 else None
    if live.failure:
        terminal.say(plain(live.failure), "bold red")
    version = live.last
    if version is None:
        return
    if live.faults or live.failure:
        terminal.say("The last version without faults:", "dim")
    base = live.base.stem if live.base else Path(version.scenario.files[0]).stem
    terminal.show(watch_table(version, base))
    for edit in version.edits[:MOST_FAULTS]:
        terminal.say(f"{short_name(edit.name)}: {edit.before} -> {edit.after}")
    keys = "; s stores it, q ends" if terminal.out.is_terminal else ""
    terminal.say(f"{time.strftime('%H:%M:%S')}, {version.seconds:.2f} s{keys}", "dim")
    sys.stdout.flush()


def _store(live: Live, options: Callable[[Any], Any], out: Path) -> None:
    """Store the last good version, as `sim run` does."""
    from sim.cli import terminal
    from sim.store import run as store_run

    if live.last is None:
        return
    scenario = live.last.scenario
    result = store_run.run(scenario, out, options(scenario), figures=False, tables=True)
    terminal.say(f"stored: {plain(result.folder)}/")


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """A function that gives the key that was pressed, "" without one; off a terminal always ""."""
    if not sys.stdin.isatty():
        yield lambda: ""
        return
    try:
        import select
        import termios
        import tty
    except ImportError:  # no POSIX
        import msvcrt

        windows: Any = msvcrt
        yield lambda: windows.getwch() if windows.kbhit() else ""
        return
    stream = sys.stdin.fileno()
    before = termios.tcgetattr(stream)

    def read() -> str:
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        return sys.stdin.read(1) if ready else ""

    try:
        tty.setcbreak(stream)
        yield read
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)
