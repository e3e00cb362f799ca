"""Merged parameters -> Scenario: every check, with all faults collected."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sim.common.text import nearest, shown
from sim.distributions.discrete import Fixed
from sim.distributions.domain import probabilities_outside
from sim.distributions.landlord_capex import FISCAL_YEAR_END, FiscalYears, SharedSpread
from sim.distributions.quantile_tables import TooRoughError, check_drawable, find_reach
from sim.model.dims import LOADINGS
from sim.parameters import claims, correlation_groups, published, rules, sweep_axes
from sim.parameters.document import Document
from sim.parameters.fields import GROUPS, LAB_FIELDS, LANDLORD_FIELDS
from sim.parameters.merged_files import MergedFiles
from sim.parameters.override import Override
from sim.parameters.parties import read_hosts, read_parties
from sim.parameters.quantities import read_quantities
from sim.parameters.scenario import Party, Quantity, Scenario

TOP_KEYS = (
    "format", "extends", "description", "run", "model", "factors", "correlation", "labs",
    "landlords", sweep_axes.TABLE,
)  # fmt: skip
REMARK_FROM = 0.001  # a share of a distribution outside its quantity's domain


def build_scenario(
    merged: MergedFiles,
    name: str,
    statements: Document | None,
    overrides: tuple[Override, ...],
    files: tuple[str, ...],
    claimed: Document | None = None,
) -> Scenario | None:
    """The scenario of merged files.

    Args:
        merged: The files; everything that is wrong is added to their faults.
        name: The name of the scenario.
        statements: The published figures, as `published.toml` has them.
        overrides: The numbers that overlays and `--set` changed.
        files: The paths of all files.
        claimed: The claims of the source document, as `claims.toml` has them.

    Returns:
        The scenario, or None if there are faults.
    """
    document, faults = merged.document, merged.faults
    before = len(faults)
    _check_top(merged)
    settings = rules.read_settings(document, faults)
    run = rules.read_run_defaults(document, faults)
    factors = rules.read_factors(document, faults)
    sweep = sweep_axes.of_document(document, faults)
    labs, landlords = read_parties(merged, "labs"), read_parties(merged, "landlords")
    quantities = _read_all_quantities(merged, labs, landlords)
    _check_drawable(merged, quantities, factors, settings.uncertainty)
    hosts = read_hosts(merged, labs, landlords)
    rules.check_domain_rules(merged, quantities, hosts, labs, landlords)
    correlations = (
        correlation_groups.read_groups(
            document,
            {full_name: quantity.distribution for full_name, quantity in quantities.items()},
            {full_name: quantity.loads for full_name, quantity in quantities.items()},
            faults,
        )
        if merged.is_complete and len(faults) == before
        else ()  # a member that seems unknown may be one with faults
    )
    figures = published.read_statements(statements, merged.sources, faults)
    answered = claims.read_claims(claimed, figures, merged.sources, faults)
    if len(faults) > before or not merged.is_complete:
        return None
    return Scenario(
        name=name,
        description=str(document.data.get("description", "")),
        settings=settings,
        run=run,
        factors=factors,
        quantities=quantities,
        hosts=hosts,
        labs=labs,
        landlords=landlords,
        sources=dict(merged.sources),
        correlations=correlations,
        published=figures,
        claims=answered,
        overrides=overrides,
        remarks=(
            *_remark_on_named_labs(settings.named_labs, labs),
            *filter(None, map(_remark_on_domain, quantities.values())),
        ),
        files=files,
        sweep=sweep,
        path=document.default.file,
    )


def _check_top(merged: MergedFiles) -> None:
    """Check names and types of the keys at the top."""
    known = (*TOP_KEYS, *GROUPS)
    for name, value in merged.document.data.items():
        if name not in known:
            hint = nearest(name, known)
            merged.add_fault((name,), f"unknown key{hint}")
            if "'extends'" in hint:
                merged.is_complete = False  # what it would have extended is not missing
        elif name == "description" and not isinstance(value, str):
            merged.add_fault((name,), f"expected a text, got {shown(value)}")
        elif name not in ("format", "extends", "description") and not isinstance(value, dict):
            merged.add_fault((name,), f"expected a table, got {shown(value)}")


def _read_all_quantities(
    merged: MergedFiles, labs: tuple[Party, ...], landlords: tuple[Party, ...]
) -> dict[str, Quantity]:
    """The quantities of all groups, labs and landlords, by full name."""
    quantities: dict[str, Quantity] = {}
    for group, fields in GROUPS.items():
        quantities |= read_quantities(merged, (group,), fields, {})
    for lab in labs:
        quantities |= read_quantities(merged, ("labs", lab.id), LAB_FIELDS, {"host": None})
    for landlord in landlords:
        others = {FISCAL_YEAR_END: landlord.fiscal_year_end}
        key = ("landlords", landlord.id)
        quantities |= read_quantities(merged, key, LANDLORD_FIELDS, others)
    return quantities


def _check_drawable(
    merged: MergedFiles,
    quantities: Mapping[str, Quantity],
    factors: Mapping[str, float],
    uncertainty: float,
) -> None:
    """Add the faults of distributions that cannot be drawn, as a run would need them.

    `factors` has the scores of those that are held. Tables are kept: a run finds them.
    """
    held = [factors.get(factor, math.nan) for factor in LOADINGS]
    for name, quantity in quantities.items():
        distribution = quantity.distribution
        if isinstance(distribution, Fixed | SharedSpread | FiscalYears):
            continue
        loads = [quantity.loads.get(factor, 0.0) for factor in LOADINGS]
        try:
            check_drawable(distribution, find_reach(loads, held, uncertainty))
        except TooRoughError as error:
            group, _, rest = name.partition(".")
            *party, last = rest.rsplit(".", 1)
            key = (group, *party, last)
            merged.add_fault(key, str(error), merged.document.change_location(key))


def _remark_on_named_labs(named_labs: tuple[str, ...], labs: tuple[Party, ...]) -> list[str]:
    """Remarks on labs of `model.named_labs` that the run lacks."""
    ids = [lab.id for lab in labs]
    return [
        f"model.named_labs: '{lab}' is not in the run, so p_both_named is left out"
        f"{nearest(lab, ids)}"
        for lab in named_labs
        if lab not in ids
    ]


def _remark_on_domain(quantity: Quantity) -> str | None:
    """A remark on a distribution with much mass outside its quantity's domain."""
    distribution, field = quantity.distribution, quantity.field
    if isinstance(distribution, Fixed | SharedSpread | FiscalYears):
        return None  # a spread that another quantity gives is not known here
    below, above = probabilities_outside(distribution, field.lo, field.hi)
    if not below + above > REMARK_FROM:
        return None
    bounds = (
        [f"{'above' if field.lo_open else 'from'} {field.lo:g}"] if field.lo > -math.inf else []
    )
    bounds += [f"to {field.hi:g}"] if field.hi < math.inf else []
    keys = [key for key, share in (("min", below), ("max", above)) if share > REMARK_FROM / 2]
    cut = f": give {' and '.join(keys)}" if "min" in type(distribution).model_fields else ""
    return (
        f"{quantity.name}: {100 * (below + above):.2g} % of its distribution lies outside its"
        f" domain, {' '.join(bounds)}, and is drawn all the same{cut}"
    )
