"""The command line: one command, one call."""

from __future__ import annotations

import gc
import io
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.fields import QUARTERS, nearest
from sim.files import Fault, InputError, Place, RunError

if TYPE_CHECKING:
    from sim.runs import Run
    from sim.scenario import Scenario
    from sim.tables import Selection

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
        str | None,
        typer.Option(metavar="N", help="Number of draws, e.g. 1e6 (default: as the file says)."),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(metavar="N", help="Seed of the random numbers (default: as the file says)."),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="stratified (default), random or sobol; a file may say another.",
        ),
    ] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="N", help="Threads; they change no number.")
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXPR+-ERROR",
            help='Add draws until "p50(tps_decode) +- 20"; may be repeated.',
        ),
    ] = None,
    max_draws: Annotated[
        str | None, typer.Option(metavar="N", help="Most draws with --until (10 million).")
    ] = None,
    bad_draws: Annotated[
        str,
        typer.Option(
            metavar="fail|drop|keep",
            help="Draws that are not finite: leave out up to 0.1 %, leave out all, or keep them.",
        ),
    ] = "fail",
    drop_questionable: Annotated[
        bool,
        typer.Option(
            "--drop-questionable",
            help="Leave out draws that do not fit in HBM, or with pue above the capacity ratio.",
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="Where run folders are made.")] = Path("outputs"),
    set_: Set = None,
    lab: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Show this lab's rows; may be repeated.")
    ] = None,
    landlord: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Show this landlord's rows; may be repeated."),
    ] = None,
    quarter: Annotated[
        list[str] | None,
        typer.Option(metavar="2027Q4", help="Show this quarter; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only where the results are.")
    ] = False,
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Draw no pictures.")] = False,
) -> None:
    """Simulate parameter files: tables here, data and pictures in a folder for each."""
    options = _options(draws, seed, sampler, threads, bad_draws)
    span = f"; expected {QUARTERS[0]} to {QUARTERS[-1]}"
    faults = options.pop("faults") + _unknown("--quarter", quarter, QUARTERS, span)
    options |= _until(until, max_draws, options["draws"], faults)
    scenarios = _scenarios(files, set_, faults)
    labs = [party.id for scenario in scenarios for party in scenario.labs]
    landlords = [party.id for scenario in scenarios for party in scenario.landlords]
    faults = _unknown("--lab", lab, labs) + _unknown("--landlord", landlord, landlords)
    if until:
        from sim.until import check_all

        for scenario in scenarios:
            check_all(options["until"], scenario, faults)
    if faults:
        raise InputError(faults)

    from sim import comparison, runs, tables, terminal
    from sim.kernels.jit import cache_lasts, is_compiled
    from sim.until import warnings as until_warnings

    selection = tables.Selection(
        *(tuple(dict.fromkeys(names or ())) for names in (lab, landlord, quarter))
    )
    runs.check_folder(out)
    talkative = not quiet and not as_json
    if not quiet and not is_compiled():
        how_often = "once" if cache_lasts() else "as at every run: set NUMBA_CACHE_DIR to a folder"
        terminal.err.print(f"Compiling the model for this machine, {how_often} (10 to 20 s) ...")
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
                drop_questionable=drop_questionable,
                figures=not no_figures,
                progress=watcher.advance,
                sized=watcher.total,
                stage=watcher.stage,
                **options,
            )
        for line in tables.warnings(done.ds):
            terminal.err.print(f"{scenario.name}: {line}", style="bold red", markup=False)
        for name, why in done.undrawn.items():
            line = f"{scenario.name}: the picture {name} could not be drawn: {why}"
            terminal.err.print(line, style="bold red", markup=False)
        for line in [] if talkative else until_warnings(done.ds):
            terminal.err.print(f"{scenario.name}: {line}", style="bold red", markup=False)
        if talkative:
            _show(done, scenario, selection)
        elif as_json:
            documents.append(_document(done, scenario, selection))
        else:
            print(done.folder)
        finished.append(comparison.compared(done.ds, selection.labs))
    if as_json:
        both = {"comparison": comparison.side_by_side(finished).data()} if len(finished) > 1 else {}
        print(json.dumps(documents + ([both] if both else []), indent=1, allow_nan=False))
    elif talkative and len(finished) > 1:
        terminal.show(comparison.side_by_side(finished))


@app.command()
def check(files: Files, set_: Set = None) -> None:
    """Report every fault of parameter files, and where published figures disagree."""
    from sim import consistency

    for scenario in _scenarios(files, set_, []):
        judged = sum(q.source == "judgement" for q in scenario.quantities.values())
        print(
            f"{scenario.name}: good:"
            f" {len(scenario.quantities)} quantities ({judged} by judgement),"
            f" {len(scenario.labs)} labs, {len(scenario.landlords)} landlords,"
            f" {len(scenario.sources_used())} sources"
        )
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

    (scenario,) = _scenarios([file], set_, [])
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


def _options(
    draws: str | None,
    seed: str | None,
    sampler: str | None,
    threads: str | None,
    bad_draws: str,
) -> dict[str, Any]:
    """The options of a run as numbers, with their faults."""
    from sim import checks

    given = {
        "draws": _number(draws),
        "seed": _number(seed),
        "sampler": sampler,
        "threads": _number(threads),
        "bad_draws": bad_draws,
    }
    rules = {
        "draws": checks.draws_fault,
        "seed": checks.seed_fault,
        "sampler": checks.sampler_fault,
        "threads": checks.threads_fault,
        "bad_draws": checks.bad_draws_fault,
    }
    faults = []
    for name, what in given.items():
        message = None if what is None else rules[name](what)
        if message:
            faults.append(Fault(Place(f"--{name.replace('_', '-')}"), "", message))
    return {**given, "faults": faults}


def _until(
    texts: list[str] | None, max_draws: str | None, draws: Any, faults: list[Fault]
) -> dict[str, Any]:
    """The options of adding draws until errors are reached; their faults are added to `faults`."""
    if not texts:
        if max_draws is not None:
            message = "says how far --until may go, which is not given"
            faults.append(Fault(Place("--max-draws"), "", message))
        return {}
    from sim import until

    most = until.MAX_DRAWS if max_draws is None else _number(max_draws)
    if fault := until.sizes_fault(draws, most):
        faults.append(Fault(Place("--max-draws"), "", fault))
    return {"until": until.parse_all(texts, faults), "max_draws": most}


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


def _unknown(
    option: str, names: list[str] | None, known: Sequence[str], expected: str = ""
) -> list[Fault]:
    """Faults of names that an option gives and nothing bears."""
    return [
        Fault(
            Place(option),
            "",
            f"no such {option[2:]}: '{name}'{expected or nearest(name, list(known))}",
        )
        for name in names or ()
        if name not in known
    ]


def _disagreements(scenario: Scenario) -> list[str]:
    """A remark on published figures that contradict one another, if there are any."""
    from sim import consistency

    disputed = {
        consistency.quantity(finding.statement)
        for finding in consistency.findings(scenario)
        if finding.kind in ("figures", "parts")
    }
    if not disputed:
        return []
    on = "1 quantity" if len(disputed) == 1 else f"{len(disputed)} quantities"
    return [f"published figures disagree on {on}: sim check lists them"]


def _document(done: Run, scenario: Scenario, selection: Selection) -> dict[str, Any]:
    from sim import tables, until

    ds = done.ds
    remarks = [*scenario.remarks, *_disagreements(scenario), *until.remarks(ds)]
    names = ("scenario", "digest", "draws", "sampler", "view", "rental_mode", "uncertainty")
    return {
        **{name: ds.attrs[name] for name in names},
        "seed": int(ds.attrs["seed"]),
        "draws_not_finite": ds.attrs["draws_not_finite"],
        "draws_questionable": ds.attrs["draws_questionable"],
        "overrides": [asdict(override) for override in scenario.overrides],
        "folder": str(done.folder),
        "stored": done.stored,  # false where the folder keeps a run of more draws
        **({"until": json.loads(ds.attrs["until"])} if "until" in ds.attrs else {}),
        "tables": [table.data() for table in tables.headline_tables(ds, done.summary, selection)],
        "remarks": [*remarks, *tables.warnings(ds), *tables.quality(ds, done.summary)],
    }


def _show(done: Run, scenario: Scenario, selection: Selection) -> None:
    from sim import tables, terminal, until

    ds = done.ds
    terminal.out.print(
        f"[bold]{scenario.name}[/bold]  {ds.attrs['draws']:,} draws, {ds.attrs['sampler']},"
        f" seed {ds.attrs['seed']}, {ds.attrs['view']} view, {ds.attrs['rental_mode']} rents"
    )
    if scenario.description:
        terminal.out.print(scenario.description, markup=False)
    for override in scenario.overrides:
        terminal.out.print(f"  {override}", markup=False)
    for remark in [*scenario.remarks, *_disagreements(scenario)]:
        terminal.out.print(f"  note: {remark}", markup=False)
    for line in until.remarks(ds):
        terminal.out.print(f"  {line}", markup=False)
    terminal.out.print()
    for table in tables.headline_tables(ds, done.summary, selection):
        terminal.show(table)
    for line in tables.quality(ds, done.summary):
        terminal.out.print(line, style="dim")
    kept = "" if done.stored else "  keeps its run of more draws"
    terminal.out.print(f"[bold]{done.folder}/[/bold]  {done.seconds:.1f} s{kept}", soft_wrap=True)


def main() -> None:
    """Run the command line; exit 2 for bad input, 1 for a failure, 130 if interrupted."""
    # Imports make many objects that stay: at Python's default, looking through them for cycles
    # again and again takes an eighth of a short run.
    gc.set_threshold(50_000)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a sign still gets the rest
    try:
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
            print("interrupted: finished runs are kept, this one is not", file=sys.stderr)
        sys.exit(code)
