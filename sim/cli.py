"""The command line: one command, one call."""

from __future__ import annotations

import atexit
import gc
import io
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from sim import commands
from sim.commands.options import Files, Set, scenarios_of
from sim.files import Fault, InputError, Place, RunError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sim {version('token-economics-sim')}")
        raise typer.Exit


@app.callback()
def sim(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Monte Carlo simulation of AI-lab token economics, from the substation to the token."""


@app.command()
def check(files: Files, set_: Set = None) -> None:
    """Report every fault of parameter files, and where published figures disagree."""
    from sim import consistency
    from sim.grid import check_sweeps
    from sim.params import parse_set

    scenarios = scenarios_of(files, set_, [])
    check_sweeps(files, scenarios, parse_set(set_ or [], []))
    for scenario in scenarios:
        judged = sum(q.source == "judgement" for q in scenario.quantities.values())
        print(
            f"{scenario.name}: good:"
            f" {len(scenario.quantities)} quantities ({judged} by judgement),"
            f" {len(scenario.labs)} labs, {len(scenario.landlords)} landlords,"
            f" {len(scenario.sources_used())} sources"
        )
        if scenario.sweep:
            sizes = " x ".join(f"{axis.key} ({len(axis.values)})" for axis in scenario.sweep)
            print(_wrapped(f"  sweep: {sizes}"))
        for override in scenario.overrides:
            print(f"  {override.by}: {override}")
        for remark in scenario.remarks:
            print(f"  note: {remark}")
        for line in consistency.report(scenario):
            print(_wrapped(line))


@app.command()
def describe(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Inputs or outputs, e.g. hardware.pue; else all."),
    ] = None,
    file: Annotated[Path, typer.Option(help="The parameter file.")] = Path("params/base.toml"),
    set_: Set = None,
    correlations: Annotated[
        bool, typer.Option("--correlations", help="How they are tied, as asked for and as drawn.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same for machines.")] = False,
) -> None:
    """Tell what inputs and outputs are: meaning, unit, law, a picture of it, source."""
    from sim import describe

    (scenario,) = scenarios_of([file], set_, [])
    if correlations:
        from sim import dependence

        ties = dependence.described(scenario, describe.full_names(scenario, names or []))
        print(json.dumps(ties, indent=1) if as_json else describe.ties_text(ties))
        return
    found = describe.described(scenario, names) if names else describe.listed(scenario)
    if as_json:
        print(json.dumps(found, indent=1, allow_nan=False))
    elif names:
        print("\n\n".join(map(describe.text, found)))
    else:
        print(describe.list_text(found))


@app.command()
def schema(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("params/schema.json"),
) -> None:
    """Write the JSON Schema with which editors complete and check parameter files."""
    from sim.schema import text

    try:
        out.write_text(text(), encoding="utf-8")
    except OSError as error:
        message = f"{out}: cannot be written: {error.strerror}"
        raise InputError([Fault(Place("--out"), "", message)]) from error
    print(out)


def _wrapped(line: str) -> str:
    """A line of text folded at the terminal's width, further lines indented below it."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    width = max(80, shutil.get_terminal_size().columns)
    return textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False)


commands.register(app)


@contextmanager
def _without_dask() -> Iterator[None]:
    """Hide Dask from xarray, which else imports it, to ask whether arrays are Dask's.

    That takes a tenth of a short run. Only `--cluster` uses Dask, and then it is not hidden.
    """
    modules: dict[str, Any] = sys.modules
    if "xarray" in modules or any(word.startswith("--cluster") for word in sys.argv):
        yield
        return
    modules["dask"] = None  # as if it were not installed
    try:
        yield
    finally:
        del modules["dask"]


def main() -> None:
    """Run the command line; exit 2 for bad input, 1 for a failure, 130 if interrupted."""
    # Imports make many objects that stay: at Python's default, looking through them for cycles
    # again and again takes an eighth of a short run.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)  # Python looks through all again when it ends: another tenth
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a sign still gets the rest
    try:
        with _without_dask():
            app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except (RunError, MemoryError) as error:
        print(error if isinstance(error, RunError) else "out of memory", file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as leaving:
        code = 130 if isinstance(leaving, KeyboardInterrupt) else leaving.code
        if code == 130:
            print("interrupted: what was finished is kept", file=sys.stderr)
        sys.exit(code)
