"""`sim sweep`: expressions over a grid of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.options import Csv, announce_compiling, parse_number, refuse_both
from sim.cli.printing import say, say_json
from sim.cli.run_output import print_csv, print_folder
from sim.cli.stored_runs import print_note
from sim.common.errors import Fault
from sim.common.text import plain

if TYPE_CHECKING:
    from sim.simulation.sweep import SweepPlan
    from sim.store.sweep import Sweep


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A parameter file (TOML).")],
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="A key and its values: a=0.3:0.8:11 (from, to, count) or a=3,4,5; may be"
            " repeated. Default: as the file's table sweep says.",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATISTIC",
            help="What is asked, e.g. 'p50(tps_decode)'; may be repeated. Default: p50, p5 and"
            " P(>= hurdle) of the inference gross margin in 2026Q4.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter at every point."),
    ] = None,
    draws: Annotated[
        str | None,
        typer.Option(metavar="N", help="Draws at each point (default: as the file says)."),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="N", help="Seed of the random numbers (likewise).")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(metavar="NAME", help="stratified, random or sobol (likewise).")
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(metavar="N", help="Number of threads; results do not depend on it."),
    ] = None,
    bad_draws: Annotated[
        str,
        typer.Option(metavar="fail|drop|keep", help="Draws that are not finite: as for sim run."),
    ] = "fail",
    drop_questionable: Annotated[
        bool, typer.Option("--drop-questionable", help="As for sim run.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder in which the sweep's folder is made.")] = Path(
        "outputs"
    ),
    force: Annotated[bool, typer.Option("--force", help="Redraw a stored sweep.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    as_csv: Csv = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only the folder of the results.")
    ] = False,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Make no figures.")] = False,
) -> None:
    """Sweep parameters over a grid: print tables, store data and figures.

    Points share their random numbers. An interrupted sweep is resumed.
    """
    from sim.parameters import sweep_axes
    from sim.parameters.loading import parse_set
    from sim.simulation.sweep import plan_sweep

    refuse_both(as_json, as_csv)
    faults: list[Fault] = []
    axes = sweep_axes.of_texts(over or (), faults)
    changes = parse_set(set_ or [], faults)
    plan = plan_sweep(
        file, axes, output, changes, faults, draws=parse_number(draws), seed=parse_number(seed),
        sampler=sampler, threads=parse_number(threads), bad_draws=bad_draws,
        drop_questionable=drop_questionable,
    )  # fmt: skip

    from sim.cli import terminal
    from sim.store.sweep import run
    from sim.tables.sweep import tables as sweep_tables

    if not quiet:
        announce_compiling()
    points = len(plan.grid.scenarios)
    print_tables = not quiet and not as_json and not as_csv
    label = f"{plan.grid.scenarios[0].name}: {points} points"
    with terminal.watch(not print_tables, label, points * plan.options.draws) as bar:
        result = run(
            plan, out, figures=not no_figures, force=force,
            progress=bar.advance, stage=bar.stage, note=print_note,
        )  # fmt: skip
    for line in _warnings(plan, result):
        terminal.warn(line)
    if as_json:
        say_json(_document(plan, result))
    elif as_csv:
        print_csv(sweep_tables(result.ds))
    elif quiet:
        say(plain(result.folder))
    else:
        _print_result(plan, result)


def _warnings(plan: SweepPlan, result: Sweep) -> list[str]:
    """Figures that failed, and draws that are not finite."""
    lines = [
        plain(f"the figure {name} could not be drawn: {why}")
        for name, why in result.undrawn.items()
    ]
    if count := int(result.ds["draws_not_finite"].sum()):
        fate = "they are left out"
        if plan.options.bad_draws == "keep":
            fate = "statistics of the outputs that they affect are nan"
        draws = len(plan.grid.scenarios) * plan.options.draws
        line = f"WARNING: {count:,} of {draws:,} draws gave a value that is not finite; {fate}."
        lines.append(line)
    return lines


def _document(plan: SweepPlan, result: Sweep) -> dict[str, Any]:
    """A sweep for JSON: its options, and the expressions at each point."""
    import numpy as np

    from sim.simulation.sweep import read_expressions
    from sim.tables.sweep import cell

    grid, ds = plan.grid, result.ds
    points = [
        {
            "at": grid.at(i),
            "values": {
                expression.text: cell(ds, expression, index).data()
                for expression in read_expressions(ds)
            },
        }
        for i, index in enumerate(np.ndindex(*grid.shape))
    ]
    return {
        "scenario": ds.attrs["scenario"],
        "digest": ds.attrs["digest"],
        "draws": plan.options.draws,
        "seed": plan.options.seed,
        "sampler": plan.options.sampler,
        "over": {axis.key: {**grid.about(axis), "values": axis.values} for axis in grid.axes},
        "points": points,
        "folder": str(result.folder),
        "from_disk": result.from_disk,
    }


def _print_result(plan: SweepPlan, result: Sweep) -> None:
    """Print a sweep: its options, tables, remarks and folder."""
    from sim.cli import terminal
    from sim.tables.oddities import describe_errors
    from sim.tables.sweep import tables as sweep_tables

    first, points = plan.grid.scenarios[0], len(plan.grid.scenarios)
    swept = {axis.key for axis in plan.grid.axes}
    terminal.say_headed(
        first.name,
        f"{points} points, {plan.options.draws:,} draws each, {plan.options.sampler},"
        f" seed {plan.options.seed}",
    )
    for override in first.overrides:
        if override.key not in swept:
            terminal.say(f"  {override}")
    terminal.say()
    for table in sweep_tables(result.ds):
        terminal.show(table)
    terminal.say(describe_errors(plan.options.draws, plan.options.sampler), "dim")
    questionable = int(result.ds["draws_questionable"].max())
    if questionable:
        fate = "left out" if plan.options.drop_questionable else "kept"
        line = f"Questionable draws, {fate}: up to {questionable:,} at a point."
        terminal.say(line, "dim")
    figures = result.folder / "figures"
    if figures.is_dir() and not any(figures.iterdir()) and not result.undrawn:
        line = "No figures: they show at most three keys, one of them with at most nine values."
        terminal.say(line, "dim")
    stored = {0: "", points: "as stored"}.get(
        result.from_disk, f"{result.from_disk} points were stored"
    )
    print_folder(result.folder, f"{result.seconds:.1f} s", stored)
