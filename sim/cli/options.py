"""Options that commands share, and the notice before the first run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.common.errors import Fault, InputError, Location
from sim.common.text import nearest
from sim.model.dims import QUARTERS

if TYPE_CHECKING:
    from sim.parameters.scenario import Scenario
Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Parameter files (TOML).")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a parameter: group.name.key=value, or of every lab"
        " labs.*.gw_2026q4.sigma=0.2; may be repeated.",
    ),
]
Draws = Annotated[
    str | None,
    typer.Option(metavar="N", help="Number of draws, e.g. 1e6 (default: as the file says)."),
]
Seed = Annotated[
    str | None,
    typer.Option(metavar="N", help="Seed of the random numbers (default: as the file says)."),
]
Sampler = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="stratified, random or sobol, which gains for few inputs only (default: as the"
        " file says).",
    ),
]
Threads = Annotated[
    str | None,
    typer.Option(metavar="N", help="Number of threads; results do not depend on it."),
]
Labs = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Show this lab's rows; may be repeated.")
]
Landlords = Annotated[
    list[str] | None,
    typer.Option(metavar="ID", help="Show this landlord's rows; may be repeated."),
]
Quarters = Annotated[
    list[str] | None,
    typer.Option(metavar="2027Q4", help="Show this quarter; may be repeated."),
]

Tables = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Print this table, too (sim show --list has the names); may be repeated.",
    ),
]
Errors = Annotated[
    bool,
    typer.Option(
        "--errors",
        help="Show every Monte Carlo error, not only those above a hundredth of the spread.",
    ),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print cells as CSV.")]


def check_tables(option: str, names: Sequence[str]) -> None:
    """Refuse names of tables that do not exist.

    Raises:
        InputError: With the nearest name of each.
    """
    if not names:
        return
    from sim.tables.named import NAMES  # NumPy, which the headline does not need

    faults = [
        Fault(Location(option), "", f"no such table: '{name}'{nearest(name, list(NAMES))}")
        for name in names
        if name not in NAMES
    ]
    if faults:
        raise InputError(faults)


def refuse_both(as_json: bool, as_csv: bool) -> None:
    """Refuse `--csv` beside `--json`.

    Raises:
        InputError: If both are given.
    """
    if as_json and as_csv:
        raise InputError([Fault(Location("--csv"), "", "cannot stand beside --json")])


def load_scenarios(
    files: list[Path], assignments: list[str] | None, faults: list[Fault]
) -> list[Scenario]:
    """Load all files with the changes of `--set`.

    Raises:
        InputError: With the given faults of options and all faults of `--set` and files.
    """
    from sim.parameters.loading import load_all, parse_set

    scenarios: list[Scenario] = []
    changes = parse_set(assignments or [], faults)
    try:
        scenarios = load_all(files, changes)
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(faults)
    return scenarios


def parse_number(text: str | None) -> Any:
    """An integer if the text is one, else a float or text.

    `1e6` is an integer too.
    """
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


def draw_options(
    draws: str | None,
    seed: str | None,
    sampler: str | None,
    threads: str | None,
    faults: list[Fault],
    **others: Any,
) -> dict[str, Any]:
    """The options of draws as numbers, and others as they are; faults are added to `faults`."""
    from sim.parameters.options import option_faults

    options = {
        "draws": parse_number(draws),
        "seed": parse_number(seed),
        "sampler": sampler,
        "threads": parse_number(threads),
        **others,
    }
    faults += [
        Fault(Location(f"--{name.replace('_', '-')}"), "", message)
        for name, message in option_faults(**options).items()
    ]
    return options


def unknown_names(option: str, names: list[str] | None, known: Sequence[str]) -> list[Fault]:
    """A fault for each name of an option that is not known."""
    return [
        Fault(Location(option), "", f"no such {option[2:]}: '{name}'{nearest(name, list(known))}")
        for name in names or ()
        if name not in known
    ]


def party_ids(
    option: str, names: Sequence[str] | None, known: Mapping[str, str], faults: list[Fault]
) -> list[str]:
    """Ids of labs or landlords that are named by id or by display name, in any case.

    `known` holds the display name of each id. A fault for each other name is added to `faults`.
    """
    ids = {name.casefold(): party for party, name in known.items()}
    ids |= {party.casefold(): party for party in known}
    unknown = [name for name in names or () if name.casefold() not in ids]
    faults += unknown_names(option, unknown, [*known, *known.values()])
    return [ids[name.casefold()] for name in names or () if name.casefold() in ids]


def unknown_quarters(quarters: list[str] | None) -> list[Fault]:
    """A fault for each quarter that the model does not have."""
    expected = f"; expected {QUARTERS[0]} to {QUARTERS[-1]}"
    return [
        Fault(Location("--quarter"), "", f"no such quarter: '{quarter}'{expected}")
        for quarter in quarters or ()
        if quarter not in QUARTERS
    ]


def announce_compiling() -> None:
    """Print a notice if numba has yet to compile the model, in place of what is shipped."""
    from sim.cli.terminal import warn
    from sim.kernels.cache import cache_lasts
    from sim.kernels.shipped.entries import has_to_compile

    if has_to_compile():
        how_often = "once" if cache_lasts() else "as in every run"
        warn(f"Compiling the model for this machine, {how_often} (up to a minute) ...", style="")
