"""The command line: one command, one call."""

from __future__ import annotations

import gc
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.files import Fault, InputError, Place

if TYPE_CHECKING:
    from sim.runs import Run
    from sim.scenario import Scenario

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Parameter files (TOML).")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter: group.name.key=value."),
]


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
def run(
    files: Files,
    draws: Annotated[
        str | None, typer.Option(metavar="N", help="Number of draws, e.g. 1e6.")
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="N", help="Seed of the random numbers.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="How to sample: random.")] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="N", help="Threads; they change no number.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where run folders are made.")] = Path("outputs"),
    set_: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only where the results are.")
    ] = False,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Draw no pictures.")] = False,
) -> None:
    """Simulate parameter files: tables here, data and pictures in a folder for each."""
    options = _options(draws, seed, sampler, threads)
    scenarios = _scenarios(files, set_, options.pop("faults"))

    from sim import runs, tables, terminal
    from sim.kernels.jit import is_compiled

    runs.check_folder(out)
    talkative = not quiet and not as_json
    if not quiet and not is_compiled():
        terminal.err.print("Compiling the model for this machine, once (about 10 s) ...")
    finished = []
    documents = []
    for number, scenario in enumerate(scenarios, start=1):
        label = (
            scenario.name if len(scenarios) == 1 else f"{scenario.name} {number}/{len(scenarios)}"
        )
        count = options["draws"] or scenario.run.draws
        with terminal.watch(not talkative, label, count) as watcher:
            done = runs.run(
                scenario,
                out,
                figures=not no_figures,
                progress=watcher.advance,
                stage=watcher.stage,
                **options,
            )
        if talkative:
            _show(done, scenario)
        elif as_json:
            documents.append(_document(done))
        else:
            print(done.folder)
        finished.append(done.summary)
    if as_json:
        print(json.dumps(documents, indent=1))
    elif talkative and len(finished) > 1:
        terminal.show(tables.comparison(finished))


@app.command()
def check(files: Files, set_: Set = None) -> None:
    """Report every fault of parameter files, with file, line and key."""
    for scenario in _scenarios(files, set_, []):
        judged = sum(q.source == "judgement" for q in scenario.quantities.values())
        print(
            f"{scenario.files[0] if len(scenario.files) == 1 else scenario.name}: good:"
            f" {len(scenario.quantities)} quantities ({judged} by judgement),"
            f" {len(scenario.labs)} labs, {len(scenario.landlords)} landlords,"
            f" {len(scenario.sources_used())} sources"
        )
        for override in scenario.overrides:
            print(f"  {override.by}: {override.key}: {override.before} -> {override.after}")
        for remark in scenario.remarks:
            print(f"  note: {remark}")


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


def _options(
    draws: str | None, seed: str | None, sampler: str | None, threads: str | None
) -> dict[str, Any]:
    """The options of a run as numbers, with their faults."""
    from sim import checks

    given = {
        "draws": _number(draws),
        "seed": _number(seed),
        "sampler": sampler,
        "threads": _number(threads),
    }
    rules = {
        "draws": checks.draws_fault,
        "seed": checks.seed_fault,
        "sampler": checks.sampler_fault,
        "threads": checks.threads_fault,
    }
    faults = []
    for name, what in given.items():
        message = None if what is None else rules[name](what)
        if message:
            faults.append(Fault(Place(f"--{name}"), "", message))
    return {**given, "faults": faults}


def _number(text: str | None) -> Any:
    """A whole number where the text is one (`1e6` too), else what can be read of it."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _scenarios(
    files: list[Path], assignments: list[str] | None, faults: list[Fault]
) -> list[Scenario]:
    """All scenarios, or all faults of options, `--set` and files together."""
    from sim.params import load_all, parse_set

    found: list[Scenario] = []
    changes = parse_set(assignments or [], faults)
    try:
        found = load_all(files, changes)
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(faults)
    return found


def _document(done: Run) -> dict[str, Any]:
    from sim import tables

    head = {key: done.ds.attrs[key] for key in ("scenario", "digest", "draws", "seed", "sampler")}
    found = [table.data() for table in tables.headline_tables(done.ds, done.summary)]
    return {**head, "folder": str(done.folder), "tables": found}


def _show(done: Run, scenario: Scenario) -> None:
    from sim import tables, terminal

    ds = done.ds
    terminal.out.print(
        f"[bold]{scenario.name}[/bold]  {ds.attrs['draws']:,} draws, seed {ds.attrs['seed']},"
        f" {ds.attrs['view']} view, {ds.attrs['rental_mode']} rents"
    )
    for override in scenario.overrides:
        terminal.out.print(f"  {override.key}: {override.before} -> {override.after}", markup=False)
    terminal.out.print()
    for table in tables.headline_tables(ds, done.summary):
        terminal.show(table)
    for line in tables.quality(ds, done.summary):
        terminal.out.print(line, style="dim")
    terminal.out.print(f"[bold]{done.folder}/[/bold]  {done.seconds:.1f} s", soft_wrap=True)


def main() -> None:
    """Run the command line; exit 2 for bad input, 1 for a failure, 130 if interrupted."""
    # Imports make many objects that stay: at Python's default, looking through them for cycles
    # again and again takes an eighth of a short run.
    gc.set_threshold(50_000)
    try:
        app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except MemoryError as error:
        print(f"not enough memory: {error}", file=sys.stderr)
        sys.exit(2)
    except RuntimeError as error:
        if type(error).__name__ != "RunError":
            raise
        print(error, file=sys.stderr)
        sys.exit(1)
