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

    (scenario,) = scenarios_of([file], set_, [])
    if correlations:
        from sim.engine import rank_correlation

        ties = rank_correlation.describe_correlations(
            scenario, describing.full_names(scenario, names or [])
        )
        print(json.dumps(ties, indent=1) if as_json else describing.ties_text(ties))
        return
    found = describing.described(scenario, names) if names else describing.listed(scenario)
    if as_json:
        print(json.dumps(found, indent=1, allow_nan=False))
    elif names:
        print("\n\n".join(map(describing.text, found)))
    else:
        print(describing.list_text(found))
