"""`sim condition`: what follows from a new fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.expression_options import expression_option, refuse
from sim.cli.options import (
    Csv,
    Draws,
    Labs,
    Landlords,
    Quarters,
    Sampler,
    Seed,
    Set,
    Threads,
    party_ids,
    unknown_quarters,
)
from sim.cli.printing import complain, say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, draw, open_world
from sim.common.errors import Fault, InputError, Location
from sim.common.text import plain
from sim.store import folders

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario


def condition(
    world: WorldArgument = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EVIDENCE",
            help="What is known, e.g. 'gw\\[openai]@2026Q4 = 2.2 +- 0.2', '0.6 <= VALUE <= 0.8',"
            " 'VALUE >= 5 +- 1', or routes (both routes to the margin agree); may be repeated.",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        expression_option("statistic", "Show this, too, or a value's quantiles", repeats=True),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show all rows of the last table.")] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Draw both distributions: a .png, .pdf or .svg."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --to.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    threads: Threads = None,
    lab: Labs = None,
    landlord: Landlords = None,
    quarter: Quarters = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say what follows from a new fact: draws count by how likely they make the evidence.

    Below 400 effective draws the answer is refused.
    """
    from sim.cli import pictures, run_output, terminal

    faults = unknown_quarters(quarter)
    if as_json and as_csv:
        faults.append(Fault(Location("--csv"), "", "cannot stand beside --json"))
    if not on:
        faults.append(Fault(Location("--on"), "", "expected evidence: gw[xai]@2026Q4 = 2 +- 0.2"))
    refuse(faults)
    path = pictures.check_target(to, force)
    found = open_world(world, out, set_, draws, seed, sampler, threads)
    scenario = found.scenario
    _check(scenario, on or [], output, faults)
    parties = {of: {p.id: p.name for p in getattr(scenario, of)} for of in ("labs", "landlords")}
    labs = party_ids("--lab", lab, parties["labs"], faults)
    landlords = party_ids("--landlord", landlord, parties["landlords"], faults)
    refuse(faults)
    found = draw(found, as_json or as_csv)
    from sim.analysis import condition as analysis
    from sim.analysis.shifted import shift_scores
    from sim.tables import condition as tables

    try:
        conditioned = analysis.condition(
            found.dataset(), on or [], output or (), labs=labs, landlords=landlords,
            quarters=quarter or (), threads=found.options.threads, shift=shift_scores,
        )  # fmt: skip
    except InputError as error:
        raise InputError([_of_option(fault) for fault in error.faults]) from None
    result = conditioned.statistics
    warnings = tables.warnings_of(result)
    shown = tables.condition_tables(result, all_ or as_json or as_csv)
    if as_json:
        say_json(document(found.label, result, warnings, shown))
    elif as_csv:
        run_output.print_csv(shown)
    else:
        terminal.say_headed(found.label, tables.effective_text(result))
        terminal.say()
        for table in shown:
            terminal.show(table)
    if not as_json:
        for text in warnings:
            complain(f"note: {text}")
    if path is not None:
        from sim.plots.condition import condition_figure

        pictures.write(condition_figure(result), path)
        if not (as_json or as_csv):
            terminal.say(plain(path))


def document(label: str, result: Any, warnings: list[str], tables: list[Any]) -> dict[str, Any]:
    """The answer for `--json`."""
    import json

    names = ("draws", "effective", "effective_error", "largest_weight", "method")
    return {
        "version": 1,
        "world": label,
        "evidence": json.loads(result.attrs["evidence"]),
        **{name: result.attrs[name] for name in names},
        "log_evidence": _finite(result.attrs["log_evidence"]),
        "log_evidence_error": _finite(result.attrs["log_evidence_error"]),
        "tables": [table.data() for table in tables],
        "warnings": warnings,
    }


def _finite(number: float) -> float | None:
    return number if abs(number) < float("inf") else None


def _of_option(fault: Fault) -> Fault:
    """A fault of the analysis as one of the option."""
    return Fault(Location(f"--{fault.location.file}"), fault.key, fault.message)


def _check(
    scenario: Scenario, on: list[str], output: list[str] | None, faults: list[Fault]
) -> None:
    """Refuse expressions of another kind, and names that a scenario lacks, before any draw."""
    from sim.expressions import parse
    from sim.expressions.names import Names
    from sim.expressions.tree import ExpressionError
    from sim.parameters.evidence import read_text

    names = Names.of_parties(scenario.labs, scenario.landlords)
    for option, texts in (("--on", on), ("--output", output or [])):
        for text in texts:
            try:
                if option == "--on":
                    read_text(text, names, scenario.settings.named_labs)
                elif parse.kind_of(text) == "value":
                    parse.parse_value(text, names)
                else:
                    parse.parse_statistic(text, names)
            except ExpressionError as error:
                faults.append(Fault(Location(option), text, str(error)))
