"""`sim describe`: the meaning of inputs and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import Set, load_scenarios
from sim.cli.printing import say, say_json


def describe(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Inputs or outputs, e.g. hardware.pue (default: all)."),
    ] = None,
    file: Annotated[Path, typer.Option(help="The parameter file.")] = Path("params/base.toml"),
    set_: Set = None,
    correlations: Annotated[
        bool,
        typer.Option(
            "--correlations", help="Show correlations of inputs, as requested and as sampled."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Describe inputs and outputs: meaning, unit, distribution, its density, source."""
    from sim.parameters import describe as describing
    from sim.parameters import describe_text

    (scenario,) = load_scenarios([file], set_, [])
    if correlations:
        from sim.engine import rank_correlation

        full_names = describing.find_full_names(scenario, names or [])
        pairs = rank_correlation.describe_correlations(scenario, full_names)
        if as_json:
            say_json(pairs)
        else:
            say(describe_text.format_correlations(pairs))
        return
    if names:
        entries = describing.describe_quantities(scenario, names)
    else:
        entries = describing.list_inputs(scenario)
    if as_json:
        say_json(entries)
    elif names:
        say("\n\n".join(map(describe_text.format_description, entries)))
    else:
        say(describe_text.format_list(entries))
