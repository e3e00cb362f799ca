"""A scenario as the template of a draw and a plan of sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import sim
from sim.engine.rank_correlation import describe_correlations
from sim.engine.scenario_plan import ScenarioPlan
from sim.model.declarations import declared, subgroups
from sim.model.evaluation_records import contracts
from sim.model.inputs import ARR_POINTS, DERIVED_LAB_FIELDS, Lab, Landlord, Scalars
from sim.model.record_layout import layout_of
from sim.parameters.scenario import Scenario

BASE = ROOT / "params" / "base.toml"
NOTE = {"source": "judgement", "note": "n"}


def plan_of(scenario: Scenario) -> ScenarioPlan:
    return ScenarioPlan(scenario, layout_of(len(scenario.labs), len(scenario.landlords)))


def template_of(scenario: Scenario, name: str) -> float:
    """The value of an input by its full name, in the template of a draw."""
    plan = plan_of(scenario)
    return float(plan.template[plan.columns[name]])


def with_inputs(**entries: Mapping[str, Any]) -> Scenario:
    """The base case with whole entries, by full name with `__` for a dot."""
    return sim.load(BASE, set={name.replace("__", "."): dict(e) for name, e in entries.items()})


def test_a_missing_optional_input_is_its_default_and_is_not_sampled(base: Scenario) -> None:
    """Model.md 9.1 to 9.3: NaN, 1 for relative inputs, 0 for costs and debt, 1 for what is firm."""
    plan = plan_of(base)
    names = [
        *(f"{n}.{field}" for n, group in subgroups(Scalars).items() for field in declared(group)),
        *(f"labs.meta.{field}" for field in declared(Lab) if field not in DERIVED_LAB_FIELDS),
        *(f"landlords.meta.{field}" for field in declared(Landlord)),
    ]
    missing = [name for name in names if name not in base.quantities]
    ones = {"relative_throughput", "relative_price", "relative_cost", "firm_share"}
    zeros = {"other_cost_busd_per_gw_year", "debt_share", "interest_rate"}
    assert len(missing) == 6 + 3 + len(ARR_POINTS) + 2 + 3 + 1 + 3 + 1 + 1
    for name in missing:
        short = name.split(".")[-1]
        expected = 1.0 if short in ones else 0.0 if short in zeros else math.nan
        value = float(plan.template[plan.columns[name]])
        assert value == expected or (math.isnan(value) and math.isnan(expected)), name


def test_an_optional_input_may_be_a_number_or_any_distribution() -> None:
    uniform = {"family": "uniform", "unit": "1", **NOTE}
    scenario = with_inputs(
        accelerator__measured_tps_decode={"value": 2000, "unit": "tokens/s", **NOTE},
        training__run_accelerators={**uniform, "min": 1e5, "max": 2e5},
        landlords__meta__debt_share={**uniform, "min": 0, "max": 0.5},
    )
    assert template_of(scenario, "accelerator.measured_tps_decode") == 2000
    names = ["tps_decode", "run_accelerators", "run_days", "debt_share"]
    ds = sim.simulate(scenario, draws=1024, keep=names)
    assert (ds["tps_decode"] == 2000).all()
    assert 1e5 <= float(ds["run_accelerators"].min()) < 1.01e5
    assert np.isfinite(ds["run_days"]).all()
    debt = ds["debt_share"]
    assert float(debt.sel(landlord="meta").std()) == pytest.approx(0.5 / 12**0.5, rel=0.02)
    assert (ds["debt_share"].sel(landlord="amazon") == 0).all()


def test_hosts_have_shares_of_2025_and_equity(base: Scenario) -> None:
    hosts = plan_of(base).hosts
    labs = [lab.id for lab in base.labs]
    landlords = [landlord.id for landlord in base.landlords]
    amazon = hosts[labs.index("anthropic"), landlords.index("amazon")]
    assert (amazon["share_2025"], amazon["share_2026"], amazon["equity_busd"]) == (0.55, 0.33, 8)
    own = hosts[labs.index("meta"), landlords.index("meta")]
    assert (own["share_2025"], own["share_2026"]) == (0.83, 0.83)  # none is given
    assert hosts[labs.index("meta"), landlords.index("oracle")]["equity_busd"] == 0


def test_contracts_list_the_pairs_of_a_lab_and_its_hosts(base: Scenario) -> None:
    """By lab and by landlord, in the order of both; of other pairs no kernel sums anything."""
    hosts = plan_of(base).hosts
    listed = contracts(hosts)
    pairs = [(int(c["lab"]), int(c["landlord"])) for c in listed.by_lab]
    hosting = sum(hosts[year] for year in ("share_2025", "share_2026", "share_2027")) > 0
    assert pairs == list(zip(*np.nonzero(hosting), strict=True))
    assert 0 < len(pairs) < hosts.size
    assert (listed.hosts == hosts[hosting]).all()
    for i, span in enumerate(listed.of_lab):
        assert {lab for lab, _ in pairs[int(span["begin"]) : int(span["end"])]} <= {i}
    assert listed.of_lab["end"][-1] == listed.of_landlord["end"][-1] == len(pairs)
    for k, span in enumerate(listed.of_landlord):
        own = listed.by_landlord[int(span["begin"]) : int(span["end"])]
        assert own["lab"].tolist() == np.flatnonzero(hosting[:, k]).tolist()
        assert [pairs[int(number)] for number in own["number"]] == [
            (lab, k) for lab in own["lab"].tolist()
        ]


def test_gigawatts_and_revenue_of_a_lab_are_tied_by_its_own_factor(base: Scenario) -> None:
    """Model.md 8: .66 within a lab, .50 between the gigawatts of two."""
    ds = sim.simulate(base, draws=50_000, keep=["gw_2026q4", "arr_2026q4_busd"])
    labs = ["openai", "anthropic"]
    gw, arr = (np.log(ds[n].sel(lab=labs).values.T) for n in ("gw_2026q4", "arr_2026q4_busd"))
    matrix = np.corrcoef([*gw, *arr])
    expected = np.array(
        [[1, 0.5, 0.66, 0.3], [0.5, 1, 0.3, 0.66], [0.66, 0.3, 1, 0.36], [0.3, 0.66, 0.36, 1]]
    )
    assert np.abs(matrix - expected).max() < 5 / math.sqrt(50_000)


def test_an_own_factor_does_not_react_to_a_stress(base: Scenario) -> None:
    """With the common factors of a lab's gigawatts held, its own goes on as it was."""
    names = ["gw_2026q4", "planned_additions_2027_gw"]
    held = {f"factors.{factor}": -2.0 for factor in ("demand", "power", "capital")}
    free, stressed = (
        sim.simulate(sim.load(BASE, set=changes), draws=20_000, keep=names)
        for changes in ({}, held)
    )
    for name, sigma, common in (
        (names[0], 0.2, -2 * (0.5 - 0.4 + 0.3)), (names[1], 0.25, -2 * (0.5 + 0.3)),
    ):  # fmt: skip
        point = base.quantities[f"labs.openai.{name}"].distribution.point
        z = [np.log(ds[name].sel(lab="openai").values / point) / sigma for ds in (free, stressed)]
        left = 1 - (0.5**2 + 0.3**2 + (0.4**2 if name == names[0] else 0))
        assert z[1].mean() == pytest.approx(common, abs=0.03)
        assert z[1].var() == pytest.approx(left, rel=0.03)
    both = [np.log(stressed[name].sel(lab="openai").values) for name in names]
    expected = 0.36 / math.sqrt((1 - 0.5) * (1 - 0.34))
    assert np.corrcoef(both)[0, 1] == pytest.approx(expected, abs=0.03)


def test_a_far_stress_goes_beyond_an_own_factor_in_every_distribution() -> None:
    """The table reaches what the held factor, the own one and the rest can give together."""
    name = "labs.meta.inference_share"
    loads = {f"{name}.loads": {"demand": 0.7, "own": 0.7}, "factors.demand": 10.0}
    scenario = sim.load(BASE, set=loads)
    ds = sim.simulate(scenario, draws=4096, keep=["inference_share"])
    odds = ds["inference_share"].sel(lab="meta").values
    z = np.log(odds / (1 - odds)) / 0.25
    assert z.mean() == pytest.approx(7, abs=0.05)
    assert z.std() == pytest.approx(math.sqrt(0.51), rel=0.05)
    assert len(np.unique(z)) == 4096


def test_ties_by_an_own_factor_are_described(base: Scenario) -> None:
    name = "labs.openai.gw_2026q4"
    pairs = {tuple(pair["inputs"]): pair for pair in describe_correlations(base, [name])["factors"]}
    own = pairs[name, "labs.openai.arr_2026q4_busd"]
    assert own["asked"] == pytest.approx(6 / math.pi * math.asin(0.66 / 2), abs=1e-3)
    assert abs(own["spearman"] - own["asked"]) < 5 * own["spearman_error"]
    other = pairs.get((name, "labs.anthropic.arr_2026q4_busd"))
    assert other is None or other["asked"] < 0.4
