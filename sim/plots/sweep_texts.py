"""Texts of the figures of a sweep: statistics, labels, titles and captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from sim.common.text import in_words
from sim.expressions.tree import Expression, Statistic, write
from sim.model.catalogue import OUTPUTS
from sim.parameters.fields import GROUPS, LAB_FIELDS, LANDLORD_FIELDS
from sim.plots.style import drawable, wrap
from sim.simulation.sweep import keys, shown_unit

STATISTICS = {"mean": "mean", "sd": "standard deviation"}


def statistic(expression: Expression) -> str:
    """The statistic of an expression in words; in one word where it is formed of others."""
    level = f"{100 * expression.number:g}"
    if not expression.variable:
        return "probability" if expression.statistic == "P" else "value"
    if expression.statistic == "P":
        is_margin = expression.variable.endswith("margin")
        number = f"{level} %" if is_margin else f"{expression.number:g}"
        return f"P({expression.relation.replace('>=', '≥').replace('<=', '≤')} {number})"
    if expression.statistic == "quantile":
        if expression.number == 0.5:
            return "median"
        ending = level[-2:] if level[-2:] in ("11", "12", "13") else level[-1]
        return f"{level}{({'1': 'st', '2': 'nd', '3': 'rd'}).get(ending, 'th')} percentile"
    if expression.statistic == "cvar":
        low = expression.number < 0.5
        tail = f"lowest {level}" if low else f"highest {100 - 100 * expression.number:g}"
        return f"mean of the {tail} %"
    return STATISTICS[expression.statistic]


def title(ds: xr.Dataset, expressions: Sequence[Expression]) -> str:
    """The quantity with its lab or landlord and quarter, and the statistics."""
    first = expressions[0]
    if not first.variable:
        return drawable(first.text)
    names = {
        str(label): str(name)
        for dim in ("landlord", "lab")
        if f"{dim}_name" in ds
        for label, name in zip(ds[dim].values, ds[f"{dim}_name"].values.ravel(), strict=False)
    }
    labels = [drawable(names.get(label, label)) for label in first.labels]
    words = [_meaning(first), *labels, *filter(None, [first.quarter])]
    return f"{', '.join(words)}: {', '.join(map(statistic, expressions))}"


def quantity(expression: Expression) -> str:
    """What the vertical axis shows, with its unit."""
    if expression.statistic == "P":
        return "Probability (%)"
    unit = shown_unit(expression)
    return _meaning(expression) + (f" ({unit})" if unit else "")


def scale_label(expression: Expression) -> str:
    """What the colours of a figure show: the statistic, with its unit."""
    unit = shown_unit(expression)
    label = statistic(expression) + (f" ({unit})" if unit else "")
    return label[:1].upper() + label[1:]


def _meaning(expression: Expression) -> str:
    """What the quantity of a statistic is, in words; as it stands where it is formed of several."""
    name = expression.variable
    meanings: dict[str, str] = {
        key: declared.meaning
        for fields in (*GROUPS.values(), LAB_FIELDS, LANDLORD_FIELDS, OUTPUTS)
        for key, declared in fields.items()
    }
    if (key := name.rpartition(".")[2]) in meanings:
        return meanings[key]
    tree = expression.tree
    return drawable(write(tree.of) if isinstance(tree, Statistic) else expression.text)


def key_label(ds: xr.Dataset, key: str, characters: int) -> str:
    """A key in words with its unit, wrapped."""
    attrs = ds[key].attrs
    unit = attrs.get("units", "1")
    text = str(attrs.get("long_name", key)) + ("" if unit == "1" else f" ({unit})")
    return wrap(drawable(text), characters)


def key_at_value(ds: xr.Dataset, key: str) -> str:
    """A key in words at its one value."""
    attrs = ds[key].attrs
    unit = attrs.get("units", "1")
    value = value_text(ds[key].values.item()) + ("" if unit == "1" else f" {unit}")
    return wrap(f"{drawable(attrs.get('long_name', key))}: {value}", 44)


def value_text(value: Any) -> str:
    """A value of a key, for a tick or a legend."""
    return drawable(in_words(value))


def caption(ds: xr.Dataset, fixed: Sequence[str], contour: bool) -> str:
    """The sweep, its keys, those of one value, and what marks mean."""
    attrs = ds.attrs
    first = (
        f"Scenario {drawable(attrs['scenario'])}, sweep {attrs['digest']}: {attrs['draws']:,} draws"
        f" at each point, seed {attrs['seed']}."
    )
    sentences = []
    over = [key for key in keys(ds) if key not in fixed]
    if over:
        sentences.append(f"Over {drawable(', '.join(over))}.")
    if fixed:
        held = ", ".join(
            f"{drawable(key)} = {value_text(ds[key].values.ravel()[0].item())}" for key in fixed
        )
        sentences.append(f"With {held}.")
    if contour:
        sentences.append("Dots: points evaluated; between them contours are interpolated.")
    else:
        sentences.append("Bars: 95 % Monte Carlo intervals.")
    return f"{first}\n{' '.join(sentences)}"
