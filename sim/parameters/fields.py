"""The quantities that files may hold, and the keys beside them."""

from __future__ import annotations

from sim.model.declarations import declared, subgroups
from sim.model.inputs import DERIVED_LAB_FIELDS, Host, Lab, Landlord, Scalars

GROUPS = {name: declared(group) for name, group in subgroups(Scalars).items()}
LAB_FIELDS = {n: field for n, field in declared(Lab).items() if n not in DERIVED_LAB_FIELDS}
LANDLORD_FIELDS = declared(Landlord)
HOST_FIELDS = declared(Host)

PROVENANCE_KEYS = ("unit", "source", "note", "as_of", "loads")
PARTY_KEYS = ("format", "name", "order")
JUDGEMENT = "judgement"  # the source of numbers that rest on no document


def short_name(name: str) -> str:
    """The name of an input or cause without its group, where that is not needed to tell it."""
    parts = name.split(".")
    return parts[-1] if len(parts) == 2 and parts[0] not in ("factor", "correlation") else name
