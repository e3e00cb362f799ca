"""Commands that have a module of their own, in groups that belong together."""

from __future__ import annotations

import typer

from sim.commands import run, selftest, stored, sweep


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(run.run)
    app.command()(sweep.sweep)
    stored.register(app)
    app.command()(selftest.selftest)
