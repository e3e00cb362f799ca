"""Descriptions of inputs, outputs and probabilities as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sim.common.errors import Fault, InputError, Location
from sim.distributions import text_density
from sim.distributions.base import Distribution
from sim.distributions.discrete import Fixed, Steps
from sim.distributions.domain import probabilities_outside
from sim.distributions.landlord_capex import FISCAL_YEAR_END, FiscalYears, SharedSpread
from sim.distributions.moments import moments
from sim.distributions.normal import Lognormal
from sim.distributions.quantile_tables import NEAR_ERROR, TooRoughError, steps_of, table_of
from sim.model.catalogue import DIMS, OUTPUTS, hint, probability_dims, quantities
from sim.model.declarations import Field
from sim.model.inputs import HOST_MATRICES, SPREAD_FROM
from sim.model.outputs import (
    EVERY_THRESHOLD,
    FIRST_THRESHOLD,
    PROBABILITIES,
    Probability,
)
from sim.parameters.dependence import depends_on
from sim.parameters.equations import equations
from sim.parameters.fields import GROUPS, HOST_FIELDS, LAB_FIELDS, LANDLORD_FIELDS
from sim.parameters.scenario import Hosting, Quantity, Scenario

LEVELS = {"p1": 0.01, "p5": 0.05, "median": 0.5, "p95": 0.95, "p99": 0.99}
_MATRICES = {name: (field, dims) for field, (name, dims) in HOST_MATRICES.items()}
LISTED = ("median", "p5", "p95")


def describe_quantities(scenario: Scenario, names: Sequence[str]) -> list[dict[str, Any]]:
    """Describe inputs, outputs and probabilities as plain data.

    Numbers that are not finite are None.

    Names are full, such as `hardware.pue`, or their last part where only one input has it.

    Raises:
        InputError: With every unknown name, and the nearest known one.
    """
    return [_describe(scenario, name) for name in find_full_names(scenario, names)]


def _describe(scenario: Scenario, full_name: str) -> dict[str, Any]:
    if full_name in (hosts := _hosts(scenario)):
        return _describe_host(scenario, full_name, hosts[full_name])
    if full_name in _MATRICES:
        return _describe_matrix(scenario, full_name)
    if full_name in scenario.quantities:
        return _describe_input(scenario, scenario.quantities[full_name])
    if full_name in PROBABILITIES:
        return _describe_probability(scenario, full_name)
    if field := find_missing(scenario).get(full_name):
        return {
            "name": full_name,
            "unit": field.unit,
            "meaning": field.meaning,
            "domain": _domain(field),
            "missing": _finite(field.default),
        }
    return _describe_output(full_name)


def find_missing(scenario: Scenario) -> dict[str, Field]:
    """Declarations of the optional inputs that a scenario leaves out, by full name."""
    tables = {
        **GROUPS,
        **{f"labs.{lab.id}": LAB_FIELDS for lab in scenario.labs},
        **{f"landlords.{landlord.id}": LANDLORD_FIELDS for landlord in scenario.landlords},
    }
    names = {f"{table}.{name}": f for table, fields in tables.items() for name, f in fields.items()}
    return {name: field for name, field in names.items() if name not in scenario.quantities}


def find_full_names(scenario: Scenario, names: Sequence[str]) -> list[str]:
    """The full names of inputs, outputs and probabilities.

    Raises:
        InputError: With every unknown name, and the nearest known one.
    """
    faults: list[Fault] = []
    full_names = [_find_full_name(scenario, name, faults) for name in names]
    if faults:
        raise InputError(faults)
    return full_names


def list_inputs(scenario: Scenario) -> list[dict[str, Any]]:
    """Every input, in model order: name, unit, grade and quantiles.

    A fixed input has a `value` in place of `median`, `p5` and `p95`.
    """
    levels = {key: LEVELS[key] for key in LISTED}
    rows = []
    for name, quantity in scenario.quantities.items():
        distribution = sampled_distribution(scenario, quantity)
        numbers = (
            {"value": distribution.value}
            if isinstance(distribution, Fixed)
            else _quantiles(distribution, levels)
        )
        grade = _grade(scenario, quantity)
        rows.append({"name": name, "unit": quantity.field.unit, **numbers, "grade": grade})
    return rows


def list_hosts(scenario: Scenario) -> list[dict[str, Any]]:
    """Who houses whom: name, unit, share of 2026 and grade of each pair of lab and landlord."""
    return [
        {
            "name": name,
            "unit": "1",
            "value": host.share_2026,
            "grade": str(scenario.sources.get(host.source, {}).get("grade", "")),
        }
        for name, host in _hosts(scenario).items()
    ]


def list_outputs() -> list[dict[str, Any]]:
    """Every output, in the order of the model: name, unit, meaning, and number of its equation."""
    return [
        {
            "name": name,
            "unit": output.unit,
            "meaning": output.meaning,
            "equation": equations()[name].number,
        }
        for name, output in OUTPUTS.items()
    ]


def _hosts(scenario: Scenario) -> dict[str, Hosting]:
    """What landlords are to labs, by the name of its table."""
    return {f"labs.{lab}.host.{landlord}": of for (lab, landlord), of in scenario.hosts.items()}


def _describe_host(scenario: Scenario, name: str, host: Hosting) -> dict[str, Any]:
    """Describe what a landlord is to a lab: its numbers, with their source."""
    return {
        "name": name,
        "unit": "1",
        "meaning": "Shares of the lab's gigawatts that the landlord houses, and what ties them",
        "host": {
            "share_2025": host.share_2025,
            "share_2026": host.share_2026,
            "share_2027": host.share_2027,
            "captive": host.captive,
            "rpo_share": host.rpo_share,
            "equity_busd": host.equity_busd,
        },
        "source": {"id": host.source, **scenario.sources.get(host.source, {})},
        "note": host.note,
    }


def _describe_matrix(scenario: Scenario, name: str) -> dict[str, Any]:
    """Describe a number that each pair of lab and landlord has, with its values."""
    field, dims = _MATRICES[name]
    return {
        "name": name,
        "unit": HOST_FIELDS[field].unit,
        "meaning": HOST_FIELDS[field].meaning,
        "matrix": list(dims),
        "key": f"labs.*.host.*.{field}",
        "values": {
            key: {"value": getattr(host, field), "source": host.source}
            for key, host in _hosts(scenario).items()
        },
    }


def sampled_distribution(scenario: Scenario, quantity: Quantity) -> Distribution:
    """The distribution of a quantity, complete where its spread is shared.

    The sigma is then the median of the scalar that gives it.
    """
    distribution = quantity.distribution
    if not isinstance(distribution, SharedSpread | FiscalYears):
        return distribution
    spread = scenario.quantities[_spread_name(quantity)].distribution.point
    return Lognormal(family="lognormal", median=distribution.point, sigma=spread)


def _spread_name(quantity: Quantity) -> str:
    """The full name of the scalar that gives a shared spread."""
    return ".".join(SPREAD_FROM[quantity.name.split(".")[-1]])


def _find_full_name(scenario: Scenario, name: str, faults: list[Fault]) -> str:
    """The full name of an input, output or probability.

    An unknown name comes back as it is, and is added to `faults`.
    """
    inputs = [*scenario.quantities, *find_missing(scenario)]
    known = [*inputs, *OUTPUTS, *PROBABILITIES, *_hosts(scenario), *_MATRICES]
    if name in known:
        return name
    same = [full for full in inputs if full.split(".")[-1] == name]
    if len(same) == 1:
        return same[0]
    if same:
        some = ", ".join(same[:3]) + (", ..." if len(same) > 3 else "")
        message = f"{len(same)} inputs are called so: {some}"
    elif name.endswith(".toml"):
        message = "no such input or output; a parameter file is named by --file"
    else:
        short = [full.split(".")[-1] for full in known]
        message = f"no such input or output{hint(name, known if '.' in name else short)}"
    faults.append(Fault(Location(name), "", message))
    return name


def _grade(scenario: Scenario, quantity: Quantity) -> str:
    return str(scenario.sources.get(quantity.source, {}).get("grade", ""))


def _quantiles(distribution: Distribution, levels: Mapping[str, float]) -> dict[str, float]:
    """The values at levels of probability, by the names of the levels."""
    from scipy.special import ndtri

    with np.errstate(all="ignore"):
        values = distribution.quantile(ndtri(list(levels.values())))
    return dict(zip(levels, map(float, values), strict=True))


def _describe_output(name: str) -> dict[str, Any]:
    """Describe an output: declaration, dims, and how runs keep it."""
    output = OUTPUTS[name]
    return {
        "name": name,
        "unit": output.unit,
        "meaning": output.meaning,
        "dims": list(DIMS[name]),
        "kept": output.kept,
        "may_be_infinite": output.may_be_infinite,
        "unbounded": output.unbounded,
        "equation": asdict(equations()[name]),
        "depends_on": depends_on(name),
    }


def _describe_probability(scenario: Scenario, name: str) -> dict[str, Any]:
    """Describe a probability: the output of which it is formed, and the threshold."""
    probability = PROBABILITIES[name]
    return {
        "name": name,
        "unit": "1",
        "meaning": probability.meaning,
        "dims": list(probability_dims(name)),
        "of": probability.of,
        "threshold": _describe_threshold(scenario, probability),
    }


def _describe_threshold(scenario: Scenario, probability: Probability) -> dict[str, Any]:
    """The threshold of a probability, in the unit of its output.

    Back come its values, the parameter that gives them (None where the model fixes them), and
    whether draws share them; of an input that is drawn the value is the median.
    """
    unit, is_fixed = OUTPUTS[probability.of].unit, True
    parameter: str | None = None
    threshold = probability.threshold
    if threshold in (EVERY_THRESHOLD, FIRST_THRESHOLD):
        parameter = "model.thresholds_gw"
        levels = scenario.settings.thresholds_gw
        values = list(levels if threshold == EVERY_THRESHOLD else levels[:1])
    elif isinstance(threshold, str):
        parameter = f"{quantities()[threshold][2]}.{threshold}"
        distribution = scenario.quantities[parameter].distribution
        values, is_fixed = [distribution.point], isinstance(distribution, Fixed)
    else:
        values = [threshold]
    return {"parameter": parameter, "values": values, "unit": unit, "fixed": is_fixed}


def _describe_input(scenario: Scenario, quantity: Quantity) -> dict[str, Any]:
    """Describe an input: declaration, entry of the files, distribution in numbers.

    A fixed input has no numbers beyond its value.
    """
    field, distribution = quantity.field, sampled_distribution(scenario, quantity)
    prefix = f"{quantity.name}."
    given = {key: value for key, value in quantity.given.items() if key != FISCAL_YEAR_END}
    data: dict[str, Any] = {
        "name": quantity.name,
        "unit": field.unit,
        "meaning": field.meaning,
        "domain": _domain(field),
        "given": given,
        "law": quantity.distribution.as_entry(),
        "spread_from": None if distribution is quantity.distribution else _spread_name(quantity),
        "loads": quantity.loads,
        "tied": _describe_group(scenario, quantity.name),
        "source": {"id": quantity.source, **scenario.sources.get(quantity.source, {})},
        "note": quantity.note,
        "as_of": quantity.as_of,
        "overrides": quantity.overrides,
        "changes": [f"{o.by}: {o}" for o in scenario.overrides if o.key.startswith(prefix)],
    }
    if isinstance(distribution, Fixed):
        return data
    outside = sum(probabilities_outside(distribution, field.lo, field.hi))
    return {
        **data,
        "quantiles": {key: _finite(x) for key, x in _quantiles(distribution, LEVELS).items()},
        **_describe_table(distribution),
        "cut_off": distribution.cut_share,
        "left": distribution.kept_share,
        "outside_domain": outside if outside > 1e-15 else 0.0,
        "picture": text_density.draw_density(distribution),
    }


def _domain(field: Field) -> dict[str, Any]:
    """The bounds of a field; None stands for no bound."""
    return {"min": _finite(field.lo), "max": _finite(field.hi), "open": field.lo_open}


def _describe_group(scenario: Scenario, name: str) -> dict[str, Any] | None:
    """The correlation group of an input with its other members, if any."""
    for group in scenario.correlations:
        if name in group.members:
            others = [other for other in group.members if other != name]
            return {"group": group.name, "kind": group.kind, "with": others}
    return None


def _describe_table(distribution: Distribution) -> dict[str, Any]:
    """Mean, standard deviation, and size and error of the table of quantiles.

    Moments are None where they do not exist or were not computed.
    """
    if isinstance(distribution, Steps):
        steps = steps_of(distribution)
        size = steps.guide.nbytes + steps.edges.nbytes + steps.values.nbytes
        table: dict[str, Any] = {"bytes": size, "error": 0.0}
    else:
        try:
            cubics = table_of(distribution)
        except TooRoughError as error:
            return {"mean": None, "sd": None, "table": {"fault": str(error)}}
        table = {"bytes": cubics.cells.nbytes, "error": cubics.error + NEAR_ERROR}
    mean, sd = moments(distribution)
    order = distribution.moment_order
    existence = {"has_mean": order > 1, "has_sd": order > 2}
    return {"mean": _finite(mean), "sd": _finite(sd), **existence, "table": table}


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None
