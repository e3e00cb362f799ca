"""`sim cite`: the sources that a run relied on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import Csv, Draws, Sampler, Seed, Set, refuse_both
from sim.cli.printing import say, say_csv, say_json
from sim.cli.stored_runs import Json, Out, WorldArgument, open_world
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.targets import replacing, target_fault
from sim.common.text import nearest, plain
from sim.store import folders


def cite(
    world: WorldArgument = None,
    form: Annotated[
        str, typer.Option("--format", metavar="text|bibtex|csl-json", help="How to print them.")
    ] = "text",
    to: Annotated[str | None, typer.Option(metavar="FILE", help="Write them to a file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --to.")] = False,
    set_: Set = None,
    draws: Draws = None,
    seed: Seed = None,
    sampler: Sampler = None,
    out: Out = folders.OUTPUTS,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Give the sources a run relied on, and the run itself."""
    from sim.parameters import citations
    from sim.store.analyses import citation_of

    refuse_both(as_json, as_csv)
    faults = []
    if form not in citations.FORMATS:
        message = f"no such format: '{form}'{nearest(form, list(citations.FORMATS))}"
        faults.append(Fault(Location("--format"), "", message))
    if to is not None and (fault := target_fault(Path(to), force, make_folder=True)):
        faults.append(Fault(Location("--to"), "", fault))
    if faults:
        raise InputError(faults)
    about = citation_of(open_world(world, out, set_, draws, seed, sampler))
    text = citations.cite(about, form)
    if as_json:
        say_json({"version": 1, "sources": citations.entries(about)})
    elif as_csv:
        say_csv(citations.entries(about))
    elif to is None:
        say(text)
    if to is None:
        return
    try:
        with replacing(Path(to)) as partial:
            partial.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{plain(to)}: cannot be written: {error.strerror or error}") from error
    say(plain(to))
