"""Which edits can move an output: by the inputs on which it depends, wherever it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sim.expressions.names import dims_of, without_table
from sim.expressions.tree import Reference
from sim.parameters.dependence import BEHIND, dependence, short_name
from sim.parameters.edits import Edit
from sim.parameters.scenario import Scenario

# Inputs of a lab that move results of other labs: through caps on all additions, and the landlords'
# fleets. A test moves every input of a lab.
BETWEEN_LABS = frozenset(
    {"gw_2025q4", "gw_2026q4", "lab_is_china", "planned_additions_2027_gw", "lab_delay_quarters"}
)


def reaching_edits(
    edits: Sequence[Edit], references: Iterable[Reference], first: Scenario, second: Scenario
) -> frozenset[int]:
    """The indices of the edits that can move what is formed of these, whatever the others are.

    Settings, held factors, correlations, hosts, and labs or landlords that come or go can move
    anything.
    """
    of = list(references)
    groups = [set(g.members) for s in (first, second) for g in s.correlations]
    found = set()
    for i, edit in enumerate(edits):
        keys = set(edit.keys)
        keys = keys.union(*(members for members in groups if members & keys))
        if any(_reaches(key, reference) for key in keys for reference in of):
            found.add(i)
    return frozenset(found)


def _reaches(key: str, reference: Reference) -> bool:
    """Whether an edit of a key can move an output, input or score."""
    table, *rest = key.split(".")
    party = table in ("labs", "landlords")
    if table in ("model", "factors", "correlation") or (party and rest[1:] in ([], ["host"])):
        return True
    name, outputs = short_name(key), dependence()
    if reference.name not in outputs:
        of = without_table(reference.name)
        return name in (of, *map(short_name, BEHIND.get(of, ())))
    if name not in outputs[reference.name]:
        return False
    if table != "labs" or name in BETWEEN_LABS:
        return True
    dims = [dim for dim in dims_of(reference.name) if dim != "quarter"]
    labs = [of for dim, of in zip(dims, reference.labels, strict=False) if dim == "lab"]
    return not labs or rest[0] in labs
