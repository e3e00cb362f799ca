"""One index of inputs, outputs and probabilities: names, units and dims; and how to name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from sim.model.declarations import Output, declared, subgroups
from sim.model.inputs import Lab, Landlord, Scalars
from sim.model.outputs import ENTITIES, EVERY_THRESHOLD, PROBABILITIES

OUTPUTS: dict[str, Output] = {
    name: output for entity in ENTITIES for name, output in declared(entity).items()
}
# The dims of every output but `draw`.
DIMS: dict[str, tuple[str, ...]] = {
    name: (*first, *output.dims)
    for entity, first in ENTITIES.items()
    for name, output in declared(entity).items()
}
BY_QUARTER = frozenset(name for name, output in OUTPUTS.items() if "quarter" in output.dims)
# Dims of an output beyond its entity and the quarter, in words: expressions cannot name them.
OTHER_DIMS = {
    name: " and ".join(others)
    for name, output in OUTPUTS.items()
    if (others := [dim for dim in output.dims if dim != "quarter"])
}


@cache
def probability_dims(name: str) -> tuple[str, ...]:
    """The dims of a probability of `PROBABILITIES`."""
    probability = PROBABILITIES[name]
    counted = () if probability.count == "each" else ("lab",)
    own = tuple(dim for dim in DIMS[probability.of] if dim not in counted)
    return ("threshold", *own) if probability.threshold == EVERY_THRESHOLD else own


@cache
def quantities() -> Mapping[str, tuple[str, tuple[str, ...], str]]:
    """Name -> unit, dims of labs and landlords, and table of a file ("" for an output)."""
    known = {
        name: (output.unit, dims, "")
        for entity, dims in ENTITIES.items()
        for name, output in declared(entity).items()
    }
    groups: dict[str, tuple[type, tuple[str, ...]]]
    groups = {name: (group, ()) for name, group in subgroups(Scalars).items()}
    parties = {"labs": (Lab, ("lab",)), "landlords": (Landlord, ("landlord",))}
    for table, (group, dims) in {**groups, **parties}.items():
        known |= {name: (field.unit, dims, table) for name, field in declared(group).items()}
    return known


def parse_expression(text: str) -> tuple[str, tuple[str, ...], str | None] | None:
    """Split `output[label,...]@quarter` into its parts; None if it does not read so."""
    match = re.fullmatch(r"\s*(\w+)\s*(?:\[([\w\s,]+)\])?\s*(?:@\s*(\w+))?\s*", text)
    if match is None:
        return None
    labels = tuple(label.strip() for label in match[2].split(",")) if match[2] else ()
    return match[1], labels, match[3]
