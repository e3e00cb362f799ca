"""Tables of two worlds: side by side, the edits, and to which of them a difference is due."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from sim.common.text import plain
from sim.parameters.edits import short_name
from sim.tables.table import Cell, Table

SAME = "same"
MOST_EDITS = 20  # that are listed unless all are asked for
MOST_PARTS = 12
MOST_PAIRS = 3
LEAST_INTERACTION = 0.02  # of the sum of the parts' sizes, from which on a pair is named
HEAD_WIDTH, TEXT_WIDTH = 13, 19  # characters of a world's name, and of what an edit changes


def side_by_side(
    first: str, second: str, data: xr.Dataset, share_of: float, folded: bool = True
) -> Table:
    """Both worlds and their paired difference, a row for each statistic.

    Args:
        first: The name of the reference.
        second: That of the other world.
        data: Of a comparison (`analysis.compare.Comparison`).
        share_of: The number of draws of which probabilities are shares, as of `Cell.draws`.
        folded: Whether long names are in lines, as for a terminal.
    """
    first, second = plain(first), plain(second)
    names = [_folded(name, HEAD_WIDTH) if folded else name for name in (first, second)]
    heads = ["", *names, "difference", "P(second\n> first)"]
    table = Table(
        f"{second} against {first} (shares and margins in %)", heads, name="comparison", narrow=True
    )
    for i in range(data.sizes["measure"]):
        unit = str(data["unit"].values[i])
        text = str(data["measure"].values[i])
        scale = 100.0 if unit == "1" else 1.0
        of = {n: float(data[n].values[i]) for n in data.data_vars if data[n].dims == ("measure",)}
        shares = share_of if text.startswith("P(") else 0
        row: list[Cell | str] = [
            Cell(of[n], of[f"{n}_error"], unit, scale, draws=shares) for n in ("first", "second")
        ]
        if of["same"]:
            row += [SAME, ""]
        elif np.isnan(of["difference"]):
            row += ["-", ""]
        else:
            row.append(Cell(of["difference"], of["difference_error"], unit, scale))
            above = Cell(of["p_above"], of["p_above_error"], "1", draws=share_of)
            row.append("" if np.isnan(of["p_above"]) else above)
        label = plain(data["label"].values[i])
        has_unit = unit in ("", "1", "x") or unit in label.split()
        table.rows.append((label if has_unit else f"{label} ({unit})", row))
    margins = ""
    if any(label.startswith("Inference") for label, _ in table.rows):
        margins = (
            "Inference, loaded and fine-tune margin of the reference lab; medians unless said. "
        )
    table.remarks = [
        f"{margins}Both worlds have the same random numbers: a difference is the effect"
        " of the edits, and its error that of the pair. P(second > first), in %: of the value, draw"
        f" by draw. {SAME}: identical in every draw."
    ]
    if data["difference"].isnull().all():
        table.remarks = [
            f"{margins}There are no differences: seed, sampler or number of draws are others, so"
            " that draws do not pair."
        ]
    return table


def shared_out(data: xr.Dataset) -> list[int]:
    """The statistics of which the difference is shared among edits, and is not nothing."""
    shared = data["part"].notnull().all("edit").values & ~data["same"].values
    return [int(i) for i in np.flatnonzero(shared)]


def first_median(data: xr.Dataset, among: Sequence[int]) -> list[int]:
    """The first of some statistics that is a median, or else the first, if there is any."""
    medians = [i for i in among if str(data["measure"].values[i]).startswith("p50")]
    return list(medians or among)[:1]


def edits_table(edits: Sequence[Any], all_edits: bool = False, folded: bool = True) -> Table:
    """What differs between two worlds, before and after (`parameters.edits.Edit`).

    `folded` is as of `side_by_side`.
    """
    count = "one edit" if len(edits) == 1 else f"{len(edits)} edits"
    table = Table(f"What differs: {count}", ["edit", "before", "after"], name="edits")
    for edit in edits if all_edits else edits[:MOST_EDITS]:
        group = f"{len(edit.keys)} edits" if len(edit.keys) > 1 and not edit.after else ""
        cells = [group or edit.before or "-", edit.after or "-"]
        shown = [_folded(plain(text), TEXT_WIDTH) if folded else plain(text) for text in cells]
        table.rows.append((plain(short_name(edit.name)), [*shown]))
    if len(edits) > len(table.rows):
        table.remarks.append(f"And {len(edits) - len(table.rows)} more: --all lists them.")
    table.remarks.append("Median, and in brackets p5 to p95.")
    return table


def _short_pair(pair: str) -> str:
    return " x ".join(short_name(edit) for edit in pair.split(" x "))


def _folded(text: str, width: int) -> str:
    """A text in lines."""
    return "\n".join(textwrap.wrap(text, width)) or text


def attribution_table(
    data: xr.Dataset, measure: int, worlds: int, all_edits: bool = False
) -> Table:
    """The parts of the difference of one statistic, the largest first.

    `worlds` is the number that were drawn for it.
    """
    of = data.isel(measure=measure)
    unit, label = str(of["unit"].values), plain(of["label"].values)
    scale = 100.0 if unit == "1" else 1.0
    shown_unit = {"1": " (percentage points)", "x": "", "": ""}.get(unit, f" ({unit})")
    heads = ["edit", "part", "made first", "made last"]
    title = f"Why it differs: {label}{shown_unit}"
    table = Table(title, heads, name="attribution", narrow=True)
    parts = of["part"].values
    order = np.argsort(-np.abs(parts), kind="stable")
    acting = [i for i in order if parts[i] != 0.0 or of["last_in"].values[i] != 0.0]
    shown = acting if all_edits else acting[:MOST_PARTS]
    for i in shown:
        cells: list[Cell | str] = [
            Cell(float(parts[i]), float(of["part_error"].values[i]), unit, scale),
            *(Cell(float(of[n].values[i]), float("nan"), unit, scale)
              for n in ("first_in", "last_in")),
        ]  # fmt: skip
        table.rows.append((plain(short_name(str(data["edit"].values[i]))), cells))
    rest = [i for i in acting if i not in shown]
    if rest:
        total = Cell(float(parts[rest].sum()), float("nan"), unit, scale)
        table.rows.append((f"{len(rest)} other edits", [total, "", ""]))
    table.rules.append(len(table.rows))
    whole = Cell(float(of["difference"]), float(of["difference_error"]), unit, scale)
    table.rows.append(("= difference", [whole, "", ""]))
    silent = len(parts) - len(acting)
    if silent:
        number = "One edit does" if silent == 1 else f"{silent} edits do"
        table.remarks.append(f"{number} not reach it, in whatever order.")
    size = float(np.abs(parts).sum())
    values = of["interaction"].values
    strongest = [
        p for p in np.argsort(-np.abs(values)) if abs(values[p]) > LEAST_INTERACTION * size
    ]
    if strongest:
        named = ", ".join(
            f"{plain(_short_pair(str(data['pair'].values[p])))} {scale * values[p]:+.3g}"
            for p in strongest[:MOST_PAIRS]
        )
        table.remarks.append(f"Together beyond their parts (interaction): {named}.")
    orders = int(of["orders"])
    how = f"{orders} orders drawn at random" if orders else "all orders"
    table.remarks.insert(
        0,
        f"Part: the mean effect of an edit over {how} ({worlds:,} worlds, Shapley); parts sum to"
        " the difference. Made first: alone; made last: after all others.",
    )
    return table
