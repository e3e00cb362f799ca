"""`sim describe`: what inputs and outputs are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import Set, scenarios_of


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
    from sim.parameters import describe as describing
    from sim.parameters import describe_text

    (scenario,) = scenarios_of([file], set_, [])
    if correlations:
        from sim.engine import rank_correlation

        full_names = describing.find_full_names(scenario, names or [])
        ties = rank_correlation.described(scenario, full_names)
        print(json.dumps(ties, indent=1) if as_json else describe_text.format_correlations(ties))
        return
    if names:
        found = describing.describe_quantities(scenario, names)
    else:
        found = describing.list_inputs(scenario)
    if as_json:
        print(json.dumps(found, indent=1, allow_nan=False))
    elif names:
        print("\n\n".join(map(describe_text.format_description, found)))
    else:
        print(describe_text.format_list(found))
