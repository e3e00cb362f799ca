"""`sim selftest`: checks of an installation and its speed, on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options import Set, announce_compiling, load_scenarios
from sim.cli.printing import say_json

if TYPE_CHECKING:
    from sim.selftest import Check
BASE = Path("params/base.toml")
NAME_WIDTH, RESULT_WIDTH, EXPECTED_WIDTH = 46, 15, 12  # and seven columns for the verdict


def selftest(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help=f"Parameter file for checks of the model (default: {BASE}, if it exists).",
        ),
    ] = None,
    set_: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Check this installation against known answers, and report its speed.

    Exits with 1 if a check fails. Speed is reported, not asserted.
    """
    path = file or (BASE if BASE.exists() or set_ else None)
    scenario = load_scenarios([path], set_, [])[0] if path else None

    from sim.cli import terminal
    from sim.selftest import parts, run_part

    started = time.perf_counter()
    if not as_json:
        announce_compiling()
        for line in _machine():
            terminal.say(line, "dim")
    results: dict[str, list[Check]] = {}
    with _progress(quiet=as_json) as show_title:
        for title, part in parts(scenario).items():
            show_title(title)
            results[title] = run_part(part)
            if not as_json:
                _print_part(title, results[title])
    verdicts = [check.ok for checks in results.values() for check in checks if check.ok is not None]
    failed = verdicts.count(False)
    if as_json:
        name = scenario.name if scenario else None
        say_json(_document(name, results, len(verdicts), failed))
    else:
        if scenario is None:
            line = f"The model was not checked: there is no {BASE} here; see sim selftest FILE"
            terminal.say(line, "bold")
        count = f"{len(verdicts)} checks"
        line = f"{failed} of {count} FAILED" if failed else f"{count} ok"
        seconds = time.perf_counter() - started
        terminal.say(f"{line}  {seconds:.1f} s", "bold red" if failed else "bold")
    if failed:
        raise typer.Exit(1)


def _document(
    scenario: str | None, results: dict[str, list[Check]], checks: int, failed: int
) -> dict[str, Any]:
    """The results of all parts for JSON."""
    from sim.common.environment import versions
    from sim.kernels.shipped.entries import lanes, which_kernels

    return {
        "versions": versions(),
        "kernels": which_kernels(),
        "lanes": lanes(),
        "scenario": scenario,
        "parts": [
            {"title": title, "checks": [check.data() for check in checks]}
            for title, checks in results.items()
        ],
        "checks": checks,
        "failed": failed,
    }


def _machine() -> list[str]:
    """Lines on what is tested: processor, versions, and how kernels were compiled.

    Draws one by one take 5 to 7 times as long as eight side by side.
    """
    from sim.common.environment import versions
    from sim.common.threads import available_threads
    from sim.kernels.shipped.entries import lanes, which_kernels

    version = versions()
    libraries = ("numpy", "scipy", "llvmlite", "xarray")
    lines = [
        f"sim {version['token-economics-sim']}, Python {version['python']},"
        f" {available_threads()} threads, {version['processor']}",
        f"kernels {which_kernels()}",
        ", ".join(f"{name} {version[name]}" for name in libraries),
    ]
    if which_kernels() == "shipped":
        lines[1:] = [f"{lines[1]}, {lines[2]}"]
    if lanes() == 1:
        lines.append("numba's vector extension is unavailable: the same bits, about 6 times slower")
    return lines


def _print_part(title: str, checks: list[Check]) -> None:
    """Print the checks of a part: name, result, expected and verdict."""
    from sim.cli import terminal

    terminal.say(title, "bold")
    for check in checks:
        verdict = {True: "ok", False: "FAILED", None: ""}[check.ok]
        name = f"  {check.name}".ljust(NAME_WIDTH)
        text = f"{check.result:>{RESULT_WIDTH}}{check.expected:>{EXPECTED_WIDTH}} {verdict}"
        if len(check.result) > RESULT_WIDTH:  # an error message
            text = f"{verdict}: {check.result}"
        style = "bold red" if check.ok is False else ""
        terminal.say(name + text.rstrip(), style)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Shows a title on the error stream, if that is a terminal."""
    from sim.cli import terminal

    if quiet or not terminal.err.is_terminal:
        yield lambda title: None
        return
    with terminal.err.status("") as status:
        yield lambda title: status.update(f"{title} ...")
