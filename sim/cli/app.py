"""The commands, and the options of the command line as a whole."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core

from sim.cli import (
    check,
    cite,
    compare,
    condition,
    describe,
    discover,
    export,
    help,
    init,
    list,
    plot,
    printing,
    rm,
    run,
    schema,
    selftest,
    sensitivity,
    show,
    solve,
    sweep,
    trace,
    voi,
    watch,
)
from sim.cli.unknown_command import unknown_command
from sim.common.errors import InputError, RunError
from sim.common.text import plain

_UsageError: Any = typer.BadParameter.__mro__[1]  # click's, or that of typer's copy of click


class PlainUsage(typer.core.TyperGroup):
    """Commands of which errors of usage quote what was typed as plain text."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """As of every group."""
        with _plain_usage_errors():
            return super().make_context(*arguments, **options)

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """As of every group; of a command that does not exist it is said what could be meant."""
        name = str(args[0])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise unknown_command(name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """As of every group; here the options of its commands are read."""
        with _plain_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _plain_usage_errors() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = plain(error.message)
        raise


app = typer.Typer(
    cls=PlainUsage,
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(requested: bool) -> None:
    """Print the version and exit, if it was requested."""
    if requested:
        printing.say(f"sim {version('token-economics-sim')}")
        raise typer.Exit


@app.callback()
def sim(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Monte Carlo simulation of AI-lab token economics, from the substation to the token."""


app.command(rich_help_panel="Files")(init.init)
app.command(rich_help_panel="Files")(check.check)
app.command(rich_help_panel="Files")(describe.describe)
app.command(rich_help_panel="Files")(schema.schema)
app.command("help", rich_help_panel="Files")(help.help_)
app.command(rich_help_panel="Draw")(run.run)
app.command(rich_help_panel="Draw")(sweep.sweep)
app.command(rich_help_panel="Draw")(watch.watch)
app.command("list", rich_help_panel="Store")(list.list_)
app.command(rich_help_panel="Store")(show.show)
app.command(rich_help_panel="Store")(export.export)
app.command(rich_help_panel="Store")(rm.rm)
app.command(rich_help_panel="Read")(compare.compare)
app.command(rich_help_panel="Read")(sensitivity.sensitivity)
app.command(rich_help_panel="Ask")(solve.solve)
app.command(rich_help_panel="Read")(trace.trace)
app.command(rich_help_panel="Read")(cite.cite)
app.command(rich_help_panel="Ask")(discover.discover)
app.command(rich_help_panel="Ask")(condition.condition)
app.command(rich_help_panel="Ask")(voi.voi)
app.command(rich_help_panel="Show")(plot.plot)
app.command(rich_help_panel="Show")(selftest.selftest)


class _Output(io.FileIO):
    """Standard output that ends the command where it cannot be written.

    Libraries have ways of their own with an OSError, and Python one more when it ends.
    """

    is_lost = False

    def write(self, data: Any, /) -> int:
        """Write, or exit: quietly if the reader has enough, else with 1 and a message."""
        if self.is_lost:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:  # the exit code is that of other filters: 128 + SIGPIPE
            self.is_lost = True
            raise SystemExit(141) from None
        except OSError as error:
            self.is_lost = True
            printing.complain(f"standard output: {error.strerror}")
            raise SystemExit(1) from None


@contextmanager
def _without_unused() -> Iterator[None]:
    """Hide Dask and pyarrow from xarray and pandas, which would import them.

    xarray does so to see whether arrays are Dask's, pandas to keep texts in Arrow's arrays. The
    imports take a tenth of a short run. Nothing is hidden that the command may use: Dask with
    `--cluster`, pyarrow in `sim export`.
    """
    modules: dict[str, Any] = sys.modules
    used = {
        "dask": any(word.startswith("--cluster") for word in sys.argv),
        "pyarrow": "export" in sys.argv,
    }
    hidden = [name for name in used if not used[name] and name not in modules]
    if "xarray" in modules or "pandas" in modules:
        hidden = []
    modules.update(dict.fromkeys(hidden))  # None: as if not installed
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


def run_command() -> None:
    """Run the command of this process, which exits: with 2 for bad input, 1 for a failure."""
    # Imports make many lasting objects: at Python's default, searching them for cycles again and
    # again takes an eighth of a short run.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)  # Python searches all again when it ends: another tenth
    _prepare_streams()
    try:
        with _without_unused():
            app()
    except InputError as error:
        printing.complain(error)
        sys.exit(2)
    except (RunError, MemoryError) as error:
        printing.complain(error if isinstance(error, RunError) else "out of memory")
        sys.exit(1)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # while it can still change the exit code


def _prepare_streams() -> None:
    """Print what a terminal lacks as `?`, and a warning as one line, without its source."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    output = sys.stdout
    is_own = output is sys.__stdout__  # not that of a program that calls `main`
    if os.name == "posix" and is_own and isinstance(output, io.TextIOWrapper):
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(output.fileno(), "wb", closefd=False)),
            encoding=output.encoding,
            errors=output.errors,
            line_buffering=output.line_buffering,
            write_through=output.write_through,
        )
    warnings.formatwarning = lambda message, *_, **__: f"note: {message}\n"
