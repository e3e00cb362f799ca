"""`sim solve`: what it takes for a statistic to reach a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.expression_options import expression_option, refuse
from sim.cli.options import Csv, Draws, Sampler, Seed, Set, Threads, draw_options, refuse_both
from sim.cli.printing import say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, open_world
from sim.common.errors import Fault, InputError, Location
from sim.common.text import plain
from sim.store import folders

if TYPE_CHECKING:
    from sim.analysis.solve import Solution
    from sim.parameters.scenario import Scenario


def solve(
    world: WorldArgument = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="The input to vary (its median, or its fixed value), or one of its parameters,"
            " e.g. hardware.pue; as many as targets.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        expression_option(
            "target",
            "What is to be reached",
            example="P(inference_gross_margin@2026Q4 >= 0.7) = 0.9",
            repeats=True,
        ),
    ] = None,
    curve: Annotated[
        bool,
        typer.Option("--curve", help="Also what it takes to be 50, 80, 90 and 95 % sure."),
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write an overlay (.toml) with the number, or a picture."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --to.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Find the number of an input at which a statistic reaches a target.

    Draws are made for it: 20,000 unless --draws says another number.
    """  # fmt: skip
    from sim.cli import pictures, run_output, terminal
    from sim.store.solve import DRAWS, solve_scenario

    refuse_both(as_json, as_csv)
    _check_given(vary, target)
    picture = to is not None and not to.endswith(".toml")
    path = pictures.check_target(to, force) if picture else _overlay_target(to, force)
    if picture and len(vary or ()) > 1:
        message = "a picture is of one key; with several, --to takes an overlay (.toml)"
        raise InputError([Fault(Location("--to"), "", message)])
    faults: list[Fault] = []
    count = draw_options(draws, None, None, None, faults)["draws"]
    refuse(faults)
    opened = open_world(world, out, set_, None, seed, sampler, threads)
    if path is not None and not picture:
        _check_overlay(opened.scenario, set_)
    quiet = as_json or as_csv
    with terminal.watch(quiet, "worlds", 0) as bar:
        found = solve_scenario(
            opened.scenario, vary or [], target or [], curve=curve,
            draws=DRAWS if count is None else count, seed=opened.options.seed,
            sampler=opened.options.sampler, threads=opened.options.threads, progress=bar.advance,
        )  # fmt: skip
    from sim.tables.solve import solve_tables

    tables = solve_tables(found)
    about = {"world": opened.label, "draws": found.draws, "seed": opened.options.seed}
    if as_json:
        say_json({"version": 1, **about, "tables": [table.data() for table in tables]})
    elif as_csv:
        run_output.print_csv(tables)
    else:
        terminal.say_headed(opened.label, f"{found.draws:,} draws, seed {opened.options.seed}")
        terminal.say()
        for table in tables:
            terminal.show(table)
    if path is None:
        return
    if picture:
        from sim.plots.solve import solve_figure

        pictures.write(solve_figure(found, opened.label), path)
    else:
        _write_overlay(found, opened.scenario, path)
    if not quiet:
        terminal.say(plain(path))


def _check_given(vary: list[str] | None, target: list[str] | None) -> None:
    """Refuse a command that says not what to vary, or not what to reach."""
    faults = [
        Fault(Location(option), "", f"is needed: {what}")
        for option, given, what in (
            ("--vary", vary, "an input, such as prices.price_output_usd_per_mtok"),
            ("--target", target, '"P(inference_gross_margin@2026Q4 >= 0.7) = 0.9"'),
        )
        if not given
    ]
    if faults:
        raise InputError(faults)


def _overlay_target(to: str | None, force: bool) -> Path | None:
    """The file of an overlay; None without one.

    Raises:
        InputError: For a file that is there and not to be replaced.
    """
    from sim.common.targets import target_fault

    if to is None:
        return None
    if fault := target_fault(Path(to), force, make_folder=True):
        raise InputError([Fault(Location("--to"), "", fault)])
    return Path(to)


def _check_overlay(scenario: Scenario, set_: list[str] | None) -> None:
    """Refuse an overlay that would not hold all of the world.

    Raises:
        InputError: For changes of `--set`, or a world that is no file.
    """
    if set_:
        message = "cannot stand beside an overlay of --to: put the change into a file"
        raise InputError([Fault(Location("--set"), "", message)])
    if scenario.path is None or not Path(scenario.path).is_file():
        message = "an overlay extends a file: name the parameter file in place of the run"
        raise InputError([Fault(Location("--to"), "", message)])


def _write_overlay(found: Solution, scenario: Scenario, path: Path) -> None:
    """Write an overlay of the root nearest to where the keys stand, whole or not at all.

    It is read on trial first.

    Raises:
        RunError: If it cannot be written, or would not make the scenario of the root.
    """
    import os

    import tomli_w

    from sim.common.errors import RunError
    from sim.common.targets import replacing, target_fault

    root = found.nearest
    if fault := target_fault(path, True, make_folder=True):
        raise RunError(fault)
    extends = os.path.relpath(str(scenario.path), path.parent)
    document: dict[str, Any] = {"format": 1, "extends": Path(extends).as_posix()}
    targets = " and ".join(target.text for target in found.targets)
    one_of = f", one of {len(found.roots)} numbers that do" if len(found.roots) > 1 else ""
    for key, number, error in zip(found.keys, root.numbers, root.errors, strict=True):
        name, _, parameter = key.name.rpartition(".")
        table = document
        for part in name.split("."):
            table = table.setdefault(part, {})
        quantity = scenario.quantities[name]
        if not {"median", "value", parameter} & quantity.given.keys():  # such as quantiles
            table |= {**quantity.distribution.as_entry(), **table}
        table[parameter] = number
        note = f"solves {targets}: {number:.6g} +- {error:.2g}, {found.draws:,} draws{one_of}"
        table |= {"source": "judgement", "note": note}
    numbers = dict(zip([key.name for key in found.keys], root.numbers, strict=True))
    _check_document(document, scenario, numbers, path)
    with replacing(path) as partial:
        partial.write_text(tomli_w.dumps(document), encoding="utf-8")


def _check_document(
    document: dict[str, Any], scenario: Scenario, numbers: dict[str, float], path: Path
) -> None:
    """Read an overlay from a temporary folder, and compare it with what was solved.

    Raises:
        RunError: If it cannot be read, or has another distribution of any input.
    """
    from tempfile import TemporaryDirectory

    import tomli_w

    from sim.common.errors import RunError
    from sim.parameters.loading import load
    from sim.parameters.varied import vary

    with TemporaryDirectory(prefix="sim-solve-") as folder:
        copy = Path(folder) / "overlay.toml"
        extends = Path(str(scenario.path)).resolve().as_posix()
        copy.write_text(tomli_w.dumps(document | {"extends": extends}), encoding="utf-8")
        try:
            written = load(copy).quantities
        except InputError as error:
            raise RunError(f"{plain(path)} could not be read as an overlay: {error}") from error
    for name, quantity in vary(scenario, numbers).quantities.items():
        if written[name].distribution.as_entry() != quantity.distribution.as_entry():
            raise RunError(f"{plain(path)} would hold another {name} than was solved")
