"""Correlation groups of files: read, overlaid, refused, and described."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import sim
from sim.engine import rank_correlation
from sim.parameters.distribution_errors import read_named_distribution
from sim.parameters.scenario import Scenario

TIED = """
[[correlation]]
name = "power"
inputs = ["hardware.pue", "hardware.it_power_ratio", "hardware.maintenance_rate"]
kind = "spearman"
pairs = [["hardware.pue", "hardware.it_power_ratio", 0.6]]

[[correlation]]
inputs = ["utilisation.idle_load", "prices.lora_share"]
kind = "copula"
copula = "t"
nu = 4
matrix = [[1, -0.5], [-0.5, 1]]
"""
OVERLAY = """format = 1
extends = "base.toml"

[[correlation]]
name = "power"
matrix = [[1, 0, 0.9], [0, 1, 0], [0.9, 0, 1]]

[[correlation]]
name = "speed"
inputs = ["workload.draft_overhead", "workload.draft_acceptance"]
kind = "pearson"
pairs = [["workload.draft_overhead", "workload.draft_acceptance", 0.3]]
"""


@pytest.fixture
def tied(params: Path) -> Path:
    path = params / "base.toml"
    path.write_text(path.read_text() + TIED)
    return path


def rank_correlation_of(ds: Any, first: str, second: str) -> float:
    return float(stats.spearmanr(ds[first].values, ds[second].values).statistic)


def test_a_group_ties_its_inputs_in_a_run(tied: Path) -> None:
    ds = sim.simulate(sim.load(tied), draws=20_000, keep="all")
    assert abs(rank_correlation_of(ds, "pue", "it_power_ratio") - 0.6) < 0.02
    assert abs(rank_correlation_of(ds, "pue", "maintenance_rate")) < 0.03
    assert abs(rank_correlation_of(ds, "idle_load", "lora_share") + 0.46) < 0.03


def test_a_group_leaves_the_draws_of_other_inputs(tied: Path, base: Any) -> None:
    before, after = (
        sim.simulate(scenario, draws=500, keep="all") for scenario in (base, sim.load(tied))
    )
    moved = {"pue", "it_power_ratio", "maintenance_rate", "idle_load", "lora_share"}
    for name in ("power_price_usd_per_kwh", "gw_2026q4", "capex_2026_busd", "eps_duty"):
        np.testing.assert_array_equal(before[name], after[name])
    assert any(not np.array_equal(before[name], after[name]) for name in moved)


def test_a_result_holds_the_rank_correlations_of_its_draws(tied: Path) -> None:
    ds = sim.simulate(sim.load(tied), draws=20_000, keep=["pue", "it_power_ratio"])
    power, other = json.loads(ds.attrs["correlation"])
    assert power["name"] == "power"
    assert power["draws"] == rank_correlation.EXAMINED
    at = {name: i for i, name in enumerate(power["inputs"])}
    stored = power["spearman"][at["hardware.pue"]][at["hardware.it_power_ratio"]]
    first = ds.isel(draw=slice(rank_correlation.EXAMINED))
    assert stored == pytest.approx(rank_correlation_of(first, "pue", "it_power_ratio"), abs=1e-4)
    assert other["copula"] == "t"


def test_an_overlay_changes_a_group_by_its_name_and_adds_others(tied: Path) -> None:
    over = tied.with_name("over.toml")
    over.write_text(OVERLAY)
    power, unnamed, speed = sorted(sim.load(over).correlations, key=lambda g: g.kind == "pearson")
    if power.name != "power":
        power, unnamed = unnamed, power
    assert unnamed.name == "prices.lora_share+utilisation.idle_load"
    assert power.kind == "spearman"  # as it was
    at = {name: i for i, name in enumerate(power.members)}
    entry = power.matrix[at["hardware.pue"]][at["hardware.maintenance_rate"]]
    assert entry == 0.9
    assert power.matrix[at["hardware.pue"]][at["hardware.it_power_ratio"]] == 0.0
    assert speed.name == "speed"


def test_other_inputs_remove_the_matrix_of_a_group(params: Path) -> None:
    """Its rows are those of the inputs that it was said for."""
    path = params / "base.toml"
    names = ["hardware.pue", "hardware.it_power_ratio", "hardware.maintenance_rate"]
    group = f"[[correlation]]\nkind = 'copula'\ninputs = {names}\n"
    matrix = "matrix = [[1, 0.8, 0], [0.8, 1, -0.3], [0, -0.3, 1]]\n"
    path.write_text(f"{path.read_text()}\n{group}{matrix}")
    over = params / "over.toml"
    head = 'format = 1\nextends = "base.toml"\n'
    over.write_text(head + group.replace(str(names), str(names[::-1])))
    with pytest.raises(sim.InputError, match="expected a matrix or pairs, got neither"):
        sim.load(over)
    over.write_text(head + group.replace("copula", "spearman"))
    assert sim.load(over).correlations[0].matrix == sim.load(path).correlations[0].matrix


def test_a_t_copula_can_be_made_gaussian(params: Path) -> None:
    path = params / "base.toml"
    path.write_text(
        path.read_text()
        + TIED.replace('[[correlation]]\ninputs = ["u', '[[correlation]]\nname = "t"\ninputs = ["u')
    )
    for changes in ({"correlation.t.copula": "gaussian"}, {"correlation.t.kind": "spearman"}):
        (group,) = (g for g in sim.load(path, set=changes).correlations if g.name == "t")
        assert group.copula == "gaussian"
        assert group.nu is None


def test_a_group_can_be_set_by_its_name(tied: Path) -> None:
    changed = sim.load(tied, set={"correlation.power.kind": "copula"})
    assert {group.kind for group in changed.correlations} == {"copula"}
    (override,) = changed.overrides
    assert str(override) == "correlation.power.kind: spearman -> copula"
    assert changed.digest() != sim.load(tied).digest()


def test_a_stored_run_keeps_its_groups(tied: Path, invoke: Callable[..., Any]) -> None:
    done = invoke("run", str(tied), "--draws", "1e3", "--no-figures", "--quiet")
    assert done.returncode == 0, done.stderr
    out = next(path for path in tied.parents[1].rglob("manifest.json"))
    groups = json.loads(out.read_text())["correlation"]
    assert [len(group["spearman"]) for group in groups] in ([3, 2], [2, 3])
    kept = out.with_name("parameters.toml").read_text()
    assert "[[correlation]]" in kept


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "spearman"', 'kind = "spearmann"', "power.kind"),
        ('"hardware.pue", "hardware.it_power_ratio", 0.6', '"hardware.pue", "hardware.x", 0.6',
         "power.pairs"),
        ('"hardware.maintenance_rate"]', '"hardware.maintenance_rat"]',
         "unknown input 'hardware.maintenance_rat'; did you mean 'hardware.maintenance_rate'?"),
        ('"hardware.maintenance_rate"]', '"hardware.power_price_usd_per_kwh"]',
         "hardware.power_price_usd_per_kwh loads on power"),
        ('"hardware.maintenance_rate"]', '"utilisation.idle_load"]',
         "utilisation.idle_load is in the group"),
        ('"hardware.maintenance_rate"]', '"workload.draft_tokens"]',
         "workload.draft_tokens is a fixed value"),
        ("nu = 4", "", "nu"),
        ("nu = 4", "nu = 4\nmu = 3", "mu"),
        ("-0.5], [-0.5", "-0.5], [-0.4", "matrix"),
        ('name = "power"', 'name = "prices.lora_share+utilisation.idle_load"',
         "the file has two groups of this name"),
        ("[[correlation]]\nname", "[correlation]\nname", "correlation"),
        ('name = "power"', "name = 5", "correlation.name: expected a name, got 5"),
    ],
)  # fmt: skip
def test_a_group_with_a_fault_is_refused_with_file_and_line(
    params: Path, old: str, new: str, message: str
) -> None:
    path = params / "base.toml"
    text = path.read_text()
    assert old in TIED
    path.write_text(text + TIED.replace(old, new, 1))
    with pytest.raises(sim.InputError) as raised:
        sim.load(path)
    assert message in str(raised.value)
    fault = raised.value.faults[0]
    assert fault.location.file == str(path)
    assert fault.location.line >= len(text.splitlines())


def test_faults_of_two_groups_have_the_lines_of_their_own(params: Path) -> None:
    path = params / "base.toml"
    text = path.read_text() + TIED.replace("spearman", "spearmann").replace("nu = 4", "nu = -4")
    path.write_text(text)
    with pytest.raises(sim.InputError) as raised:
        sim.load(path)
    lines = text.splitlines()
    assert [lines[fault.location.line - 1] for fault in raised.value.faults] == [
        'kind = "spearmann"',
        "nu = -4",
    ]


def test_describe_lists_groups_and_common_factors(tied: Path, invoke: Callable[..., Any]) -> None:
    done = invoke("describe", "--correlations", "--file", str(tied))
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Group power: Gaussian copula\n  asked of ranks   drawn of ranks\n" in done.stdout
    assert "t copula, nu 4 asked of scores drawn of ranks" in " ".join(done.stdout.split())
    assert "Common factors tie" in done.stdout
    data = json.loads(
        invoke("describe", "pue", "--correlations", "--json", "--file", str(tied)).stdout
    )
    assert [group["name"] for group in data["groups"]] == ["power"]
    assert data["factors"] == []  # pue loads on none


def test_loadings_give_the_rank_correlation_that_they_imply(base: Any) -> None:
    data = rank_correlation.describe_correlations(base, ["prices.price_output_usd_per_mtok"])
    first = data["factors"][0]
    assert set(first["inputs"]) == {
        "prices.price_input_usd_per_mtok", "prices.price_output_usd_per_mtok",
    }  # fmt: skip
    r = sum(
        base.quantities[first["inputs"][0]].loads[factor] * load
        for factor, load in base.quantities[first["inputs"][1]].loads.items()
    )
    assert first["asked"] == pytest.approx(6 / np.pi * np.arcsin(r / 2), abs=1e-4)
    assert first["spearman"] == pytest.approx(first["asked"], abs=0.025)


PRICES = ("prices.price_input_usd_per_mtok", "prices.price_output_usd_per_mtok")


@pytest.mark.parametrize("held", [{}, {"demand": 1.5}, {"demand": -2.0, "technology": 1.0}])
@pytest.mark.parametrize("uncertainty", [1.0, 1.7])
@pytest.mark.parametrize("discrete", [False, True])
def test_the_correlation_asked_is_that_of_draws_given_the_held_factors(
    base: Scenario, held: dict[str, float], uncertainty: float, discrete: bool
) -> None:
    """Held factors tie no more, and what they leave of a score is a larger part of it."""
    quantities = dict(base.quantities)
    loads = ({"demand": 0.6, "technology": 0.5, "power": 0.4}, {"demand": 0.5, "power": 0.7})
    for name, load, p in zip(PRICES, loads, (0.3, 0.6), strict=True):
        coin = read_named_distribution({"family": "bernoulli", "p": p}, name)
        own = coin if discrete else quantities[name].distribution
        quantities[name] = dataclasses.replace(quantities[name], distribution=own, loads=load)
    scenario = dataclasses.replace(
        base,
        quantities=quantities,
        factors=held,
        settings=dataclasses.replace(base.settings, uncertainty=uncertainty),
    )
    data = rank_correlation.describe_correlations(scenario, PRICES)
    (pair,) = (pair for pair in data["factors"] if set(pair["inputs"]) == set(PRICES))
    assert abs(pair["asked"] - pair["spearman"]) < 4 * pair["spearman_error"]
    assert pair["spearman_error"] < 0.02
    left = [1 - sum(load[f] ** 2 for f in held if f in load) for load in loads]
    tie = sum(loads[0][f] * loads[1].get(f, 0.0) for f in loads[0] if f not in held)
    r = tie / np.sqrt(left[0] * left[1])
    if not discrete:
        assert pair["asked"] == pytest.approx(6 / np.pi * np.arcsin(r / 2), abs=1e-4)
    else:  # of two values ranks are as good as the values: the phi coefficient
        edges = [
            (stats.norm.ppf(1 - p) / uncertainty - sum(load.get(f, 0) * z for f, z in held.items()))
            / np.sqrt(rest)
            for p, load, rest in zip((0.3, 0.6), loads, left, strict=True)
        ]
        p, q = stats.norm.sf(edges)
        both = stats.multivariate_normal(cov=[[1, r], [r, 1]]).cdf([-edges[0], -edges[1]])
        phi = (both - p * q) / np.sqrt(p * (1 - p) * q * (1 - q))
        assert pair["asked"] == pytest.approx(phi, abs=1e-4)
