"""`sim sweep`: one plan over a grid of parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options import announce_compiling, number
from sim.common.errors import Fault

if TYPE_CHECKING:
    from sim.simulation.sweep import SweepPlan
    from sim.store.sweep import Sweep


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A parameter file (TOML).")],
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="A key and its values: a=0.3:0.8:11 (from, to, how many) or a=3,4,5; may be"
            " repeated. Default: as the file's table of sweeps says.",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPR",
            help='What is asked, "p5(inference_gross_margin@2026Q4)"; may be repeated. Default:'
            " median, p5 and P(>= hurdle) of that margin.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter at every point."),
    ] = None,
    draws: Annotated[
        str | None,
        typer.Option(metavar="N", help="Draws of each point (default: as the file says)."),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="N", help="Seed of the random numbers; likewise.")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(metavar="NAME", help="stratified, random or sobol; likewise.")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="N", help="Threads; they change no number.")
    ] = None,
    bad_draws: Annotated[
        str,
        typer.Option(metavar="fail|drop|keep", help="Draws that are not finite: as of sim run."),
    ] = "fail",
    drop_questionable: Annotated[
        bool, typer.Option("--drop-questionable", help="As of sim run.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Where the folder is made.")] = Path("outputs"),
    force: Annotated[
        bool, typer.Option("--force", help="Draw anew what is stored already.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only where the results are.")
    ] = False,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Draw no pictures.")] = False,
) -> None:
    """Sweep parameters over a grid: a table here, data and pictures in a folder.

    Points share their random numbers. A sweep that was broken off goes on where it was.
    """
    from sim.parameters import sweep_axes
    from sim.parameters.loading import parse_set
    from sim.simulation.sweep import plan_sweep

    faults: list[Fault] = []
    along = sweep_axes.of_texts(over or (), faults)
    changes = parse_set(set_ or [], faults)
    plan = plan_sweep(
        file, along, output, changes, faults, draws=number(draws), seed=number(seed),
        sampler=sampler, threads=number(threads), bad_draws=bad_draws,
        drop_questionable=drop_questionable,
    )  # fmt: skip

    from sim.cli import terminal
    from sim.store.sweep import run

    if not quiet:
        announce_compiling()
    points = len(plan.grid.scenarios)
    talkative = not quiet and not as_json
    label = f"{plan.grid.scenarios[0].name}: {points} points"
    with terminal.watch(not talkative, label, points * plan.options.draws) as watcher:
        done = run(
            plan, out, figures=not no_figures, force=force,
            progress=watcher.advance, stage=watcher.stage,
        )  # fmt: skip
    warnings = [
        f"the picture {name} could not be drawn: {why}" for name, why in done.undrawn.items()
    ]
    if count := int(done.ds["draws_not_finite"].sum()):
        fate = "statistics are nan where they reach" if bad_draws == "keep" else "they are left out"
        drawn = points * plan.options.draws
        line = f"WARNING: {count:,} of {drawn:,} draws gave a value that is not finite; {fate}."
        warnings.append(line)
    for line in warnings:
        terminal.err.print(line, style="bold red", markup=False)
    if as_json:
        print(json.dumps(_document(plan, done), indent=1, allow_nan=False))
    elif quiet:
        print(done.folder)
    else:
        _show(plan, done)


def _document(plan: SweepPlan, done: Sweep) -> dict[str, Any]:
    import numpy as np

    from sim.simulation.sweep import read_expressions
    from sim.tables.sweep import cell

    grid, ds = plan.grid, done.ds
    found = read_expressions(ds)
    return {
        "scenario": ds.attrs["scenario"],
        "digest": ds.attrs["digest"],
        "draws": plan.options.draws,
        "seed": plan.options.seed,
        "sampler": plan.options.sampler,
        "over": {axis.key: {**grid.about(axis), "values": axis.values} for axis in grid.axes},
        "points": [
            {"at": grid.at(i), "values": {one.text: cell(ds, one, place).data() for one in found}}
            for i, place in enumerate(np.ndindex(*grid.shape))
        ],
        "folder": str(done.folder),
        "from_disk": done.from_disk,
    }


def _show(plan: SweepPlan, done: Sweep) -> None:
    from sim import tables
    from sim.cli import terminal
    from sim.tables.sweep import tables as sweep_tables

    first, points = plan.grid.scenarios[0], len(plan.grid.scenarios)
    swept = {axis.key for axis in plan.grid.axes}
    terminal.out.print(
        f"[bold]{first.name}[/bold]  {points} points, {plan.options.draws:,} draws each,"
        f" {plan.options.sampler}, seed {plan.options.seed}"
    )
    for override in first.overrides:
        if override.key not in swept:
            terminal.out.print(f"  {override}", markup=False)
    terminal.out.print()
    for table in sweep_tables(done.ds):
        terminal.show(table)
    terminal.out.print(
        tables.describe_errors(plan.options.draws, plan.options.sampler), style="dim"
    )
    doubtful = int(done.ds["draws_questionable"].max())
    if doubtful:
        fate = "left out" if plan.options.drop_questionable else "kept"
        terminal.out.print(
            f"Questionable draws, {fate}: up to {doubtful:,} at a point.", style="dim"
        )
    figures = done.folder / "figures"
    if figures.is_dir() and not any(figures.iterdir()):
        line = "There are no pictures of so many keys, or of a third of so many values."
        terminal.out.print(line, style="dim")
    stored = {0: "", points: "  answered from disk"}.get(
        done.from_disk, f"  {done.from_disk} points were there already"
    )
    terminal.out.print(f"[bold]{done.folder}/[/bold]  {done.seconds:.1f} s{stored}", soft_wrap=True)
