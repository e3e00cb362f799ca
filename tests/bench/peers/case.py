"""A scenario as the peers read it: what is fixed, what is sampled, and which pairs exist."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from bench.peers import buildout, labs, landlords, reference
from bench.peers.buildout import Pairs
from bench.peers.reference import Array, rows
from scipy.special import ndtri

from sim.model.dims import FACTORS, OWN_FACTOR
from sim.model.inputs import SPREAD_FROM
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Scenario

SHOCKS = ("eps_price", "eps_duty", "eps_power")
AFTER = [f"2027Q{i}" for i in (1, 2, 3, 4)]


class Quantity(NamedTuple):
    """A sampled quantity: its place, family, parameters and loadings."""

    full_name: str
    name: str
    index: int  # of the lab or landlord, or of the quarter after the reference; -1 of a scalar
    family: str
    parameters: tuple[Any, ...]
    loads: dict[int, float]  # factor -> loading


class Case(NamedTuple):
    """Inputs of a scenario. Quantities of a family stand side by side, in this order."""

    quantities: list[Quantity]
    factors: list[str]
    loadings: Array  # [quantity, factor]
    own_weight: Array  # [quantity, 1]
    fixed: dict[str, Array]  # [.., 1]
    sizes: dict[str, int]  # parties of a vector
    pairs: Pairs


FAMILIES = ("lognormal", "logit_normal", "normal", "discrete", "bernoulli")


def case_of(scenario: Scenario) -> Case:
    """Read a scenario of fixed, lognormal, logit-normal and discrete inputs."""
    assert not scenario.correlations
    assert (scenario.settings.view, scenario.settings.rental_mode) == ("economic", "cost_plus")
    factors = [*FACTORS, *(f"{lab.id}.{OWN_FACTOR}" for lab in scenario.labs)]
    layout = layout_of(len(scenario.labs), len(scenario.landlords))
    parties = {"labs": scenario.labs, "landlords": scenario.landlords}
    fixed: dict[str, Array] = {}
    sizes: dict[str, int] = {}
    quantities: list[Quantity] = []

    def read(full_name: str, name: str, index: int, default: float) -> float:
        """The value of a fixed input; NaN of one that is sampled."""
        quantity = scenario.quantities.get(full_name)
        if quantity is None:
            return default
        d = quantity.distribution.model_dump()
        if "value" in d:
            return float(d["value"])
        family = d.get("family", "lognormal")
        assert d.get("min") is None or family == "logit_normal", f"{full_name}: bounded"
        if name in SPREAD_FROM:
            spread = scenario.quantities[".".join(SPREAD_FROM[name])].distribution
            parameters: tuple[Any, ...] = (quantity.distribution.point, spread.point)
        elif family == "lognormal":
            parameters = (d["median"], d["sigma"])
        elif family == "logit_normal":
            width = d["max"] - d["min"]
            centre = (d["median"] - d["min"]) / width
            parameters = (d["min"], width, math.log(centre / (1.0 - centre)), d["sigma"])
        else:
            assert family == "discrete", f"{full_name}: {family}"
            parameters = (d["values"], d["weights"])
        lab = full_name.split(".")[1]
        loads = {
            factors.index(f"{lab}.{OWN_FACTOR}" if factor == OWN_FACTOR else factor): load
            for factor, load in quantity.loads.items()
            if load
        }
        quantities.append(Quantity(full_name, name, index, family, parameters, loads))
        return math.nan

    for variable in layout.inputs.values():
        group, name = variable.full_name.split(".")[0], variable.name
        if group == "shocks":
            continue
        if name == "lab_delay_quarters":
            sigma = scenario.quantities["buildout.energisation_delay_lab_sigma"].distribution.point
            sizes[name] = len(scenario.labs)
            quantities += [
                Quantity(f"labs.{lab.id}.{name}", name, i, "lognormal", (1.0, sigma), {})
                for i, lab in enumerate(scenario.labs)
            ]
        elif group in parties:
            sizes[name] = len(parties[group])
            fixed[name] = np.array([
                [read(f"{group}.{party.id}.{name}", name, i, variable.default)]
                for i, party in enumerate(parties[group])
            ])  # fmt: skip
        else:
            fixed[name] = np.array([read(variable.full_name, name, -1, variable.default)])
    for name in SHOCKS:
        sizes[name] = len(AFTER)
        quantities += [
            Quantity(f"shocks.{name}.{quarter}", name, i, "normal", (), {})
            for i, quarter in enumerate(AFTER)
        ]
    likely = fixed["capital_crunch_probability"][0]
    crunch = "shocks.capital_crunch"
    quantities.append(Quantity(crunch, "capital_crunch", -1, "bernoulli", (likely,), {}))
    quantities.sort(key=lambda quantity: FAMILIES.index(quantity.family))
    loadings = np.zeros((len(quantities), len(factors)))
    for i, quantity in enumerate(quantities):
        loadings[i, list(quantity.loads)] = list(quantity.loads.values())
    own_weight = np.sqrt(1.0 - (loadings**2).sum(axis=1, keepdims=True))
    sampled = {(quantity.name, quantity.index) for quantity in quantities}
    pairs = pairs_of(scenario, fixed, sampled)
    return Case(quantities, factors, loadings, own_weight, fixed, sizes, pairs)


def pairs_of(scenario: Scenario, fixed: dict[str, Array], sampled: set[tuple[str, int]]) -> Pairs:
    """The pairs of the scenario that ever share gigawatts, and what is fixed about parties."""
    lab_ids = [lab.id for lab in scenario.labs]
    landlord_ids = [landlord.id for landlord in scenario.landlords]
    hosts = {
        (lab_ids.index(lab), landlord_ids.index(landlord)): host
        for (lab, landlord), host in scenario.hosts.items()
    }
    exist = sorted(
        (lab, k)
        for (lab, k), host in hosts.items()
        if host.share_2025 or host.share_2026 or host.share_2027
    )

    def has(name: str, index: int) -> bool:
        return (name, index) in sampled or not np.isnan(fixed[name][index, 0])

    def shares(field: str) -> Array:
        return np.array([[[getattr(hosts[pair], field)]] for pair in exist])

    rpo = np.zeros((len(landlord_ids), len(lab_ids)))
    for (lab, k), host in hosts.items():
        rpo[k, lab] = host.rpo_share
    reporting = [i for i in range(len(lab_ids)) if has("arr_2026q4_busd", i)]
    return Pairs(
        labs=len(lab_ids),
        landlords=len(landlord_ids),
        lab=[lab for lab, _ in exist],
        landlord=[k for _, k in exist],
        share_2025=shares("share_2025"),
        share_2026=shares("share_2026"),
        share_2027=shares("share_2027"),
        captive=[bool(hosts[pair].captive) for pair in exist],
        rpo=rpo,
        contract=[has("rent_busd_per_gw_year", k) for k in range(len(landlord_ids))],
        reporting=reporting,
        points=[[has(f"arr_2026q{i}_busd", lab) for i in (1, 2, 3, 4)] for lab in reporting],
    )


def inputs_of(xp: Any, case: Case, own: Array, factors: Array) -> dict[str, Array]:
    """Inputs of draws of which the own scores [quantity, draw] and factors are given, (8.8)."""
    z = case.own_weight * own + case.loadings @ factors
    values: list[Array] = []
    for family in FAMILIES:
        members = [i for i, q in enumerate(case.quantities) if q.family == family]
        if members:
            parameters = [case.quantities[i].parameters for i in members]
            values += list(FORMULAS[family](xp, parameters, z[members[0] : members[-1] + 1]))
    of_place = {(q.name, q.index): v for q, v in zip(case.quantities, values, strict=True)}
    x = dict(case.fixed)
    for quantity in case.quantities:
        if quantity.index < 0:
            x[quantity.name] = of_place[quantity.name, -1]
    for name, size in case.sizes.items():
        if any((name, i) in of_place for i in range(size)):
            fixed = case.fixed.get(name)
            x[name] = rows(xp, [
                of_place[name, i] if (name, i) in of_place else fixed[i] for i in range(size)
            ])  # fmt: skip
    x["lab_delay_quarters"] = x["lab_delay_quarters"] * x["energisation_delay_quarters"]
    return x


def _lognormal(xp: Any, parameters: list[Any], z: Array) -> Array:
    median, sigma = np.array(parameters).T[:, :, None]
    return median * xp.exp(sigma * z)


def _logit_normal(xp: Any, parameters: list[Any], z: Array) -> Array:
    low, width, logit, sigma = np.array(parameters).T[:, :, None]
    return low + width / (1.0 + xp.exp(-(logit + sigma * z)))


def _discrete(xp: Any, parameters: list[Any], z: Array) -> list[Array]:
    values = []
    for (points, weights), score in zip(parameters, z, strict=True):
        order = np.argsort(points)
        ends = ndtri(np.cumsum(np.array(weights)[order] / sum(weights))[:-1])
        value = xp.full_like(score, points[order[0]])
        for end, point in zip(ends, np.array(points)[order[1:]], strict=True):
            value = xp.where(score > end, point, value)
        values.append(value)
    return values


def _bernoulli(xp: Any, parameters: list[Any], z: Array) -> Array:
    return xp.where(z < ndtri(np.array(parameters)), 1.0, 0.0)


FORMULAS: dict[str, Callable[..., Any]] = {
    "lognormal": _lognormal,
    "logit_normal": _logit_normal,
    "normal": lambda xp, parameters, z: z,
    "discrete": _discrete,
    "bernoulli": _bernoulli,
}


def outputs_of(xp: Any, case: Case, x: dict[str, Array], solve: Any) -> dict[str, Array]:
    """Every output that a run keeps or sums up, [.., draw]; of revenue for labs that report it."""
    p_it = x["accelerator_tdp_kw"] * x["it_power_ratio"]
    layers, it_usd, facility_usd = reference.capital_layers(xp, x, p_it)
    per_gw = 1e6 / (p_it * x["facility_capacity_ratio"])
    capex = (it_usd + facility_usd) * (per_gw / 1e9)
    capex = capex * later_vintages(xp, x["capex_cost_growth"])
    built = buildout.build_out(xp, case.pairs, x, capex)
    total = built.outputs["total_gw"]
    hour, of_token = reference.token(xp, x, total, capex, layers)
    of_labs, shared = labs.labs(xp, case.pairs, x, hour, built)
    of_training = labs.training(xp, case.pairs, x, hour, shared, solve)
    pooled = of_training.pop("pooled")
    of_landlords = landlords.landlords(
        xp, case.pairs, x, hour, built, shared, capex, it_usd, facility_usd
    )
    tune, inference = of_token["fine_tune_gross_margin"], of_token["inference_gross_margin"]
    by_regime = labs.gross_margin(xp, pooled, tune, inference)
    return {
        "gw_definition_ratio": x["gw_definition_ratio"],
        "gross_margin": by_regime,
        **of_token, **built.outputs, **of_labs, **of_training, **of_landlords,
    }  # fmt: skip


def later_vintages(xp: Any, growth: Array) -> Array:
    """(1 + growth)^max(t, 0), [quarter, draw]."""
    later = reference.quarterly(xp, 1.0 + growth, 1, reference.QUARTERS - reference.Q_STAR - 1)
    return xp.concatenate([xp.ones_like(later), later])
