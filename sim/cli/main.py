"""The command line: one command, one call."""

from __future__ import annotations

import atexit
import gc
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

import typer

from sim.cli import check, describe, export, list, plot, rm, run, schema, selftest, show, sweep
from sim.common.errors import InputError, RunError

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


app.command()(check.check)
app.command()(describe.describe)
app.command()(schema.schema)
app.command()(run.run)
app.command()(sweep.sweep)
app.command("list")(list.list_)
app.command()(show.show)
app.command()(plot.plot)
app.command()(export.export)
app.command()(rm.rm)
app.command()(selftest.selftest)


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
            print("interrupted: finished work is kept", file=sys.stderr)
        sys.exit(code)
