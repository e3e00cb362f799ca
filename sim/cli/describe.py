"""`sim describe`: the meaning of inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.options import Csv, Set, load_scenarios, refuse_both
from sim.cli.printing import say, say_csv, say_json
from sim.cli.stored_runs import Out
from sim.store import folders


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
    run: Annotated[
        str | None,
        typer.Option(
            metavar="WORLD", help="Say on what grades of sources an output rests in this world."
        ),
    ] = None,
    out: Out = folders.OUTPUTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    as_csv: Csv = False,
) -> None:
    """Describe inputs and outputs: meaning, unit, formula or distribution, source.

    Of an output also the inputs on which it depends. Without names, all of them are listed.
    """
    from sim.parameters import describe as describing
    from sim.parameters import describe_text

    refuse_both(as_json, as_csv)
    say_data: Callable[[Any], None] = say_json if as_json else say_csv
    (scenario,) = load_scenarios([file], set_, [])
    if correlations:
        from sim.engine import rank_correlation

        full_names = describing.find_full_names(scenario, names or [])
        pairs = rank_correlation.describe_correlations(scenario, full_names)
        if as_json or as_csv:
            say_data(pairs if as_json else [*pairs["groups"], *pairs["factors"]])
        else:
            say(describe_text.format_correlations(pairs))
        return
    if names:
        entries = describing.describe_quantities(scenario, names)
        if run is not None:
            _add_grades(entries, run, out)
        if as_json or as_csv:
            say_data(entries)
        else:
            say("\n\n".join(map(describe_text.format_description, entries)))
        return
    inputs = [*describing.list_inputs(scenario), *describing.list_hosts(scenario)]
    outputs = describing.list_outputs()
    if as_json or as_csv:
        say_data([*inputs, *outputs])
    else:
        say(describe_text.format_list(inputs, outputs))


def _add_grades(entries: list[dict[str, Any]], run: str, out: Path) -> None:
    """Add to outputs on what grades of sources their spread rests, at the reference quarter.

    Raises:
        InputError: If there is no such world.
    """
    from sim.analysis.sensitivity import share_by_grade
    from sim.cli.stored_runs import draw, open_world

    ds = draw(open_world(run, out)).dataset()
    for entry in entries:
        if "kept" in entry:
            entry["rests_on"] = share_by_grade(ds, entry["name"])
