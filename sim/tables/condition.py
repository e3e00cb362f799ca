"""Tables of what follows from evidence."""

from __future__ import annotations

import json
import textwrap

import xarray as xr

from sim.common.text import plain
from sim.tables.table import Cell, Table

LABEL_WIDTH = 27  # characters of a line of evidence, and of what is asked for
SURPRISING = 0.01  # probability, from which on down evidence is called surprising
FEW = 2_000  # effective draws, below which there is a warning
MOST_ROBUST = 4  # rows of medians in the table of robustness, unless all are asked for


def condition_tables(result: xr.Dataset, all_rows: bool = False) -> list[Table]:
    """Evidence, statistics before and given it, and how much they hang on each line.

    `result` are the statistics of `analysis.condition.Conditioned`.
    """
    return [evidence_table(result), before_and_after(result), robustness(result, all_rows)]


def effective_text(result: xr.Dataset) -> str:
    """How many draws carry the weight, in words."""
    attrs = result.attrs
    share = 100 * attrs["effective"] / attrs["draws"]
    moved = " moved towards it," if attrs["method"] == "shifted" else ""
    return (
        f"{attrs['draws']:,} draws{moved} given evidence: {attrs['effective']:,.0f} effective"
        f" ({share:.2g} %)"
    )


def warnings_of(result: xr.Dataset) -> list[str]:
    """What a reader has to know: few draws, surprising lines, lines that disagree."""
    attrs, lines = result.attrs, [plain(text) for text in result["line"].values]
    found = []
    if attrs["effective"] < FEW:
        found.append(
            f"{attrs['effective']:,.0f} effective draws are few: errors are large, and quantiles of"
            " tails rough (more draws: --draws)"
        )
    for i, text in enumerate(lines):
        surprise = float(result["surprise"].values[i])
        if surprise < SURPRISING:
            found.append(
                f"{text}: surprising, probability {surprise:.2g} before; ask whether the model or"
                " the evidence is wrong"
            )
    for i, j in json.loads(attrs["disagree"]):
        found.append(
            f"{lines[i]} and {lines[j]} disagree: given the one, the other has a probability of"
            f" {max(float(result['given'].values[i, j]), float(result['given'].values[j, i])):.2g}"
        )
    return found


def _cell(
    result: xr.Dataset, name: str, index: tuple[int, ...], unit: str, scale: float = 1.0
) -> Cell:
    value, error = (float(result[n].values[index]) for n in (name, f"{name}_error"))
    return Cell(value, error, unit, scale)


def evidence_table(result: xr.Dataset) -> Table:
    """A row for each line: its surprise, its value before and after, the draws left without it."""
    title = "Evidence (shares and margins in %)"
    heads = ["", "surprise\n(%)", "median\nbefore", "median\nafter", "draws\nwithout it"]
    table = Table(title, heads, name="evidence", narrow=True)
    several = result.sizes["line"] > 1
    for i, text in enumerate(result["line"].values):
        unit, scale = str(result["value_unit"].values[i]), float(result["value_scale"].values[i])
        number = f"{i + 1}. " if several else ""
        label = "\n".join(textwrap.wrap(number + plain(text), LABEL_WIDTH))
        row: list[Cell | str] = [_cell(result, "surprise", (i,), "1", 100.0)]
        row += [_cell(result, f"value_{when}", (i, 1), unit, scale) for when in ("before", "after")]
        row.append(_cell(result, "effective_without", (i,), "draws"))
        table.rows.append((label, row if several else [*row[:-1], ""]))
    if not several:
        table.columns.pop()
        table.rows = [(label, cells[:-1]) for label, cells in table.rows]
    table.remarks = [
        "Surprise: before the evidence, the probability that value and error come out as far from"
        " the median as this figure, or farther; of a range or bound, its probability. Errors are"
        " normal unless said, and independent of one another. The largest weight of a draw is"
        f" {100 * result.attrs['largest_weight']:.2g} %."
    ]
    return table


def before_and_after(result: xr.Dataset) -> Table:
    """A row for each statistic: before, given the evidence, and the change."""
    heads = ["", "before", "given the\nevidence", "change"]
    title = "Before, and given the evidence (shares and margins in %)"
    table = Table(title, heads, name="condition", narrow=True)
    attrs = result.attrs
    for i, text in enumerate(map(str, result["measure"].values)):
        unit, scale = str(result["unit"].values[i]), float(result["scale"].values[i])
        cells = [
            _cell(result, name, (i,), unit, scale) for name in ("prior", "posterior", "change")
        ]
        if text.startswith("P("):
            draws = (attrs["draws_before"], attrs["effective"])
            cells[:2] = [
                Cell(of.value, of.error, "1", draws=n)
                for of, n in zip(cells[:2], draws, strict=True)
            ]
        table.rows.append((_label(result, i), [*cells]))
    paired = (
        " The change has the error of the pair." if attrs["method"] == "weights" else ""
    )  # moved draws are others
    table.remarks = [
        "Inference, loaded and fine-tune margin of the reference lab; medians unless said."
        f" Draws count by the likelihood of the evidence.{paired}"
    ]
    return table


def robustness(result: xr.Dataset, all_rows: bool = False) -> Table:
    """Statistics with the likelihood weaker and sharper, and without each line.

    Of some medians, and of what was asked for, unless all are wanted.
    """
    several = result.sizes["line"] > 1
    lines = range(result.sizes["line"] if several else 0)
    heads = ["", "given the\nevidence", "weaker\nevidence", "sharper\nevidence"]
    heads += [f"without\n{i + 1}" for i in lines]
    title = "How much it hangs on the evidence (shares and margins in %)"
    table = Table(title, heads, name="condition_robustness", narrow=True)
    medians = 0
    for i, text in enumerate(map(str, result["measure"].values)):
        is_headline = str(result["label"].values[i]) != text
        if not all_rows and is_headline:
            medians += text.startswith("p50(")
            if medians > MOST_ROBUST or not text.startswith("p50("):
                continue
        unit, scale = str(result["unit"].values[i]), float(result["scale"].values[i])
        row: list[Cell | str] = [_cell(result, "posterior", (i,), unit, scale)]
        row += [_cell(result, "scaled", (power, i), unit, scale) for power in (0, 1)]
        row += [_cell(result, "without", (line, i), unit, scale) for line in lines]
        table.rows.append((_label(result, i), row))
    table.remarks = [
        "Weaker and sharper: the likelihood to the powers 0.8 and 1.25. What moves with them rests"
        " on the evidence, what does not on the parameters."
    ]
    return table


def _label(result: xr.Dataset, i: int) -> str:
    """The label of a statistic, with its unit."""
    unit, label = str(result["unit"].values[i]), plain(result["label"].values[i])
    has_unit = unit in ("", "1", "x") or unit in label.split()
    text = label if has_unit else f"{label} ({unit})"
    return "\n".join(textwrap.wrap(text, LABEL_WIDTH)) or text
