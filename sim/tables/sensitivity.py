"""Tables of what drives an output."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from sim.parameters.fields import short_name
from sim.tables.table import Cell, Table

TOP = 12  # causes that are shown unless all are asked for
CLEAR = 2.0  # standard errors from zero, within which an index is not told apart from it
GRADES = {"judgement": "judgement", "shared": "shared by several inputs", "no source": "no source"}


def sensitivity_tables(result: xr.Dataset, all_causes: bool = False) -> list[Table]:
    """The causes of an output by share, and shares by grade and year of their sources.

    `result` is of one output, as `analysis.sensitivity` gives it.
    """
    return [_causes(result, all_causes), *_by_source(result)]


def _title(result: xr.Dataset) -> str:
    scale, output = result.attrs["scale"], result.attrs["output"]
    if scale == "event":
        return f"What decides whether {result.attrs['event']} (shares in %)"
    if scale == "tail":
        level = result.attrs["tail"]
        end = f"lowest {level:g} %" if level <= 50 else f"highest {100 - level:g} %"
        return f"What drives the {end} of {output} (shares in %)"
    what = "ranks" if scale == "rank" else "values"
    return f"What drives {output} (shares of the variance of {what}, %)"


def _causes(result: xr.Dataset, all_causes: bool) -> Table:
    """A row for each cause, those with the largest shares first."""
    level = result.attrs["tail"]
    tail = f"lowest\n{level:g} %" if level <= 50 else f"highest\n{100 - level:g} %"
    heads = ["cause", "share", "a rise", "knowing it\nmoves P by", f"score in\nthe {tail}"]
    table = Table(_title(result), heads, name="sensitivity", narrow=True)
    order = np.argsort(-result["share"].values)
    shown = order if all_causes else order[:TOP]
    for i in shown:
        name = str(result["cause"].values[i])
        cells: list[Cell | str] = [
            _cell(result, "share", i, 100.0),
            _direction(result, i),
            _cell(result, "moves", i, 100.0),
            _cell(result, "tail_score", i, 1.0),
        ]
        table.rows.append((short_name(name), cells))
    rest = order[len(shown) :]
    table.rules.append(len(table.rows))
    if rest.size:
        share = float(result["share"].values[rest].sum())
        clear = np.abs(result["share"].values) >= CLEAR * result["share_error"].values
        unclear = int(np.count_nonzero(~clear[rest]))
        table.rows.append(
            (f"{rest.size} other causes", [Cell(share, math.nan, "1", 100.0), "", "", ""])
        )
        if unclear:
            table.remarks.append(
                f"Of {unclear} of the other causes the share is not distinguishable from zero."
            )
    remainder, error = float(result["remainder"]), float(result["remainder_error"])
    table.rows.append(("not shared out", [Cell(remainder, error, "1", 100.0), "", "", ""]))
    p = 100 * float(result["probability"])
    table.remarks.insert(
        0,
        "Share: of the variance, by independent causes. An input stands for its own part; what"
        " inputs have in common is a factor. Knowing it moves P: by how many percentage points"
        f" P({result.attrs['event']}), {p:.3g} %, usually changes once the whole input is known,"
        " with all that moves along. Score: the input's mean there, in standard deviations.",
    )
    if result.attrs.get("method") == "dependent":
        unused = 100 * result.attrs["unused"]
        table.remarks[0] = table.remarks[0].replace(
            "by independent causes. An input stands for its own part; what inputs have in common is"
            " a factor.",
            "by dependent inputs as they are given (Shapley effects of the linear part).",
        )
        table.remarks.append(
            f"{unused:.1f} % goes to inputs that the output does not use, and that move along with"
            " some that it uses; shares by independent causes have no such part."
        )
    if result.attrs["causes_given"]:
        table.remarks.append("Causes are the variables as given, taken as independent.")
    return table


def _direction(result: xr.Dataset, i: int) -> str:
    """Whether a rise of the cause raises or lowers the output; "" where that is not clear.

    Of an event, or the tail that it is in, whether a rise makes it likelier or rarer.
    """
    slope, error = (float(result[n].values[i]) for n in ("slope", "slope_error"))
    of_event = result.attrs["scale"] in ("event", "tail")
    up, down = ("likelier", "rarer") if of_event else ("raises", "lowers")
    return "" if not abs(slope) >= CLEAR * error else up if slope > 0 else down


def _cell(result: xr.Dataset, name: str, i: int, scale: float) -> Cell:
    value, error = (float(result[n].values[i]) for n in (name, f"{name}_error"))
    return Cell(value, error, str(result[name].attrs["units"]), scale)


def _by_source(result: xr.Dataset) -> list[Table]:
    """Shares by grade of source, and by its year."""
    tables = []
    heads = {"grade": "grade of the source", "year": "year of the source"}
    for key, head in heads.items():
        labels = [str(label) for label in result[f"by_{key}"].values]
        if len(labels) < 2:
            continue
        table = Table(
            f"On what the spread rests: shares by {head} (%)", [head, "share"], narrow=True,
            name=f"sensitivity_{key}",
        )  # fmt: skip
        for i, label in enumerate(labels):
            value, error = (float(result[f"share_by_{key}{s}"].values[i]) for s in ("", "_error"))
            table.rows.append((GRADES.get(label, label), [Cell(value, error, "1", 100.0)]))
        remainder, error = float(result["remainder"]), float(result["remainder_error"])
        table.rows.append(("not shared out", [Cell(remainder, error, "1", 100.0)]))
        tables.append(table)
    return tables
