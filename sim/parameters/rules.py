"""Rules for settings, and those that tie quantities to one another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sim.common.errors import Fault
from sim.common.text import finite, nearest, shown
from sim.model.dims import FACTORS, OWN_FACTOR, RENTAL_MODES, VIEWS
from sim.model.inputs import ARR_FIELDS, ARR_POINTS
from sim.parameters.document import Document
from sim.parameters.locations import Key
from sim.parameters.merged_files import MergedFiles
from sim.parameters.options import draws_fault, sampler_fault, seed_fault, uncertainty_fault
from sim.parameters.scenario import Hosting, Party, Quantity, RunDefaults, Settings

FORMAT = 1
MOST_SCORE = 10  # of a factor that is held
MOST_NAMED_LABS = 100
MOST_THRESHOLDS = 50  # each adds a probability of every lab and quarter


def check_format(document: Document, key: Key, faults: list[Fault]) -> None:
    """Check the `format` that heads every file; a newer one is refused.

    `key` is that of the table that the file has become in the document.
    """
    table: Any = document.data
    for part in key:
        table = table[part]
    number = table.get("format")
    at = (*key, "format")
    if number is None:
        message = f"missing: expected format = {FORMAT}"
    elif isinstance(number, bool) or not isinstance(number, int) or number < 1:
        message = f"expected format = {FORMAT}, got {shown(number)}"
    elif number > FORMAT:
        message = (
            f"format {number} is newer than this program, which reads {FORMAT}: please upgrade"
        )
    else:
        return
    faults.append(Fault(document.location(at), ".".join(at), message))


def _read_table(
    document: Document, name: str, known: tuple[str, ...], faults: list[Fault]
) -> dict[str, Any]:
    """A table of settings; unknown keys are added to `faults`."""
    table = document.data.get(name, {})
    if not isinstance(table, dict):
        return {}  # a fault of its own
    for key in table:
        if key not in known:
            location = document.location((name, key))
            faults.append(Fault(location, f"{name}.{key}", f"unknown key{nearest(key, known)}"))
    return table


def loads_faults(
    loads: Any, good: dict[str, float], known: tuple[str, ...] = FACTORS
) -> Iterator[tuple[Key, str]]:
    """Key within `loads` and message of every fault.

    The key is () for `loads` as a whole. `known` are the factors on which the quantity may load.
    Loadings without a fault are added to `good`.
    """
    if not isinstance(loads, Mapping):
        yield (), f"expected a table such as {{ power = 0.7 }}, got {shown(loads)}"
        return
    for factor, loading in loads.items():
        if factor == OWN_FACTOR and factor not in known:
            yield (factor,), "only inputs of a lab load on a factor of the lab's own"
        elif factor not in known:
            yield (str(factor),), f"unknown factor{nearest(str(factor), known)}"
        elif isinstance(loading, bool) or not isinstance(loading, int | float):
            yield (factor,), f"expected a number, got {shown(loading)}"
        elif finite(loading) is None:
            yield (factor,), f"expected a finite number, got {shown(loading)}"
        else:
            good[factor] = float(loading)
    squares = sum(loading * loading for loading in good.values())
    if squares > 1 + 1e-12:
        yield (), f"the squares of the loadings add up to {squares:.4g}, which exceeds 1"


def read_run_defaults(document: Document, faults: list[Fault]) -> RunDefaults:
    """Draws, seed and sampler of `[run]`; faults are added to `faults`."""
    table = _read_table(document, "run", ("draws", "seed", "sampler"), faults)
    good: dict[str, Any] = {}
    for name, check in (("draws", draws_fault), ("seed", seed_fault), ("sampler", sampler_fault)):
        if name not in table:
            continue
        message = check(table[name])
        if message:
            faults.append(Fault(document.location(("run", name)), f"run.{name}", message))
        else:
            good[name] = int(table[name]) if name == "draws" else table[name]
    return RunDefaults(**good)


def read_settings(document: Document, faults: list[Fault]) -> Settings:
    """View, rental mode, uncertainty, named labs and thresholds (GW) of `[model]`.

    What is wrong is added to `faults`, and the default stands in its place.
    """
    table = _read_table(document, "model", tuple(Settings.__dataclass_fields__), faults)
    good: dict[str, Any] = {}

    def add_fault(name: str, message: str) -> None:
        faults.append(Fault(document.location(("model", name)), f"model.{name}", message))

    for name, choices in (("view", VIEWS), ("rental_mode", RENTAL_MODES)):
        if name in table:
            if table[name] not in choices:
                add_fault(name, f"expected one of {', '.join(choices)}, got {shown(table[name])}")
            else:
                good[name] = table[name]
    if "uncertainty" in table:
        message = uncertainty_fault(table["uncertainty"])
        if message:
            add_fault("uncertainty", message)
        else:
            good["uncertainty"] = float(table["uncertainty"])
    if "named_labs" in table:
        labs = table["named_labs"]
        many = isinstance(labs, list) and len(labs) > MOST_NAMED_LABS
        are_names = isinstance(labs, list) and all(isinstance(lab, str) for lab in labs)
        if many:
            add_fault("named_labs", f"expected at most {MOST_NAMED_LABS} labs, got {len(labs):,}")
        elif not are_names or not labs or len(set(labs)) < len(labs):
            add_fault("named_labs", f"expected a list of different labs, got {shown(labs)}")
        else:
            good["named_labs"] = tuple(labs)
    if "thresholds_gw" in table:
        levels = table["thresholds_gw"]
        many = isinstance(levels, list) and len(levels) > MOST_THRESHOLDS
        is_read = isinstance(levels, list) and not many
        numbers = [finite(x) or 0.0 for x in levels] if is_read else []
        if many:
            message = f"expected at most {MOST_THRESHOLDS} thresholds, got {len(levels):,}"
            add_fault("thresholds_gw", message)
        elif not numbers or min(numbers) <= 0 or len(set(numbers)) < len(numbers):
            message = f"expected a list of different numbers above 0, got {shown(levels)}"
            add_fault("thresholds_gw", message)
        else:
            good["thresholds_gw"] = tuple(numbers)
    return Settings(**good)


def read_factors(document: Document, faults: list[Fault]) -> dict[str, float]:
    """The scores at which `[factors]` holds common factors, by name."""
    table = _read_table(document, "factors", FACTORS, faults)
    good = {}
    for name, score in table.items():
        if name not in FACTORS:
            continue
        if finite(score) is None or abs(score) > MOST_SCORE:
            message = f"expected a score from {-MOST_SCORE} to {MOST_SCORE}, got {shown(score)}"
            faults.append(Fault(document.location(("factors", name)), f"factors.{name}", message))
        else:
            good[name] = float(score)
    return good


def check_domain_rules(
    merged: MergedFiles,
    quantities: Mapping[str, Quantity],
    hosts: Mapping[tuple[str, str], Hosting],
    labs: tuple[Party, ...],
    landlords: tuple[Party, ...],
) -> None:
    """Check the rules that tie quantities to one another.

    Quantities enter with their medians. Rules of quantities that have faults are left out; what is
    broken is added to the faults of the files.
    """
    points = {name: quantity.distribution.point for name, quantity in quantities.items()}
    _check_capacity_ratio(merged, points)
    for lab in labs:
        rows = {landlord: host for (owner, landlord), host in hosts.items() if owner == lab.id}
        _check_training_share(merged, points, lab.id)
        _check_arr_inputs(merged, lab.id)
        _check_shares(merged, lab.id, rows)
    for landlord in landlords:
        shares = {
            lab.id: hosts[lab.id, landlord.id].rpo_share
            for lab in labs
            if (lab.id, landlord.id) in hosts
        }
        _check_book_life(merged, points, landlord.id)
        _check_rpo_shares(merged, landlord.id, shares)


def _check_capacity_ratio(merged: MergedFiles, points: Mapping[str, float]) -> None:
    """Check that pue does not exceed the facility capacity ratio."""
    pue, ratio = points.get("hardware.pue"), points.get("hardware.facility_capacity_ratio")
    if pue is None or ratio is None or pue <= ratio:
        return
    document = merged.document
    pair = ("hardware", "pue"), ("hardware", "facility_capacity_ratio")
    own = [document.location(key) for key in pair]
    # Blame the one that an overlay or --set changed.
    changes = [document.change_location(key) for key in pair]
    changed = [location for location in changes if location not in own]
    message = f"{pue:g} is above hardware.facility_capacity_ratio, {ratio:g}"
    merged.add_fault(pair[0], message, changed[0] if changed else own[0])


def _check_training_share(merged: MergedFiles, points: Mapping[str, float], lab: str) -> None:
    """Check that inference and fine-tuning leave hours for training."""
    inference = points.get(f"labs.{lab}.inference_share")
    fine_tune = points.get("training.fine_tune_share")
    if inference is not None and fine_tune is not None and inference + fine_tune >= 1:
        merged.add_fault(
            ("labs", lab, "inference_share"),
            f"{inference:g} + training.fine_tune_share {fine_tune:g} must be less than 1",
        )


def _check_arr_inputs(merged: MergedFiles, lab: str) -> None:
    """Check that a lab gives all inputs of its ARR or none.

    Published points between them come on top, and need all three.
    """
    table = merged.document.data["labs"][lab]
    given = [field for field in (*ARR_FIELDS, *ARR_POINTS) if field in table]
    missing = [field for field in ARR_FIELDS if field not in table]
    if given and missing:
        count = "all three ARR inputs or none" if given[0] in ARR_FIELDS else "them with these"
        merged.add_fault(
            ("labs", lab, given[0]), f"a lab gives {count}; missing: {', '.join(missing)}"
        )


def _check_shares(merged: MergedFiles, lab: str, hosts: Mapping[str, Hosting]) -> None:
    """Check that a lab's shares add up to 1.

    Its parent must have one of them. Those of 2025 stand with all landlords or with none.
    """
    tables = merged.document.data["labs"][lab].get("host", {})
    if isinstance(tables, dict) and len(hosts) == len(tables):
        given = [name for name, table in tables.items() if "share_2025" in table]
        if given and len(given) < len(tables):
            missing = ", ".join(name for name in tables if name not in given)
            message = f"stands with all of the lab's landlords or with none; missing: {missing}"
            merged.add_fault(("labs", lab, "host", given[0], "share_2025"), message)
            given = []
        for year in (*(["share_2025"] if given else []), "share_2026", "share_2027"):
            total = math.fsum(getattr(host, year) for host in hosts.values())
            if abs(total - 1) > 1e-9:
                key = ("labs", lab, "host")
                message = f"the {year} of its landlords add up to {total:.10g}, expected 1"
                merged.add_fault(key, message, merged.document.change_location(key))
    for landlord, host in hosts.items():
        if host.captive and host.share_2026 == host.share_2027 == 0:
            message = "captive, but the lab has no share there"
            merged.add_fault(("labs", lab, "host", landlord, "captive"), message)


def _check_book_life(merged: MergedFiles, points: Mapping[str, float], landlord: str) -> None:
    """Check that a landlord's offset leaves a book life."""
    key = ("landlords", landlord, "book_life_offset_years")
    central, offset = points.get("hardware.it_book_life_years"), points.get(".".join(key))
    if central is not None and offset is not None and central + offset <= 0:
        message = f"{offset:g} leaves no book life of hardware.it_book_life_years, {central:g}"
        merged.add_fault(key, message)


def _check_rpo_shares(merged: MergedFiles, landlord: str, shares: Mapping[str, float]) -> None:
    """Check that shares of a landlord's obligations do not exceed 1."""
    total = math.fsum(shares.values())
    if total > 1 + 1e-9:
        largest = max(shares, key=lambda lab: shares[lab])
        message = f"the labs' shares of {landlord}'s RPO add up to {total:.10g}, more than 1"
        merged.add_fault(("labs", largest, "host", landlord, "rpo_share"), message)
