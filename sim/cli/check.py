"""`sim check`: faults of parameter files."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.options import Set, load_scenarios
from sim.cli.printing import say
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.text import nearest, plain

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario

DRAWS = 8192  # of the intervals that published figures are held against


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Parameter files (TOML).")
    ] = None,
    set_: Set = None,
    form: Annotated[
        str,
        typer.Option("--format", metavar="text|json|github|sarif", help="How to print faults."),
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="As --format json.")] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="CODE", help="Explain a code of faults, e.g. SIM010.")
    ] = None,
) -> None:
    """Check parameter files for faults, and hold them against published figures."""
    form = "json" if as_json else form
    if explain is not None:
        _explain(explain)
        return
    if not files:
        raise InputError([Fault(Location("sim check"), "", "expected at least one file")])
    from sim.cli.fault_formats import FORMATS

    if form not in FORMATS:
        message = f"no such format: '{form}'{nearest(form, FORMATS)}"
        raise InputError([Fault(Location("--format"), "", message)])
    if form != "text":
        _print_faults(files, set_, form)
        return
    _report(_load(files, set_))


def _load(files: list[Path], set_: list[str] | None) -> list[Scenario]:
    """The scenarios of files, whose sweeps are checked, too.

    Raises:
        InputError: With all faults.
    """
    from sim.parameters.loading import parse_set
    from sim.parameters.sweep_grid import check_sweeps

    scenarios = load_scenarios(files, set_, [])
    check_sweeps(files, scenarios, parse_set(set_ or [], []))
    return scenarios


def _explain(code: str) -> None:
    """Print what a code of faults means.

    Raises:
        InputError: For an unknown code.
    """
    from sim.parameters.fault_codes import CODES

    if code.upper() not in CODES:
        message = f"no such code: '{code}'{nearest(code.upper(), list(CODES))}"
        raise InputError([Fault(Location("--explain"), "", message)])
    known = CODES[code.upper()]
    say(f"{known.code} {known.name}: {known.explanation}")


def _print_faults(files: list[Path], set_: list[str] | None, form: str) -> None:
    """Print faults for machines, and exit with 2 if there are any."""
    from sim.cli import fault_formats

    faults: list[Fault] = []
    try:
        _load(files, set_)
    except InputError as error:
        faults = error.faults
    write = {
        "json": fault_formats.as_json,
        "github": fault_formats.as_github,
        "sarif": fault_formats.as_sarif,
    }[form]
    if text := write(faults):
        say(text)
    if faults:
        raise typer.Exit(2)


def _report(scenarios: list[Scenario]) -> None:
    """Print what was found in scenarios without faults."""
    from sim.parameters import changes, consistency
    from sim.parameters.scenario import labels_of

    for label, scenario in zip(labels_of(scenarios), scenarios, strict=True):
        judgements = sum(q.source == "judgement" for q in scenario.quantities.values())
        say(
            _wrapped(
                f"{label}: no faults in {len(scenario.quantities)} quantities"
                f" ({judgements} by judgement), {len(scenario.labs)} labs,"
                f" {len(scenario.landlords)} landlords, {len(scenario.sources_used())} sources"
            )
        )
        if scenario.sweep:
            sizes = " x ".join(f"{axis.key} ({len(axis.values)})" for axis in scenario.sweep)
            say(_wrapped(f"  sweep: {sizes}"))
        for override in scenario.overrides:
            say(_wrapped(f"  {override.by}: {override}"))
        for remark in scenario.remarks:
            say(_wrapped(f"  note: {remark}"))
        for warning in changes.warnings(scenario):
            say(_wrapped(f"  warning: {warning}"))
        for line in (*consistency.report(scenario), *_describe_coverage(scenario)):
            say(_wrapped(line))


def _describe_coverage(scenario: Scenario) -> Iterator[str]:
    """Lines on how many published figures lie inside the intervals of a few thousand draws."""
    from sim.engine.draws import draw_arrays
    from sim.statistics import coverage

    names = coverage.variables_of(scenario)
    if not names:
        return
    try:
        draws = draw_arrays(scenario, DRAWS, names)
    except RunError as error:
        yield f"note: published figures are not held against draws: {error}"
        return
    yield from coverage.describe_coverage(coverage.compare_figures(scenario, draws))


def _wrapped(line: str) -> str:
    """A plain line wrapped at the terminal's width, with a hanging indent."""
    line = plain(line)
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    width = max(80, shutil.get_terminal_size().columns)
    return textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False)
