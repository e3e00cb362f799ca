"""Tables of what knowing more is worth to a decision."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import xarray as xr

from sim.parameters.fields import JUDGEMENT, short_name
from sim.tables.table import Cell, Table

TOP = 12  # inputs and sources that are shown unless all are asked for
NOT_ABOVE = "not above noise"
NOISE_ROW = f"{NOT_ABOVE}:"


def voi_tables(result: xr.Dataset, everything: bool = False, as_data: bool = False) -> list[Table]:
    """The choices, and what is worth finding out next: inputs, sources, groups, measurements.

    `result` is as `analysis.voi` gives it. Unless everything is asked for, what is not above the
    noise floor is counted and not shown. As data, a column says of every row whether it is.
    """
    tables = [_choices(result), _inputs(result, everything or as_data, as_data)]
    if result.sizes["source_id"]:
        tables.append(_sources(result, everything or as_data, as_data))
    if result.sizes["group"]:
        tables.append(_groups(result))
    if result.sizes["study"]:
        tables.append(_studies(result))
    return tables


def _choices(result: xr.Dataset) -> Table:
    """A row for each choice, and one for perfect information."""
    unit = f" ({result.attrs['unit']})" if result.attrs["unit"] not in ("", "1") else ""
    heads = ["choice", f"mean payoff{unit}", "best in %\nof draws"]
    table = Table("What is chosen", heads, narrow=True, name="voi_choices")
    for i, choice in enumerate(map(str, result["choice"].values)):
        cells: list[Cell | str] = [
            _cell(result, "payoff", i),
            _cell(result, "best_in", i, scale=100.0),
        ]
        table.rows.append((choice, cells))
    table.rules.append(len(table.rows))
    evpi = _cell(result, "evpi")
    table.rows.append(("perfect information is worth", [evpi, ""]))
    best = result.attrs["best"]
    table.remarks += [
        f"{choice} pays {text}."
        for choice, text in zip(result["choice"].values, result["text"].values, strict=True)
        if str(text) != "0"
    ]
    table.remarks.append(
        f"Chosen today: {best}, which has the largest mean. Perfect information: the mean of the"
        " best payoff of each draw, less that."
    )
    if "nothing" in map(str, result["choice"].values):
        table.remarks.append("The payoffs are set against doing nothing, which pays 0.")
    return table


def _inputs(result: xr.Dataset, everything: bool, as_data: bool) -> Table:
    """A row for each input or common factor, the most valuable first."""
    heads = ["input", f"worth{_of_unit(result)}", "moves P\nby", "grade"]
    title = "What is worth finding out next, by input"
    table = Table(title, heads, narrow=True, name="voi")
    for i in _shown(result, "evppi", "above_noise", everything):
        _mark_noise(result, table, "above_noise", i)
        shared = str(result["kind"].values[i]) == "shared"
        grade = "shared" if shared else str(result["grade"].values[i])
        cells: list[Cell | str] = [
            _cell(result, "evppi", i),
            _cell(result, "moves", i, scale=100.0),
            grade or "-",
        ]
        table.rows.append((short_name(str(result["input"].values[i])), cells))
    if as_data:
        _add_flags(result, table, "above_noise", _shown(result, "evppi", "above_noise", True))
    _add_rest(result, table, "evppi", "inputs")
    floor = Cell(float(result["noise_floor"]), math.nan, str(result.attrs["unit"]))
    most = f"up to {floor.rounded()[0]}{_after(result)}" if floor.value else "nothing"
    p = 100 * float(result["probability"])
    table.remarks += [
        "Worth: by how much the mean payoff of the choice rises, once the input is known, with all"
        " that moves along; so values overlap, and do not add up. Moves P: by how many points"
        f" P({result.attrs['event']}), {p:.3g} %, usually changes.",
        f"Noise floor: 20 scores that are in no model are worth {most}; what is not above it by two"
        f" standard errors is {NOT_ABOVE}.",
    ]
    return table


def _sources(result: xr.Dataset, everything: bool, as_data: bool) -> Table:
    """A row for each source: what it is worth to know all inputs that rest on it."""
    heads = ["source", f"worth{_of_unit(result)}", "of perfect\n(%)", "inputs", "grade"]
    title = "What is worth reading again, by source"
    table = Table(title, heads, narrow=True, name="voi_sources")
    for i in _shown(result, "evppi_of_source", "above_noise_of_source", everything):
        _mark_noise(result, table, "above_noise_of_source", i)
        source = str(result["source_id"].values[i])
        grade = str(result["source_grade"].values[i])
        cells: list[Cell | str] = [
            _cell(result, "evppi_of_source", i),
            _share(result, "evppi_of_source", i),
            str(int(result["inputs"].values[i])),
            "-" if grade == source else grade,
        ]
        label = "judgement: no source yet" if source == JUDGEMENT else source
        table.rows.append((label, cells))
    if as_data:
        order = _shown(result, "evppi_of_source", "above_noise_of_source", True)
        _add_flags(result, table, "above_noise_of_source", order)
    _add_rest(result, table, "evppi_of_source", "sources")
    table.remarks.append("Worth: of knowing all inputs that rest on the source exactly.")
    return table


def _groups(result: xr.Dataset) -> Table:
    heads = ["group", f"worth{_of_unit(result)}", "of perfect\n(%)", "inputs"]
    table = Table("What is worth finding out together", heads, narrow=True, name="voi_groups")
    for i, group in enumerate(map(str, result["group"].values)):
        cells: list[Cell | str] = [
            _cell(result, "evppi_of_group", i),
            _share(result, "evppi_of_group", i),
            str(int(result["group_inputs"].values[i])),
        ]
        table.rows.append((group, cells))
    _add_flags(result, table, "above_noise_of_group", range(len(table.rows)))
    return table


def _studies(result: xr.Dataset) -> Table:
    heads = ["measurement", f"worth{_of_unit(result)}", "of perfect\n(%)"]
    table = Table("What a measurement is worth", heads, narrow=True, name="voi_studies")
    for i, study in enumerate(map(str, result["study"].values)):
        cells: list[Cell | str] = [
            _cell(result, "evsi", i),
            _share(result, "evsi", i),
        ]
        table.rows.append((study, cells))
    _add_flags(result, table, "above_noise_of_study", range(len(table.rows)))
    table.remarks.append("Worth: before its cost. +- is the standard deviation of its error.")
    return table


def _shown(result: xr.Dataset, name: str, above: str, everything: bool) -> list[int]:
    """Which rows are shown, the most valuable first; what is not above noise comes last."""
    values = np.nan_to_num(result[name].values, nan=-1.0)
    clear = result[above].values
    order = [int(i) for i in np.lexsort((-values, ~clear))]
    if everything:
        return order
    return [i for i in order if clear[i]][:TOP]


def _add_rest(result: xr.Dataset, table: Table, name: str, what: str) -> None:
    """Count what is not shown."""
    values, above = result[name].values, result[name.replace("evppi", "above_noise")].values
    shown = sum(label != NOISE_ROW for label, _ in table.rows)
    rest = values.size - shown
    if not rest:
        return
    clear = int(above.sum()) - shown
    unknown = int(np.isnan(values).sum())
    words = [f"{clear} worth less"] if clear else []
    words += [f"{rest - clear - unknown} {NOT_ABOVE}"] if rest - clear - unknown else []
    words += [f"{unknown} with too many inputs for so few draws"] if unknown else []
    if not shown:
        table.rows.append(
            (f"none of {values.size} {what} is above noise", [""] * (len(table.columns) - 1))
        )
        return
    table.remarks.append(f"And {rest} other {what}: {', '.join(words)}.")


def _mark_noise(result: xr.Dataset, table: Table, above: str, i: int) -> None:
    """Begin the rows that are not above noise, if this is the first of them."""
    if result[above].values[i] or any(label == NOISE_ROW for label, _ in table.rows):
        return
    table.rules.append(len(table.rows))
    table.rows.append((NOISE_ROW, [""] * (len(table.columns) - 1)))


def _add_flags(result: xr.Dataset, table: Table, above: str, rows: Iterable[int]) -> None:
    """Add a column that says which rows are above noise."""
    table.columns.append("above\nnoise")
    flags = iter("yes" if result[above].values[i] else "no" for i in rows)
    for label, cells in table.rows:
        cells.append("" if label == NOISE_ROW else next(flags))


def _share(result: xr.Dataset, name: str, i: int) -> Cell | str:
    """A value as a share of that of perfect information, with the error of the value."""
    evpi = float(result["evpi"])
    if not evpi > 0 or not float(result[name].values[i]):
        return ""
    value, error = (float(result[n].values[i]) / evpi for n in (name, f"{name}_error"))
    return Cell(value, error, "1", 100.0)


def _cell(result: xr.Dataset, name: str, i: int | None = None, scale: float = 1.0) -> Cell:
    """A number of a row, or one without rows, with its error."""
    value, error = (
        float(result[n].values if i is None else result[n].values[i])
        for n in (name, f"{name}_error")
    )
    return Cell(value, error, str(result[name].attrs["units"]), scale)


def _of_unit(result: xr.Dataset) -> str:
    """The unit in the head of a column."""
    unit = str(result.attrs["unit"])
    return f"\n({unit})" if unit not in ("", "1") else ""


def _after(result: xr.Dataset) -> str:
    """The unit after a number in a text."""
    unit = str(result.attrs["unit"])
    return f" {unit}" if unit not in ("", "1") else ""
