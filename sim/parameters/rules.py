"""Rules that settings and parameters must meet beyond a field's own domain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sim.common.errors import Fault, Location
from sim.common.text import finite, nearest, shown
from sim.model.dims import FACTORS, RENTAL_MODES, VIEWS
from sim.model.inputs import ARR_FIELDS
from sim.parameters.document import Document, Key
from sim.parameters.options import draws_fault, sampler_fault, seed_fault, uncertainty_fault
from sim.parameters.scenario import Hosting, Party, Quantity, RunDefaults, Settings

FORMAT = 1
MOST_SCORE = 10  # of a factor that is held


def format_number(document: Document, key: Key, faults: list[Fault]) -> None:
    """`format` heads every file; a newer one is refused."""
    table: Any = document.data
    for part in key:
        table = table[part]
    said = table.get("format")
    at = (*key, "format")
    location = document.location(at)
    if said is None:
        message = f"missing: expected format = {FORMAT}"
    elif isinstance(said, bool) or not isinstance(said, int) or said < 1:
        message = f"expected format = {FORMAT}, got {shown(said)}"
    elif said > FORMAT:
        message = f"format {said} is newer than this program, which reads {FORMAT}: please upgrade"
    else:
        return
    faults.append(Fault(location, ".".join(at), message))


def _table(
    document: Document, name: str, known: tuple[str, ...], faults: list[Fault]
) -> dict[str, Any]:
    table = document.data.get(name, {})
    if not isinstance(table, dict):
        return {}
    for key in table:
        if key not in known:
            faults.append(
                Fault(
                    document.location((name, key)),
                    f"{name}.{key}",
                    f"unknown key{nearest(key, known)}",
                )
            )
    return table


def loads_faults(loads: Any, good: dict[str, float]) -> Iterator[tuple[Key, str]]:
    """Key within `loads` and message of every fault; loadings without one are added to `good`."""
    if not isinstance(loads, Mapping):
        yield (), f"expected a table such as {{ power = 0.7 }}, got {shown(loads)}"
        return
    for factor, loading in loads.items():
        if factor not in FACTORS:
            yield (str(factor),), f"unknown factor{nearest(str(factor), FACTORS)}"
        elif isinstance(loading, bool) or not isinstance(loading, int | float):
            yield (factor,), f"expected a number, got {shown(loading)}"
        elif finite(loading) is None:
            yield (factor,), f"expected a finite number, got {shown(loading)}"
        else:
            good[factor] = float(loading)
    squares = sum(loading * loading for loading in good.values())
    if squares > 1 + 1e-12:
        yield (), f"the squares of the loadings add up to {squares:.4g}, which exceeds 1"


def run_defaults(document: Document, faults: list[Fault]) -> RunDefaults:
    """`[run]`: draws, seed and sampler."""
    table = _table(document, "run", ("draws", "seed", "sampler"), faults)
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


def settings(document: Document, faults: list[Fault]) -> Settings:
    """`[model]`: view, rental_mode, uncertainty, named_labs and thresholds_gw."""
    known = tuple(Settings.__dataclass_fields__)
    table = _table(document, "model", known, faults)
    good: dict[str, Any] = {}

    def fault(name: str, message: str) -> None:
        faults.append(Fault(document.location(("model", name)), f"model.{name}", message))

    for name, choices in (("view", VIEWS), ("rental_mode", RENTAL_MODES)):
        if name in table:
            if table[name] not in choices:
                fault(name, f"expected one of {', '.join(choices)}, got {shown(table[name])}")
            else:
                good[name] = table[name]
    if "uncertainty" in table:
        message = uncertainty_fault(table["uncertainty"])
        if message:
            fault("uncertainty", message)
        else:
            good["uncertainty"] = float(table["uncertainty"])
    if "named_labs" in table:
        labs = table["named_labs"]
        names = isinstance(labs, list) and all(isinstance(lab, str) for lab in labs)
        if not names or not labs or len(set(labs)) < len(labs):
            fault("named_labs", f"expected a list of different labs, got {shown(labs)}")
        else:
            good["named_labs"] = tuple(labs)
    if "thresholds_gw" in table:
        levels = table["thresholds_gw"]
        numbers = [finite(x) or 0.0 for x in levels] if isinstance(levels, list) else []
        if not numbers or min(numbers) <= 0 or len(set(numbers)) < len(numbers):
            message = f"expected a list of different numbers above 0, got {shown(levels)}"
            fault("thresholds_gw", message)
        else:
            good["thresholds_gw"] = tuple(numbers)
    return Settings(**good)


def factors(document: Document, faults: list[Fault]) -> dict[str, float]:
    """`[factors]`: common factors held at a score (a stress)."""
    table = _table(document, "factors", FACTORS, faults)
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


def domain_rules(
    document: Document,
    quantities: Mapping[str, Quantity],
    hosts: Mapping[tuple[str, str], Hosting],
    labs: tuple[Party, ...],
    landlords: tuple[Party, ...],
    faults: list[Fault],
) -> None:
    """The rules of model.md 9.1 that tie quantities to one another."""

    def fault(name: str, message: str, location: Location | None = None) -> None:
        key = tuple(name.split("."))
        faults.append(Fault(location or document.location(key), name, message))

    def point(name: str) -> float | None:
        return quantities[name].distribution.point if name in quantities else None

    pue, ratio = point("hardware.pue"), point("hardware.facility_capacity_ratio")
    if pue is not None and ratio is not None and pue > ratio:
        message = f"{pue:g} is above hardware.facility_capacity_ratio, {ratio:g}"
        pair = ("hardware", "pue"), ("hardware", "facility_capacity_ratio")
        own = [document.location(key) for key in pair]
        blamed = [location for key in pair if (location := document.changed(key)) not in own]
        fault("hardware.pue", message, blamed[0] if blamed else own[0])
    fine_tune = point("training.fine_tune_share")
    for lab in labs:
        name = f"labs.{lab.id}"
        inference = point(f"{name}.inference_share")
        if inference is not None and fine_tune is not None and inference + fine_tune >= 1:
            fault(
                f"{name}.inference_share",
                f"{inference:g} + training.fine_tune_share {fine_tune:g} must be less than 1",
            )
        said = document.data["labs"][lab.id]
        given = [field for field in ARR_FIELDS if field in said]
        if 0 < len(given) < len(ARR_FIELDS):
            missing = ", ".join(field for field in ARR_FIELDS if field not in given)
            fault(
                f"{name}.{given[0]}",
                f"a lab gives all three ARR inputs or none; missing: {missing}",
            )
        rows = {landlord: host for (owner, landlord), host in hosts.items() if owner == lab.id}
        tables = said.get("host", {})
        if isinstance(tables, dict) and len(rows) == len(tables):
            for year in ("share_2026", "share_2027"):
                total_share = math.fsum(getattr(host, year) for host in rows.values())
                if abs(total_share - 1) > 1e-9:
                    message = f"the {year} of its landlords add up to {total_share:.10g}"
                    location = document.changed(("labs", lab.id, "host"))
                    fault(f"{name}.host", f"{message}, expected 1", location)
        for landlord, host in rows.items():
            if host.captive and host.share_2026 == host.share_2027 == 0:
                fault(f"{name}.host.{landlord}.captive", "captive, but the lab has no share there")
    for landlord in (party.id for party in landlords):
        offset = f"landlords.{landlord}.book_life_offset_years"
        central, years = point("hardware.it_book_life_years"), point(offset)
        if central is not None and years is not None and central + years <= 0:
            fault(
                offset,
                f"{years:g} leaves no book life of hardware.it_book_life_years, {central:g}",
            )
        shares = {
            lab.id: hosts[lab.id, landlord].rpo_share for lab in labs if (lab.id, landlord) in hosts
        }
        total_rpo = math.fsum(shares.values())
        if total_rpo > 1 + 1e-9:
            last = max(shares, key=lambda lab: shares[lab])
            message = (
                f"the labs' shares of {landlord}'s RPO add up to {total_rpo:.10g}, more than 1"
            )
            fault(f"labs.{last}.host.{landlord}.rpo_share", message)
