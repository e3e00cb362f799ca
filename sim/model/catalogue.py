"""The index of inputs, outputs and probabilities: names, units and dims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from sim.common.text import nearest
from sim.model.declarations import Output, declared, subgroups
from sim.model.inputs import Lab, Landlord, Scalars
from sim.model.outputs import ENTITIES, EVERY_THRESHOLD, PROBABILITIES

OUTPUTS: dict[str, Output] = {
    name: output for entity in ENTITIES for name, output in declared(entity).items()
}
# The dims of every output, without `draw`.
DIMS: dict[str, tuple[str, ...]] = {
    name: (*first, *output.dims)
    for entity, first in ENTITIES.items()
    for name, output in declared(entity).items()
}
# Names that are gone, and what to use instead.
REMOVED = {
    "min_latency_slack": "a promised speed is now always met; use latency_exponent",
    "binding_constraint": "a promised speed is now always met; use speed_cost",
    "slo_missed": "a promised speed is now always met; use speed_cost or speed_unreachable",
    "fits_in_memory": "an instance now grows until the model fits; use instance_grown",
}
BY_QUARTER = frozenset(name for name, output in OUTPUTS.items() if "quarter" in output.dims)
# Dims of an output beside those of its entity and the quarter, such as the regime.
OTHER_DIMS: dict[str, tuple[str, ...]] = {
    name: tuple(dim for dim in output.dims if dim != "quarter") for name, output in OUTPUTS.items()
}


def hint(name: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """A hint for an unknown name, to end a message: what replaced it, or the nearest known one."""
    removed = REMOVED.get(name.rsplit(".", 1)[-1])
    return f"; it is gone: {removed}" if removed else nearest(name, known)


@cache
def probability_dims(name: str) -> tuple[str, ...]:
    """The dims of a probability, by its name in `PROBABILITIES`."""
    probability = PROBABILITIES[name]
    counted = () if probability.count == "each" else ("lab",)
    own = tuple(dim for dim in DIMS[probability.of] if dim not in counted)
    return ("threshold", *own) if probability.threshold == EVERY_THRESHOLD else own


@cache
def quantities() -> Mapping[str, tuple[str, tuple[str, ...], str]]:
    """Units, dims and tables of every input and output by name.

    Returns:
        Name -> unit, dims over labs and landlords, and the table of a parameter file that holds the
        input ("" for an output).
    """
    index = {
        name: (output.unit, dims, "")
        for entity, dims in ENTITIES.items()
        for name, output in declared(entity).items()
    }
    groups: dict[str, tuple[type, tuple[str, ...]]]
    groups = {name: (group, ()) for name, group in subgroups(Scalars).items()}
    parties = {"labs": (Lab, ("lab",)), "landlords": (Landlord, ("landlord",))}
    for table, (group, dims) in {**groups, **parties}.items():
        index |= {name: (field.unit, dims, table) for name, field in declared(group).items()}
    return index
