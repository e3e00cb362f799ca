"""`sim check`: faults of parameter files."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.cli.options import Files, Set, load_scenarios
from sim.cli.printing import say
from sim.common.errors import RunError
from sim.common.text import plain

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario

DRAWS = 8192  # of the intervals that published figures are held against


def check(files: Files, set_: Set = None) -> None:
    """Check parameter files for faults, and hold them against published figures."""
    from sim.parameters import changes, consistency
    from sim.parameters.loading import parse_set
    from sim.parameters.scenario import labels_of
    from sim.parameters.sweep_grid import check_sweeps

    scenarios = load_scenarios(files, set_, [])
    check_sweeps(files, scenarios, parse_set(set_ or [], []))
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
