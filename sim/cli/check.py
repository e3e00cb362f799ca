"""`sim check`: faults of parameter files."""

from __future__ import annotations

import shutil
import textwrap

from sim.cli.options import Files, Set, load_scenarios


def check(files: Files, set_: Set = None) -> None:
    """Check parameter files for faults, and where published figures disagree."""
    from sim.parameters import consistency
    from sim.parameters.loading import parse_set
    from sim.parameters.sweep_grid import check_sweeps

    scenarios = load_scenarios(files, set_, [])
    check_sweeps(files, scenarios, parse_set(set_ or [], []))
    for scenario in scenarios:
        judgements = sum(q.source == "judgement" for q in scenario.quantities.values())
        print(
            _wrapped(
                f"{scenario.name}: no faults in {len(scenario.quantities)} quantities"
                f" ({judgements} by judgement), {len(scenario.labs)} labs,"
                f" {len(scenario.landlords)} landlords, {len(scenario.sources_used())} sources"
            )
        )
        if scenario.sweep:
            sizes = " x ".join(f"{axis.key} ({len(axis.values)})" for axis in scenario.sweep)
            print(_wrapped(f"  sweep: {sizes}"))
        for override in scenario.overrides:
            print(_wrapped(f"  {override.by}: {override}"))
        for remark in scenario.remarks:
            print(_wrapped(f"  note: {remark}"))
        for line in consistency.report(scenario):
            print(_wrapped(line))


def _wrapped(line: str) -> str:
    """A line wrapped at the terminal's width, with a hanging indent."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    width = max(80, shutil.get_terminal_size().columns)
    return textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False)
