"""Tables and their cells: what is printed, and stored with a run.

This module imports nothing that is slow.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from sim.common.numbers import percentage, rounded_by, significant

MAX_HEAD = 18  # characters of a name in the head of a column
SPREAD_DIGITS = 200  # parts of the spread that the digits of a value tell apart
SMALL_ERROR = 0.01  # of the spread, up to which an error need not be shown
OWNED = 0.05  # of a number by the worst draws, from which on it is marked
NOT_KEPT = "not kept"  # of a run that cannot be drawn again
NOT_REPORTED = "not reported"  # of a lab without ARR; any other number that is missing is a nan


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its standard error.

    `scale` is applied for display. A probability, shown in percent, is a share of `draws`; where
    there is no uncertainty, so that all draws are the same, `draws` is infinite. `missing` and
    `infinite` are shown where there is no number, or no finite one. `worst` is the share of the
    worst draws in it: a handful of draws owns a number that is marked by `*`. It is NaN where it is
    not known how much they own. `spread` is the width of the distribution of which it is a
    statistic: digits beyond a two-hundredth of it say nothing. It is 0 where it is not known, and
    infinite where an end is.
    """

    value: float
    error: float
    unit: str
    scale: float = 1.0
    draws: float = 0
    missing: str = "nan"
    infinite: str = "inf"
    worst: float = 0.0
    spread: float = 0.0

    def times(self, factor: float) -> Cell:
        """The cell of a number that is so many times this one."""
        value, error, spread = (factor * x for x in (self.value, self.error, self.spread))
        return replace(self, value=value, error=error, spread=spread)

    def rounded(self) -> tuple[str, str]:
        """The value rounded by its error and spread, and the error."""
        value, error = self._rounded()
        return (f"{value}*" if is_owned(self.worst) else value), error

    def brief(self) -> tuple[str, str]:
        """The value rounded by its spread, and its error where that says something, else "".

        Where the error is at most a hundredth of the spread, the value has two to three of the
        spread's significant digits; a probability has two, of itself or what it lacks to 100 %.
        Elsewhere both are as `rounded` gives them.
        """
        if not math.isfinite(self.value) or math.isinf(self.error):
            return self.rounded()
        if math.isinf(self.draws) or (self.draws and self.value in (0.0, 1.0)):
            return self.rounded()
        spread = 1.0 if self.draws else self.spread
        error = 0.0 if math.isnan(self.error) else self.error  # few draws have none
        if error > SMALL_ERROR * spread or not spread:
            return self.rounded()
        scale, step = self.scale, SMALL_ERROR * spread
        if self.draws:
            scale = 100.0
            step = max(error, 0.1 * _power_of_ten(min(self.value, 1.0 - self.value)))
        elif math.isinf(spread):
            step = max(error, 0.01 * _power_of_ten(self.value))
        value, _ = rounded_by(self.value * scale, step * scale)
        return (f"{value}*" if is_owned(self.worst) else value), ""

    def _rounded(self) -> tuple[str, str]:
        """The value rounded by its error without a mark, and the error."""
        if math.isnan(self.value):
            return self.missing, ""
        if math.isinf(self.value):
            return self.infinite if self.value > 0 else f"-{self.infinite}", ""
        if math.isinf(self.error):  # some replicates have no finite value
            beyond = self.infinite if self.value >= 0 else f"-{self.infinite}"
            return f"{significant(self.value * self.scale, 3)} or {beyond}", ""
        if math.isinf(self.draws):
            return f"{100 * self.value:g}", ""
        if self.draws:
            return percentage(self.value, self.error, int(self.draws))
        value, error = rounded_by(self.value * self.scale, self.error * self.scale)
        coarse = self.spread / SPREAD_DIGITS
        if self.error < coarse < math.inf:
            value, _ = rounded_by(self.value * self.scale, coarse * self.scale)
        return value, error

    def data(self) -> dict[str, Any]:
        """The cell for JSON: unscaled, with a text where not finite."""
        numbers = {"value": self.value, "error": self.error}
        data: dict[str, Any] = {
            name: number if math.isfinite(number) else None for name, number in numbers.items()
        }
        if data["value"] is None or math.isinf(self.error):
            data["text"] = self.rounded()[0]
        if is_owned(self.worst):
            data["worst_share"] = None if math.isnan(self.worst) else self.worst
        return {**data, "unit": self.unit}


def _power_of_ten(value: float) -> float:
    """The largest power of ten that is not above a number's size; 0 of 0."""
    return 10.0 ** math.floor(math.log10(abs(value))) if value else 0.0


def is_owned(worst: float) -> bool:
    """Whether a handful of draws owns a number, of which the worst draws hold this share."""
    return not worst <= OWNED


@dataclass(frozen=True, slots=True)
class Selection:
    """Labs, landlords and quarters to be shown; empty for all."""

    labs: tuple[str, ...] = ()
    landlords: tuple[str, ...] = ()
    quarters: tuple[str, ...] = ()


@dataclass
class Table:
    """A title, column heads, rows of cells, and remarks.

    Each row begins with a label.

    Errors stand below their values, or beside them where the table is `narrow`. A gap follows each
    of the row numbers in `rules`, which count from 1. `sim show` knows it by its name.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell | str]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)
    narrow: bool = False
    name: str = ""

    def data(self) -> dict[str, Any]:
        """The table for JSON: values unscaled, with errors and units."""
        columns = [column.replace("\n", " ") for column in self.columns[1:]]
        cells = []
        for label, row in self.rows:
            # A unit in a label is that of the number shown, not of the one here.
            row_name = {"row": re.sub(r" \([^()]*\)$", "", label.replace("\n", ": "))}
            for column, cell in zip(columns, row, strict=True):
                if isinstance(cell, Cell):
                    cells.append({**row_name, "column": column, **cell.data()})
                elif cell not in ("", "-"):
                    cells.append({**row_name, "column": column, "text": cell})
        title = self.title.replace("\n", "; ")
        return {"name": self.name, "title": title, "cells": cells, "remarks": self.remarks}


HEADLINE, ODD = "headline", "odd"  # names of what is no table of numbers: the page, its remarks
MARGINS, LABS = "headline_margins", "headline_labs"  # names of the tables of a headline
LANDLORDS, DRIVERS = "headline_landlords", "headline_drivers"


class Headline(NamedTuple):
    """What is printed of a run first: a page of tables, and words on the run and on its draws.

    `attributes` are those of the Dataset that name the run and its options, `settings` its switches
    in words. `warnings` are of draws that are not finite, `targets` of `--until`. `tables` are
    those of the page, by name (`MARGINS`, `LABS`, `LANDLORDS`, `DRIVERS`), and `remarks` say what
    is odd, what matters most first.
    """

    attributes: dict[str, Any]
    settings: str
    warnings: list[str]
    targets: list[str]
    tables: list[Table]
    remarks: list[str]

    def data(self) -> dict[str, Any]:
        """All of it as plain data, from which `headline_of` makes it again."""
        tables = [
            {**vars(table), "rows": list(map(_row_data, table.rows))} for table in self.tables
        ]
        return {**self._asdict(), "tables": tables}


def _row_data(row: tuple[str, list[Cell | str]]) -> list[Any]:
    """A row as plain data: its label, then texts, and cells as dictionaries."""
    label, cells = row
    return [label, *(cell if isinstance(cell, str) else _cell_data(cell) for cell in cells)]


def _cell_data(cell: Cell) -> dict[str, Any]:
    """What of a cell is not as of every cell, by name."""
    return {
        entry.name: value
        for entry in fields(cell)
        if (value := getattr(cell, entry.name)) != entry.default
    }


def headline_of(data: Mapping[str, Any]) -> Headline:
    """Make a headline of its `data`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: For other data.
    """
    tables = []
    for entry in data["tables"]:
        rows: list[tuple[str, list[Cell | str]]] = [
            (label, [cell if isinstance(cell, str) else Cell(**cell) for cell in cells])
            for label, *cells in entry["rows"]
        ]
        tables.append(Table(**{**entry, "rows": rows}))
    return Headline(**{**data, "tables": tables})


def wrap_head(name: str) -> str:
    """A name in lines of `MAX_HEAD` characters at most, for the head of a column."""
    return "\n".join(textwrap.wrap(name, MAX_HEAD, break_on_hyphens=False)) or name


def plus_minus(cell: Cell) -> str:
    """A value and its error in a line of text."""
    value, error = cell.rounded()
    return f"{value} ± {error}" if error else value
