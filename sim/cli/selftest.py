"""`sim selftest`: what an installation answers, and how fast, on one page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.options import Set, announce_compiling, scenarios_of

if TYPE_CHECKING:
    from sim.selftest import Check
BASE = Path("params/base.toml")
WHAT, FOUND, EXPECTED = 46, 15, 12  # columns of a line, and seven more for the verdict


def selftest(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help=f"The parameter file whose model is drawn ({BASE} if there)."
        ),
    ] = None,
    set_: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same for machines.")] = False,
) -> None:
    """Check this installation: known answers, closed forms, the same bits; and tell its speed.

    Exits 1 if something fails. Speed is told and never judged.
    """
    asked = file or (BASE if BASE.exists() or set_ else None)
    scenario = scenarios_of([asked], set_, [])[0] if asked else None

    from sim.cli import terminal
    from sim.common.environment import versions
    from sim.kernels.simd.vectors import UNAVAILABLE
    from sim.selftest import done, parts

    started = time.perf_counter()
    if not as_json:
        announce_compiling()
        for line in _machine():
            terminal.out.print(line, style="dim", markup=False)
    found: dict[str, list[Check]] = {}
    with _doing(quiet=as_json) as doing:
        for title, part in parts(scenario).items():
            doing(title)
            found[title] = done(part)
            if not as_json:
                _show(title, found[title])
    check_draws = [
        check.ok for checks in found.values() for check in checks if check.ok is not None
    ]
    failed = check_draws.count(False)
    if as_json:
        document = {
            "versions": versions(),
            "vector_extension": UNAVAILABLE or "available",
            "scenario": scenario.name if scenario else None,
            "parts": [
                {"title": title, "checks": [check.data() for check in checks]}
                for title, checks in found.items()
            ],
            "checks": len(check_draws),
            "failed": failed,
        }
        print(json.dumps(document, indent=1, allow_nan=False))
    else:
        if scenario is None:
            line = f"The model was not drawn: there is no {BASE} here. Name one: sim selftest FILE"
            terminal.out.print(line, style="bold", markup=False)
        verdict = (
            f"{failed} of {len(check_draws)} checks FAILED"
            if failed
            else f"{len(check_draws)} checks ok"
        )
        style = "bold red" if failed else "bold"
        terminal.out.print(f"{verdict}  {time.perf_counter() - started:.1f} s", style=style)
    if failed:
        raise typer.Exit(1)


def _machine() -> list[str]:
    """Lines on what is tested: processor, versions, and whether kernels compute one draw at a time.

    One by one they take 5 to 7 times as long as eight side by side.
    """
    from sim.common.environment import versions
    from sim.common.threads import available_threads
    from sim.kernels.simd.vectors import UNAVAILABLE

    found = {**versions(), "sim": versions()["token-economics-sim"]}
    libraries = ("numpy", "scipy", "numba", "llvmlite", "xarray")
    lines = [
        f"sim {found['sim']}, Python {found['python']}, {available_threads()} threads,"
        f" {found['processor']}",
        ", ".join(f"{name} {found[name]}" for name in libraries),
    ]
    if UNAVAILABLE:
        lines.append("numba's vector extension is unavailable: the same bits, about 6 times slower")
    return lines


def _show(title: str, checks: list[Check]) -> None:
    """Print a part: what was looked at, found, expected, and the verdict."""
    from sim.cli import terminal

    terminal.out.print(title, style="bold", markup=False)
    for check in checks:
        verdict = {True: "ok", False: "FAILED", None: ""}[check.ok]
        left = f"  {check.what}".ljust(WHAT)
        columns = f"{check.found:>{FOUND}}{check.expected:>{EXPECTED}} {verdict}".rstrip()
        if len(check.found) > FOUND:  # words, which say what went wrong
            columns = f"{verdict}: {check.found}"
        style = "bold red" if check.ok is False else ""
        terminal.out.print(left + columns, style=style, markup=False)


@contextmanager
def _doing(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line on the error stream that says what is being done, if that is a terminal."""
    from sim.cli import terminal

    if quiet or not terminal.err.is_terminal:
        yield lambda what: None
        return
    with terminal.err.status("") as status:
        yield lambda what: status.update(f"{what} ...")
