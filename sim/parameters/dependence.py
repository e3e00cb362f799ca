"""The inputs on which each output depends.

They are data (dependence.json), which a test finds anew: it moves every input in worlds near the
base case, over all domains and near thresholds, in either view and rental mode.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from sim.model.catalogue import quantities
from sim.model.inputs import DERIVED_LAB_FIELDS, HOST_MATRICES, SPREAD_FROM

DEPENDENCE = Path(__file__).with_suffix(".json")
# What is sampled -> the full names of the inputs of its distribution, beside its own.
BEHIND = {
    "lab_delay_quarters": (
        "buildout.energisation_delay_quarters",
        "buildout.energisation_delay_lab_sigma",
    ),
    "capital_crunch": ("buildout.capital_crunch_probability",),
    **{name: (".".join(spread),) for name, spread in SPREAD_FROM.items()},
}


@cache
def dependence() -> dict[str, tuple[str, ...]]:
    """Output -> the short names of the inputs on which it depends, in the order of the model.

    An output depends on what moves it anywhere: an input may have no effect in a given scenario.
    """
    found = json.loads(DEPENDENCE.read_text(encoding="utf-8"))
    order = {name: i for i, name in enumerate([*quantities(), *HOST_MATRICES])}
    result = {}
    for output, text in found.items():
        names = text.split()
        names += {short_name(of) for name in names for of in BEHIND.get(name, ())}
        result[output] = tuple(sorted(names, key=lambda name: order.get(name, len(order))))
    return result


def depends_on(output: str) -> dict[str, list[str]]:
    """Tables of parameter files (`hardware`, `labs.*`, `shocks`) -> inputs of an output in them."""
    found: dict[str, list[str]] = {}
    fields = {matrix: field for field, (matrix, _) in HOST_MATRICES.items()}
    for name in dependence()[output]:
        table = quantities()[name][2] if name in quantities() else "shocks"
        if name in fields:
            found.setdefault("labs.*.host.*", []).append(fields[name])
        elif name not in DERIVED_LAB_FIELDS:
            table = f"{table}.*" if table in ("labs", "landlords") else table
            found.setdefault(table, []).append(name)
    return found


def short_name(name: str) -> str:
    """The name by which outputs depend on an input: `gw_2026q4` of `labs.openai.gw_2026q4`."""
    table, *rest = name.split(".")
    return rest[0] if table == "shocks" else (rest or [table])[-1]
