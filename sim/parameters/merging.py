"""The merging of documents, key by key, with a record of changes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.common.errors import Fault
from sim.common.text import shown
from sim.distributions.file_keys import find_replaced_keys, is_distribution_key
from sim.distributions.landlord_capex import FISCAL_KEYS, FISCAL_YEAR_END
from sim.model.inputs import IN_FISCAL_YEARS
from sim.parameters import correlation_groups, sweep_axes
from sim.parameters.document import Document
from sim.parameters.fields import GROUPS, HOST_FIELDS, JUDGEMENT
from sim.parameters.locations import Key
from sim.parameters.override import Override

# Keys that change no number.
TEXT_KEYS = frozenset({"format", "extends", "description", "unit", "source", "note", "as_of"})


def merge(
    base: Document,
    over: Document,
    overrides: list[Override] | None = None,
    faults: list[Fault] | None = None,
) -> None:
    """Lay a document over another, which is changed in place.

    A table that gives `family` or `value` replaces the whole distribution below it and keeps unit,
    loads and note; one that gives quantiles, or mean and sd, replaces the parameters for which they
    stand (and the other way round). A number changed without a new source becomes judgement; its
    note and date go, and its old source is kept in `base.overridden_sources`.

    Args:
        base: The document below.
        over: The document on top.
        overrides: Numbers that change are added to it; None if `over` is no overlay but a file of
            its own, such as that of a lab.
        faults: If given, keys that both documents have are faults, and added to it.
    """
    _Merge(base, over, overrides, faults).merge_tables((), base.data, over.data)
    if overrides is None:
        base.locations.add(over.locations, replace=False)


@dataclass
class _Merge:
    """The merging of one document over another; arguments as of `merge`."""

    base: Document
    over: Document
    overrides: list[Override] | None
    faults: list[Fault] | None

    def merge_tables(self, key: Key, below: dict[str, Any], above: dict[str, Any]) -> None:
        """Lay a table over that of the same key in `base`.

        Args:
            key: The key of both tables.
            below: The table of `base`, which is changed in place.
            above: The table of `over`.
        """
        before = {n: dict(v) if isinstance(v, dict) else v for n, v in below.items()}
        distribution, replaced = self._find_replaced(key, above, before)
        for name in replaced:
            del below[name]
            self.base.locations.drop((*key, name))
        # The first key of the new distribution is recorded as a change of the whole old one.
        own = (name for name in above if replaced and is_distribution_key(name, above))
        first = next(own, None)
        has_changed = False
        for name, value in above.items():
            at = (*key, name)
            # Loadings are replaced as a table, unless a key such as loads.power names one of them.
            is_all_loads = name == "loads" and self.over.locations.get(at) is not None
            if isinstance(value, dict) and isinstance(below.get(name), dict) and not is_all_loads:
                loads = dict(below[name]) if name == "loads" else None
                self.merge_tables(at, below[name], value)
                has_changed |= loads is not None and loads != below[name]
                continue
            if self.faults is not None and name in below:
                self._add_fault(at, below[name], value)
            below[name] = value
            self._move_locations(at, value, before.get(name))
            is_number = name not in TEXT_KEYS and at[0] != sweep_axes.TABLE
            if self.overrides is not None and is_number and before.get(name) != value:
                old = distribution if name == first else before.get(name)
                # A copy: what is laid on top later changes tables and lists in place.
                old, new = copy.deepcopy((old, value))
                self.overrides += self._list_overrides(at, old, new)
                has_changed |= (
                    name == "loads" or name in HOST_FIELDS or is_distribution_key(name, below)
                )
        self._mark_fiscal_years(key, below, above, before)
        self._mark_source(key, below, above, before, has_changed)

    def _list_overrides(self, at: Key, old: Any, new: Any) -> list[Override]:
        """What is recorded of a change: of a table that was not there, each of its numbers."""
        if old is None and isinstance(new, dict):
            entries = [
                self._list_overrides((*at, name), None, value)
                for name, value in new.items()
                if name not in TEXT_KEYS
            ]
            return [override for overrides in entries for override in overrides]
        return [Override(".".join(at), old, new, str(self.over.location(at)))]

    def _find_replaced(
        self, key: Key, above: Mapping[str, Any], before: Mapping[str, Any]
    ) -> tuple[dict[str, Any], set[str]]:
        """The distribution below, and the keys that `above` replaces.

        The distribution is empty where the key is not that of a quantity. Messages about what is
        then missing need the keys that were replaced, so they are noted in `base`.
        """
        if self.overrides is not None and _is_quantity(key):
            distribution = {
                name: value for name, value in before.items() if is_distribution_key(name, before)
            }
            fiscal = key[-1] in IN_FISCAL_YEARS
            replaced = find_replaced_keys(above, distribution, fiscal)
            if "family" in above or "value" in above:
                self.base.replaced_keys.pop(key, None)
            elif replaced:
                self.base.replaced_keys[key] = tuple(n for n in distribution if n in replaced)
            return distribution, replaced
        if key[:-1] == (correlation_groups.TABLE,):
            return {}, correlation_groups.find_replaced_keys(above, before)
        return {}, set()

    def _add_fault(self, at: Key, below: Any, above: Any) -> None:
        """Add the fault of a key that both documents have."""
        assert self.faults is not None
        message = f"is given in {self.over.default} too: labs and landlords have their own files"
        if isinstance(above, dict) and not isinstance(below, dict):
            message = f"expected a table, got {shown(below)}"
        self.faults.append(Fault(self.base.location(at), ".".join(at), message))

    def _move_locations(self, at: Key, value: Any, before: Any) -> None:
        """Copy the locations of a key and keys below it from `over`."""
        base, over = self.base.locations, self.over.locations
        if over.get(at) is not None or not isinstance(value, dict):
            if isinstance(before, dict | list):
                base.drop(at)
            base[at] = self.over.table_location(at)
        else:
            base.discard(at)
        if isinstance(value, dict | list) and (below := over.below(at)) is not None:
            base.add_below(at, below)

    def _mark_fiscal_years(
        self, key: Key, below: dict[str, Any], above: Mapping[str, Any], before: Mapping[str, Any]
    ) -> None:
        """Mark capex as judgement where an overlay moves the fiscal year."""
        if self.overrides is None or FISCAL_YEAR_END not in above:
            return
        if above[FISCAL_YEAR_END] == before.get(FISCAL_YEAR_END):
            return
        for name in IN_FISCAL_YEARS:
            entry = below.get(name)
            if isinstance(entry, dict) and FISCAL_KEYS & set(entry) and "source" in entry:
                self.base.overridden_sources.setdefault((*key, name), str(entry["source"]))
                entry["source"] = JUDGEMENT

    def _mark_source(
        self,
        key: Key,
        below: dict[str, Any],
        above: Mapping[str, Any],
        before: Mapping[str, Any],
        has_changed: bool,
    ) -> None:
        """Mark a table as judgement if a number changed without a source."""
        if "source" in above:
            self.base.overridden_sources.pop(key, None)
        if has_changed and "source" in before:
            if "source" not in above:
                self.base.overridden_sources.setdefault(key, str(before["source"]))
                below["source"] = JUDGEMENT
            for name in ("as_of", "note"):  # they are about the old number
                if name not in above:
                    below.pop(name, None)


def _is_quantity(key: Key) -> bool:
    """Whether a key is that of a quantity's table: `hardware.pue`, `labs.openai.gw_2026q4`."""
    of_party = len(key) == 3 and key[0] in ("labs", "landlords") and key[2] != "host"
    return of_party or (len(key) == 2 and key[0] in GROUPS)
