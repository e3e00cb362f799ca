"""The scenario of the shipped files, and digests."""

from __future__ import annotations

import re
from typing import Any

import pytest
from parameter_files import POWER, PUE, RENT, SHIPPED, Folder

import sim
from sim.distributions.discrete import Fixed
from sim.parameters import fields

GROUPS = (
    *("hardware", "accelerator", "workload", "utilisation", "prices"),
    *("training", "dynamics", "buildout", "finance"),
)


LABS = (
    *("openai", "anthropic", "google_deepmind", "meta", "xai"),
    *("alibaba_qwen", "bytedance_seed", "deepseek"),
)


LANDLORDS = (
    *("microsoft", "amazon", "alphabet", "meta", "oracle"),
    *("softbank", "alibaba", "neocloud", "other"),
)


def test_the_base_case_has_all_quantities(base: sim.Scenario) -> None:
    scalars = {n: q for n, q in base.quantities.items() if n.split(".")[0] in GROUPS}
    declared_scalars = {f"{group}.{name}" for group in GROUPS for name in fields.GROUPS[group]}
    assert len(declared_scalars) == 108
    assert declared_scalars - set(scalars) == {
        "hardware.measured_owner_cost_usd_per_hour",
        *(f"accelerator.measured_tps_{kind}" for kind in ("decode", "prefill", "train")),
        *("training.measured_run_hours", "training.run_accelerators"),
    }
    assert sum(isinstance(q.distribution, Fixed) for q in scalars.values()) == 24
    assert tuple(lab.id for lab in base.labs) == LABS
    assert tuple(landlord.id for landlord in base.landlords) == LANDLORDS
    assert base.labs[2].name == "Google DeepMind"
    arr = {name for name in base.quantities if ".arr_" in name}
    assert {name.split(".")[1] for name in arr} == {"openai", "anthropic", "xai"}
    assert len(arr) == 3 * 3 + 3 + 2  # with the points of OpenAI and Anthropic
    of_labs = {name.split(".")[2] for name in base.quantities if name.startswith("labs.")}
    profiles = {name for name in of_labs if name.startswith(("lab_", "relative_"))}
    assert profiles == {
        *("lab_is_china", "lab_free_token_share", "lab_revenue_share_rate"),
        *("lab_noncompute_opex_ratio", "relative_throughput", "relative_price", "relative_cost"),
    }
    of_landlords = [name for name in base.quantities if name.startswith("landlords.")]
    # Contracts of 3, other cost of 7, debt of 3, a firm share of 1, durations of 3.
    assert len(of_landlords) == 6 * len(LANDLORDS) + 3 + 7 + 2 * 3 + 1 + 3
    assert len(base.quantities) == 257
    assert base.overrides == ()
    assert base.remarks == ()
    assert base.name == "base"


SPOT_CHECKS: dict[str, tuple[str, dict[str, Any], dict[str, float]]] = {
    # Unit, distribution, loadings
    "hardware.accelerator_price_usd": (
        "USD",
        {"family": "lognormal", "median": 34000.0, "sigma": 0.15},
        {"demand": 0.4, "capital": 0.3},
    ),
    "hardware.pue": (
        "1",
        {"family": "logit_normal", "median": 1.2, "sigma": 0.3, "min": 1.0, "max": 2.0},
        {},
    ),
    "accelerator.peak_flops_training": ("FLOP/s", {"value": 2.5e15}, {}),
    "workload.draft_tokens": ("tokens/step", {"value": 3.0}, {}),
    "utilisation.duty_cycle_online_inference": (
        "1",
        {"family": "logit_normal", "median": 0.38, "sigma": 0.3, "min": 0.0, "max": 1.0},
        {"demand": 0.6},
    ),
    "prices.price_output_usd_per_mtok": (
        "USD/Mtok",
        {"family": "lognormal", "median": 15.0, "sigma": 0.3},
        {"demand": 0.3, "technology": -0.4, "tier": 0.8},
    ),
    "dynamics.token_price_decline": (
        "1/yr",
        {"family": "logit_normal", "median": 0.28, "sigma": 0.35, "min": -0.5, "max": 0.9},
        {"demand": -0.4, "technology": 0.5},
    ),
    "finance.hurdle_margin": ("1", {"value": 0.7}, {}),
    "labs.openai.gw_2025q4": ("GW", {"value": 1.9}, {}),
    "labs.deepseek.gw_2026q4": (
        "GW",
        {"family": "lognormal", "median": 0.15, "sigma": 0.5},
        {"demand": 0.5, "power": -0.4, "capital": 0.3, "own": 0.6},
    ),
    "labs.anthropic.arr_growth_2027": (
        "x/yr",
        {"family": "lognormal", "median": 1.9, "sigma": 0.25},
        {"demand": 0.6, "own": 0.6},
    ),
    "buildout.gw_definition_ratio": (
        "1",
        {"family": "discrete", "values": [0.75, 1.0, 1.35], "weights": [0.15, 0.45, 0.4]},
        {},
    ),
    "landlords.other.firm_share": ("1", {"value": 0.083}, {}),
    "labs.alibaba_qwen.lab_is_china": ("1", {"value": 1.0}, {}),
    "landlords.oracle.capex_2026_busd": ("USD bn", {"median": 90.0}, {"capital": 0.6}),
    "landlords.amazon.book_life_offset_years": ("yr", {"value": -0.5}, {}),
}


@pytest.mark.parametrize("name", SPOT_CHECKS)
def test_values_are_those_of_the_specification(base: sim.Scenario, name: str) -> None:
    unit, distribution, loads = SPOT_CHECKS[name]
    quantity = base.quantities[name]
    assert quantity.name == name
    assert quantity.field.unit == unit
    assert quantity.distribution.as_entry() == distribution
    assert quantity.loads == loads


def test_hosts_are_those_of_the_specification(base: sim.Scenario) -> None:
    captive = {pair for pair, host in base.hosts.items() if host.captive}
    assert captive == {
        *{("google_deepmind", "alphabet"), ("meta", "meta"), ("alibaba_qwen", "alibaba")},
        *{("xai", "other"), ("bytedance_seed", "other"), ("deepseek", "other")},
    }
    microsoft = base.hosts["openai", "microsoft"]
    assert (microsoft.share_2026, microsoft.share_2027, microsoft.rpo_share) == (0.4, 0.25, 0.43)
    assert base.hosts["meta", "meta"].share_2026 == base.hosts["meta", "meta"].share_2025 == 0.83
    assert (microsoft.share_2025, microsoft.equity_busd) == (0.65, 0.0)
    assert base.hosts["anthropic", "amazon"].equity_busd == 8
    assert ("xai", "microsoft") not in base.hosts


def test_settings_and_run_defaults_are_those_of_the_specification(base: sim.Scenario) -> None:
    assert (base.settings.view, base.settings.rental_mode) == ("economic", "cost_plus")
    assert base.settings.named_labs == ("openai", "anthropic")
    assert base.settings.thresholds_gw == (10.0, 5.0, 2.0)
    assert base.settings.uncertainty == 1.0
    assert (base.run.draws, base.run.seed) == (100_000, 1)
    assert base.factors == {}


def test_a_scenario_keeps_the_provenance_of_its_quantities(base: sim.Scenario) -> None:
    quantity = base.quantities["labs.openai.gw_2026q4"]
    assert quantity.source == "source-document"
    assert quantity.as_of == "2026-05-13"
    assert quantity.overrides is None
    assert quantity.note is not None
    assert quantity.note.startswith("FIG. 11")
    assert set(base.sources_used()) <= set(base.sources)
    assert {quantity.source for quantity in base.quantities.values()} <= set(base.sources_used())
    assert ("gw", ("openai",), "2026Q4", 7.0) in {
        (s.output, s.labels, s.quarter, s.value) for s in base.published
    }


def reordered(text: str) -> str:
    """The tables of a file in the opposite order, keys too, with comments between."""
    head, *tables = re.split(r"(?m)^(?=\[)", text)
    kept = [line for line in head.splitlines() if not line.startswith("#")]
    blocks = ["\n".join(reversed(kept))]
    for table in reversed(tables):
        header, *keys = [line for line in table.splitlines() if line and line[0] != "#"]
        blocks.append("\n".join([f"{header} # here", *reversed(keys), "# end"]))
    return "\n\n".join(blocks)


def test_a_digest_does_not_depend_on_order_or_comments(folder: Folder, base: sim.Scenario) -> None:
    for path in folder.root.rglob("*.toml"):
        path.write_text(reordered(path.read_text()))
    scenario = folder.load()
    assert scenario.resolved() == base.resolved()
    assert scenario.digest() == base.digest()
    assert (scenario.labs, scenario.landlords) == (base.labs, base.landlords)
    assert re.fullmatch(r"[0-9a-f]{12}", base.digest())


@pytest.mark.parametrize(
    "changes",
    [
        {f"{PUE}.median": 1.2000001},
        {f"{POWER}.loads": {"power": 0.6}},
        {"labs.xai.inference_share.sigma": 0.26},
        {"labs.xai.host.oracle.rpo_share": 0.021},
        {"landlords.oracle.rpo_busd.value": 554},
        {"model.view": "accounting"},
        {"model.rental_mode": "market"},
        {"model.uncertainty": 0.5},
        {"model.thresholds_gw": [10, 5, 1]},
        {"model.named_labs": ["openai", "xai"]},
        {"factors.demand": -2},
        {"factors.demand": 0},
    ],
    ids=str,
)
def test_a_digest_depends_on_every_parameter(base: sim.Scenario, changes: dict[str, Any]) -> None:
    assert sim.load(SHIPPED / "base.toml", set=changes).digest() != base.digest()


def test_a_digest_does_not_depend_on_the_run_or_on_spelling(
    folder: Folder, base: sim.Scenario
) -> None:
    folder.change(f"{PUE}.median", "median = 12e-1")
    folder.change(f"{RENT}.value", "value = 1.0")
    assert folder.load(set={"run.draws": 7, "run.seed": 9}).digest() == base.digest()


def test_a_digest_depends_on_what_else_determines_a_run(base: sim.Scenario) -> None:
    assert len({base.digest(), base.digest(1), base.digest(2), base.digest(1, 2)}) == 4
