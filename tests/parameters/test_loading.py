"""Reading parameter files: the base case, overlays, and changes by `set`."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from parameter_files import POWER, PUE, RENT, ROW, SHIPPED, XAI, Folder

import sim
from sim.distributions.discrete import Fixed
from sim.distributions.landlord_capex import SharedSpread
from sim.distributions.normal import LogitNormal, Lognormal

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


@pytest.fixture
def folder(params: Path) -> Folder:
    return Folder(params)


# The base case ----------------------------------------------------------------------


def test_base_case_has_all_quantities(base: sim.Scenario) -> None:
    scalars = {n: q for n, q in base.quantities.items() if n.split(".")[0] in GROUPS}
    assert len(scalars) == 99
    assert sum(isinstance(q.distribution, Fixed) for q in scalars.values()) == 22
    assert tuple(lab.id for lab in base.labs) == LABS
    assert tuple(landlord.id for landlord in base.landlords) == LANDLORDS
    assert base.labs[2].name == "Google DeepMind"
    arr = {name for name in base.quantities if ".arr_" in name}
    assert {name.split(".")[1] for name in arr} == {"openai", "anthropic", "xai"}
    assert len(arr) == 9
    assert len(base.quantities) == 99 + 6 * len(LABS) + len(arr) + 6 * len(LANDLORDS)
    assert base.overrides == ()
    assert base.remarks == ()
    assert base.name == "base"


SPOT_CHECKS: dict[str, tuple[str, dict[str, Any], dict[str, float]]] = {
    # model.md 9.1-9.3: unit, law, loadings
    "hardware.accelerator_price_usd": (
        "USD",
        {"family": "lognormal", "median": 32000.0, "sigma": 0.15},
        {"demand": 0.4, "capital": 0.3},
    ),
    "hardware.pue": (
        "1",
        {"family": "logit_normal", "median": 1.2, "sigma": 0.3, "min": 1.0, "max": 2.0},
        {},
    ),
    "accelerator.peak_flops_training": ("FLOP/s", {"value": 2.5e15}, {}),
    "workload.draft_tokens": ("tokens/step", {"value": 1.0}, {}),
    "utilisation.duty_cycle_online_inference": (
        "1",
        {"family": "logit_normal", "median": 0.5, "sigma": 0.3, "min": 0.0, "max": 1.0},
        {"demand": 0.6},
    ),
    "prices.price_output_usd_per_mtok": (
        "USD/Mtok",
        {"family": "lognormal", "median": 10.0, "sigma": 0.25},
        {"demand": 0.4, "technology": -0.2, "tier": 0.7},
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
        {"power": -0.4, "capital": 0.3},
    ),
    "labs.anthropic.arr_growth_2027": (
        "x/yr",
        {"family": "lognormal", "median": 1.9, "sigma": 0.25},
        {"demand": 0.6},
    ),
    "labs.alibaba_qwen.lab_is_china": ("1", {"value": 1.0}, {}),
    "landlords.oracle.capex_2026_busd": ("USD bn", {"median": 77.0}, {"capital": 0.6}),
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
    assert base.hosts["meta", "meta"].share_2026 == 0.83
    assert ("xai", "microsoft") not in base.hosts


def test_settings_and_run_defaults(base: sim.Scenario) -> None:
    assert (base.settings.view, base.settings.rental_mode) == ("economic", "cost_plus")
    assert base.settings.named_labs == ("openai", "anthropic")
    assert base.settings.thresholds_gw == (10.0, 5.0, 2.0)
    assert base.settings.uncertainty == 1.0
    assert (base.run.draws, base.run.seed) == (100_000, 1)
    assert base.factors == {}


def test_provenance_is_kept(base: sim.Scenario) -> None:
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


def test_loading_imports_nothing_heavy() -> None:
    """A check of a file is to start fast."""
    code = (
        "import sim, sys; sim.load(sys.argv[1]); "
        "print({'numba', 'matplotlib', 'scipy.stats', 'xarray'} & set(sys.modules))"
    )
    path = str(SHIPPED / "base.toml")
    ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "set()"


def changed(scenario: sim.Scenario, base: sim.Scenario) -> set[str]:
    """The names of quantities and hosts that differ."""
    names = {n for n, q in scenario.quantities.items() if q != base.quantities.get(n)}
    pairs = {".".join(p) for p, host in scenario.hosts.items() if host != base.hosts.get(p)}
    return names | pairs


def test_overlay_changes_only_what_it_says(folder: Folder, base: sim.Scenario) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\nmedian = 1.15\n"))
    assert changed(scenario, base) == {PUE}
    assert scenario.name == "overlay"
    assert (scenario.settings, scenario.run) == (base.settings, base.run)
    assert (scenario.labs, scenario.landlords) == (base.labs, base.landlords)


def test_overlay_that_says_nothing_changes_nothing(folder: Folder, base: sim.Scenario) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\nmedian = 1.2\nsigma = 0.3\n"))
    assert changed(scenario, base) == set()
    assert scenario.overrides == ()
    assert scenario.digest() == base.digest()


def test_overlay_of_a_median_keeps_the_rest_of_the_law(folder: Folder, base: sim.Scenario) -> None:
    scenario = folder.load(folder.overlay(f"[{POWER}]\nmedian = 0.08\n"))
    before, after = base.quantities[POWER], scenario.quantities[POWER]
    assert isinstance(before.distribution, Lognormal)
    assert after.distribution == Lognormal(
        family="lognormal", median=0.08, sigma=before.distribution.sigma
    )
    assert (after.field, after.loads, after.note) == (before.field, before.loads, before.note)
    assert after.source == "judgement"
    assert after.overrides == before.source
    (override,) = scenario.overrides
    assert override.key == f"{POWER}.median"
    assert (override.before, override.after) == (before.distribution.median, 0.08)
    assert override.by == f"{folder.root / 'overlay.toml'}:4"


def test_overlay_of_a_value_replaces_the_law(folder: Folder, base: sim.Scenario) -> None:
    scenario = folder.load(folder.overlay(f"[{POWER}]\nvalue = 0.08\n"))
    before, after = base.quantities[POWER], scenario.quantities[POWER]
    assert after.distribution == Fixed(value=0.08)
    assert (after.field, after.loads, after.note) == (before.field, before.loads, before.note)
    assert (after.source, after.overrides) == ("judgement", before.source)
    assert [o.key for o in scenario.overrides] == [f"{POWER}.value"]


def test_overlay_of_a_family_replaces_the_law(folder: Folder) -> None:
    body = f'[{RENT}]\nfamily = "logit_normal"\nmedian = 0.6\nsigma = 0.2\n'
    distribution = folder.load(folder.overlay(body)).quantities[RENT].distribution
    # The support is that of the declaration where the file does not give one.
    assert distribution == LogitNormal(family="logit_normal", median=0.6, sigma=0.2, min=0, max=1)


def test_overlay_with_a_source_is_not_marked(folder: Folder) -> None:
    body = f'[{PUE}]\nmedian = 1.15\nsource = "semianalysis-gb200"\nnote = "new"\n'
    scenario = folder.load(folder.overlay(body))
    quantity = scenario.quantities[PUE]
    assert (quantity.source, quantity.note) == ("semianalysis-gb200", "new")
    assert quantity.overrides is None
    assert [o.key for o in scenario.overrides] == [f"{PUE}.median"]


def test_overlay_of_a_source_alone_is_no_override(folder: Folder) -> None:
    scenario = folder.load(folder.overlay(f'[{PUE}]\nsource = "semianalysis-gb200"\n'))
    assert scenario.overrides == ()
    assert scenario.quantities[PUE].source == "semianalysis-gb200"
    assert scenario.quantities[PUE].overrides is None


def test_changed_loadings_are_an_override(folder: Folder, base: sim.Scenario) -> None:
    scenario = folder.load(folder.overlay(f"[{POWER}]\nloads = {{ power = 0.5 }}\n"))
    assert scenario.quantities[POWER].loads == {"power": 0.5}
    assert scenario.quantities[POWER].overrides == base.quantities[POWER].source


def test_the_date_of_a_number_goes_with_the_number(folder: Folder) -> None:
    name = "labs.openai.gw_2026q4"
    scenario = folder.load(folder.overlay(f"[{name}]\nmedian = 8\n"))
    assert scenario.quantities[name].as_of is None


def test_an_overlay_may_date_its_number(folder: Folder) -> None:
    name = "labs.openai.gw_2026q4"
    scenario = folder.load(folder.overlay(f"[{name}]\nmedian = 8\nas_of = 2026-11-01\n"))
    assert scenario.quantities[name].as_of == "2026-11-01"


def test_a_new_source_does_not_keep_the_old_date(folder: Folder) -> None:
    name = "labs.openai.gw_2026q4"
    body = f'[{name}]\nmedian = 8\nsource = "judgement"\nnote = "new"\n'
    assert folder.load(folder.overlay(body)).quantities[name].as_of is None


def test_chain_of_overlays(folder: Folder, base: sim.Scenario) -> None:
    folder.overlay(f"[{PUE}]\nmedian = 1.15\n[model]\nview = 'accounting'\n", "first.toml")
    folder.overlay(f"[{PUE}]\nsigma = 0.1\n[{RENT}]\nvalue = 0.5\n", "second.toml", "first.toml")
    last = folder.overlay(f"[{PUE}]\nmedian = 1.16\n", "third.toml", "second.toml")
    scenario = folder.load(last)
    distribution = scenario.quantities[PUE].distribution
    assert distribution == LogitNormal(family="logit_normal", median=1.16, sigma=0.1, min=1, max=2)
    assert scenario.quantities[RENT].distribution.point == 0.5
    assert scenario.settings.view == "accounting"
    assert scenario.quantities[PUE].overrides == base.quantities[PUE].source
    assert [(o.key.split(".")[-1], o.before, o.after) for o in scenario.overrides] == [
        ("median", 1.2, 1.15),
        ("view", "economic", "accounting"),
        ("sigma", 0.3, 0.1),
        ("value", {"value": 1}, 0.5),
        ("median", 1.15, 1.16),
    ]


def test_a_sourced_overlay_takes_the_mark_off(folder: Folder) -> None:
    folder.overlay(f"[{PUE}]\nmedian = 1.15\n", "first.toml")
    body = f'[{PUE}]\nmedian = 1.16\nsource = "semianalysis-gb200"\nnote = "new"\n'
    scenario = folder.load(folder.overlay(body, "second.toml", "first.toml"))
    assert scenario.quantities[PUE].source == "semianalysis-gb200"
    assert scenario.quantities[PUE].overrides is None


def test_extends_is_relative_to_the_file_that_says_it(folder: Folder) -> None:
    folder.overlay(f"[{PUE}]\nmedian = 1.15\n", "scenarios/deep/a.toml", "../../base.toml")
    # A lab beside the overlay is not one of the base case.
    shutil.copytree(folder.root / "labs", folder.root / "scenarios" / "labs")
    shutil.copy(SHIPPED / "labs/xai.toml", folder.root / "scenarios/labs/other_lab.toml")
    file = folder.overlay("[run]\nseed = 5\n", "scenarios/b.toml", "deep/a.toml")
    scenario = folder.load(file)
    assert scenario.quantities[PUE].distribution.point == 1.15
    assert scenario.run.seed == 5
    assert tuple(lab.id for lab in scenario.labs) == LABS


def test_overlays_reach_labs_hosts_and_landlords(folder: Folder, base: sim.Scenario) -> None:
    body = """
        [labs.openai.gw_2026q4]
        median = 8
        [labs.openai.host.microsoft]
        share_2026 = 0.30
        [labs.openai.host.oracle]
        share_2026 = 0.35
        rpo_share = 0.7
        [landlords.oracle.capex_2026_busd]
        median = 80
        [landlords.meta]
        name = "Meta Platforms"
    """
    scenario = folder.load(folder.overlay(body))
    assert changed(scenario, base) == {
        *{"labs.openai.gw_2026q4", "landlords.oracle.capex_2026_busd"},
        *{"openai.microsoft", "openai.oracle"},
    }
    assert scenario.quantities["labs.openai.gw_2026q4"].distribution.point == 8
    assert scenario.quantities["landlords.oracle.capex_2026_busd"].distribution == SharedSpread(
        median=80
    )
    host = scenario.hosts["openai", "oracle"]
    assert (host.share_2026, host.share_2027, host.rpo_share) == (0.35, 0.3, 0.7)
    assert host.source == "judgement"
    assert "Meta Platforms" in {landlord.name for landlord in scenario.landlords}
    assert len(scenario.overrides) == 6


def test_overlay_in_dotted_keys_and_inline_tables(folder: Folder) -> None:
    body = f"{PUE}.median = 1.15\nhardware.rented_share = {{ value = 0.5 }}\n"
    scenario = folder.load(folder.overlay(body))
    assert scenario.quantities[PUE].distribution.point == 1.15
    assert scenario.quantities[RENT].distribution.point == 0.5
    assert [override.by.rsplit(":", 1)[1] for override in scenario.overrides] == ["3", "4"]


def test_set_has_the_last_word(folder: Folder, base: sim.Scenario) -> None:
    file = folder.overlay(f"[{PUE}]\nmedian = 1.15\n[model]\nview = 'accounting'\n")
    changes = {f"{PUE}.median": 1.1, "model.view": "economic", "labs.xai.gw_2026q4.median": 3}
    scenario = folder.load(file, changes)
    assert scenario.quantities[PUE].distribution.point == 1.1
    assert scenario.quantities[PUE].overrides == base.quantities[PUE].source
    assert scenario.settings.view == "economic"
    assert changed(scenario, base) == {PUE, "labs.xai.gw_2026q4"}
    assert scenario.overrides[-1].by == "--set"


def test_set_of_a_whole_table(folder: Folder) -> None:
    scenario = folder.load(set={PUE: {"value": 1.1, "note": "mine"}})
    assert scenario.quantities[PUE].distribution == Fixed(value=1.1)
    assert scenario.quantities[PUE].note == "mine"


def test_set_does_not_change_what_it_is_given(folder: Folder) -> None:
    changes: dict[str, Any] = {PUE: {"value": 1.1}, "model.thresholds_gw": (8, 4)}
    given = copy.deepcopy(changes)
    assert folder.load(set=changes).settings.thresholds_gw == (8, 4)
    assert changes == given


def test_set_of_one_loading_keeps_the_others(folder: Folder) -> None:
    name = "hardware.accelerator_price_usd"
    scenario = folder.load(set={f"{name}.loads.demand": 0.5})
    assert scenario.quantities[name].loads == {"demand": 0.5, "capital": 0.3}


def test_set_of_a_key_and_of_its_table(folder: Folder) -> None:
    distribution = (
        folder.load(set={f"{PUE}.median": 1.1, PUE: {"sigma": 0.2}}).quantities[PUE].distribution
    )
    assert distribution == LogitNormal(family="logit_normal", median=1.1, sigma=0.2, min=1, max=2)


def test_settings_can_be_set(folder: Folder) -> None:
    changes = {
        "model.view": "accounting",
        "model.rental_mode": "market",
        "model.uncertainty": 0,
        "model.named_labs": ["xai"],
        "model.thresholds_gw": [1],
        "run.draws": 1e4,
        "run.seed": 2**64 - 1,
        "factors.demand": -2,
    }
    scenario = folder.load(set=changes)
    assert scenario.settings == type(scenario.settings)("accounting", "market", 0, ("xai",), (1,))
    assert (scenario.run.draws, scenario.run.seed) == (10_000, 2**64 - 1)
    assert isinstance(scenario.run.draws, int)
    assert scenario.factors == {"demand": -2.0}


def test_a_law_beyond_its_domain_is_remarked_upon(folder: Folder) -> None:
    life = "hardware.it_economic_life_years"

    def remarks(said: str) -> tuple[str, ...]:
        return folder.load(folder.overlay(f"[{life}]\nfamily = {said}\n")).remarks

    (remark,) = remarks('"normal"\nmean = 9\nsd = 1')
    assert remark == (
        f"{life}: 16 % of its distribution lies outside its domain, from 1 to 10, and is"
        " drawn all the same: give max"
    )
    assert remarks('"normal"\nmean = 9\nsd = 1\nmin = 2\nmax = 10') == ()
    assert remarks('"normal"\nmean = 6\nsd = 1') == ()  # a trifle


def test_the_change_log_keeps_what_each_file_said(folder: Folder) -> None:
    name = folder.overlay(f"[{POWER}]\nloads = {{ demand = 0.3 }}\n")
    first, second = folder.load(name, {f"{POWER}.loads.demand": 0.1}).overrides
    assert first.after == {"demand": 0.3}
    assert (second.before, second.after) == (0.3, 0.1)


def test_factors_of_a_file(folder: Folder) -> None:
    scenario = folder.load(folder.overlay("[factors]\ndemand = -2\ntier = 0.5\n"))
    assert scenario.factors == {"demand": -2.0, "tier": 0.5}


def test_a_lab_may_be_removed(folder: Folder) -> None:
    (folder.root / "labs/anthropic.toml").unlink()
    scenario = folder.load()
    assert "anthropic" not in {lab.id for lab in scenario.labs}
    assert not any("anthropic" in name for name in scenario.quantities)
    assert not any(lab == "anthropic" for lab, _ in scenario.hosts)
    (remark,) = scenario.remarks  # named_labs asks for it, and that is no fault
    assert "anthropic" in remark
    assert "model.named_labs" in remark


def test_a_lab_may_be_added(folder: Folder, base: sim.Scenario) -> None:
    text = (SHIPPED / "labs/deepseek.toml").read_text()
    text = re.sub(r"name = .*\norder = .*\n", 'name = "New"\norder = 2.5\n', text, count=1)
    folder.write("labs/new_lab2.toml", text)
    scenario = folder.load()
    assert [lab.id for lab in scenario.labs][:4] == [
        *("openai", "anthropic", "new_lab2", "google_deepmind"),
    ]
    assert scenario.labs[2].name == "New"
    assert set(base.quantities) < set(scenario.quantities)
    assert scenario.quantities["labs.new_lab2.gw_2025q4"].distribution.point == 0.08


def test_a_landlord_may_be_added(folder: Folder) -> None:
    shutil.copy(SHIPPED / "landlords/other.toml", folder.root / "landlords/sovereign.toml")
    assert "sovereign" in {landlord.id for landlord in folder.load().landlords}


def test_published_statements_may_be_left_out(folder: Folder) -> None:
    (folder.root / "published.toml").unlink()
    assert folder.load().published == ()


def reordered(text: str) -> str:
    """The tables of a file in the opposite order, keys too, with comments between."""
    head, *tables = re.split(r"(?m)^(?=\[)", text)
    kept = [line for line in head.splitlines() if not line.startswith("#")]
    blocks = ["\n".join(reversed(kept))]
    for table in reversed(tables):
        header, *keys = [line for line in table.splitlines() if line and line[0] != "#"]
        blocks.append("\n".join([f"{header} # here", *reversed(keys), "# end"]))
    return "\n\n".join(blocks)


def test_digest_does_not_see_order_or_comments(folder: Folder, base: sim.Scenario) -> None:
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
def test_digest_sees_every_change(base: sim.Scenario, changes: dict[str, Any]) -> None:
    assert sim.load(SHIPPED / "base.toml", set=changes).digest() != base.digest()


def test_digest_does_not_see_the_run_or_how_numbers_are_written(
    folder: Folder, base: sim.Scenario
) -> None:
    folder.change(f"{PUE}.median", "median = 12e-1")
    folder.change(f"{RENT}.value", "value = 1.0")
    assert folder.load(set={"run.draws": 7, "run.seed": 9}).digest() == base.digest()


def test_digest_sees_what_else_determines_a_run(base: sim.Scenario) -> None:
    assert len({base.digest(), base.digest(1), base.digest(2), base.digest(1, 2)}) == 4


# Faults of overlays ------------------------------------------------------------------------------


def test_unknown_lab_in_an_overlay(folder: Folder) -> None:
    fault = folder.fault(folder.overlay("[labs.opnai.gw_2026q4]\nmedian = 8\n"))
    assert (fault.file, fault.key) == ("overlay.toml", "labs.opnai")
    assert fault.message == "no such lab; did you mean 'openai'?"


def test_unknown_lab_in_an_overlay_has_a_line(folder: Folder) -> None:
    assert folder.fault(folder.overlay("[labs.opnai.gw_2026q4]\nmedian = 8\n")).line == 3


def test_unknown_landlord_in_an_overlay(folder: Folder) -> None:
    fault = folder.fault(folder.overlay("[landlords.orakle]\nrpo_busd = { value = 1 }\n"))
    assert fault[:3] == ("overlay.toml", 3, "landlords.orakle")
    assert fault.message == "no such landlord; did you mean 'oracle'?"


@pytest.mark.parametrize(
    ("body", "line", "key", "message"),
    [
        (f"[{PUE}]\nunit = 'kW'\n", 4, f"{PUE}.unit", "expected \"1\", got 'kW'"),
        (f"[{PUE}]\nsigma = -1\n", 4, f"{PUE}.sigma", "at or above 0, got -1"),
        (f"[{POWER}]\n\nmedian = 9\n", 5, f"{POWER}.median", "9 is above the bound 0.5"),
        (f"[{POWER}]\nvalue = 9\n", 4, f"{POWER}.value", "9 is above the bound 0.5"),
        (f"[{PUE}]\nvalu = 1.1\n", 4, f"{PUE}.valu", "unknown key for logit_normal"),
        (f"[{RENT}]\nmedian = 1.1\n", 4, f"{RENT}.median", "the quantity is a fixed value"),
        ("[labs.xai]\ngw_2026q4.median = 0\n", 4, "labs.xai.gw_2026q4.median", "above 0, got 0"),
        ("[labs.xai.host.oracle]\nrpo_share = 2\n", 4, f"{ROW}.rpo_share", "2 is above the bou"),
        ("[labs.xai.host.amazon]\ncaptive = false\n", 3, f"{XAI}.host.amazon", "missing source"),
        ("[run]\ndraws = 0\n", 4, "run.draws", "got 0"),
        ("[factors]\ndemnd = 1\n", 4, "factors.demnd", "did you mean 'demand'?"),
        ("[hardwear]\n", 3, "hardwear", "did you mean 'hardware'?"),
    ],
)
def test_fault_of_an_overlay(folder: Folder, body: str, line: int, key: str, message: str) -> None:
    """It is told where the overlay says so, not where the base case does."""
    faults = folder.faults(folder.overlay(body))
    assert faults[0][:3] == ("overlay.toml", line, key)
    assert message in faults[0].message
    assert len(faults) == 1 + (key == f"{XAI}.host.amazon")  # unit and source are missing there


def test_overlay_of_a_base_that_cannot_be_read(folder: Folder) -> None:
    file = folder.overlay("", "scenarios/a.toml", "../base.toml")
    folder.write("base.toml", "format 1\n")
    assert folder.fault(file)[:2] == ("base.toml", 1)


def test_format_of_an_overlay(folder: Folder) -> None:
    folder.write("overlay.toml", 'format = 2\nextends = "base.toml"\n')
    fault = folder.fault("overlay.toml")
    assert fault[:3] == ("overlay.toml", 1, "format")
    assert "please upgrade" in fault.message


def test_an_overlay_needs_a_format(folder: Folder) -> None:
    folder.write("overlay.toml", 'extends = "base.toml"\n')
    assert folder.fault("overlay.toml")[:3] == ("overlay.toml", 0, "format")


def test_a_newer_base_is_refused_below_an_overlay(folder: Folder) -> None:
    file, line, _ = folder.change("format", "format = 2")
    assert folder.fault(folder.overlay(""))[:3] == (file, line, "format")


@pytest.mark.parametrize("files", [["a"], ["a", "b"], ["a", "b", "c"]], ids=len)
def test_extends_in_a_circle(folder: Folder, files: list[str]) -> None:
    for file, below in zip(files, [*files[1:], files[0]], strict=True):
        folder.overlay("", f"{file}.toml", f"{below}.toml")
    fault = folder.fault("a.toml")
    assert fault[:3] == (f"{files[-1]}.toml", 2, "extends")
    assert fault.message.startswith("goes in a circle: ")
    assert re.findall(r"\w+(?=\.toml)", fault.message) == [*files, "a"]


def test_extends_in_a_circle_by_another_name(folder: Folder) -> None:
    assert "circle" in folder.fault(folder.overlay("", "a.toml", "labs/../a.toml")).message


def test_extends_to_a_missing_file(folder: Folder) -> None:
    folder.overlay("", "first.toml", "bse.toml")
    fault = folder.fault(folder.overlay("", "second.toml", "first.toml"))
    assert fault[:3] == ("first.toml", 2, "extends")
    assert "bse.toml: no such file; did you mean" in fault.message
    assert "base.toml" in fault.message


@pytest.mark.parametrize("target", ["labs", "", "base.toml/x", "a" * 300])
def test_extends_to_what_is_no_file(folder: Folder, target: str) -> None:
    assert folder.fault(folder.overlay("", extends=target))[:3] == ("overlay.toml", 2, "extends")


@pytest.mark.parametrize("target", ["3", "['base.toml']", "true", "{ file = 'base.toml' }"])
def test_extends_that_is_no_text(folder: Folder, target: str) -> None:
    folder.write("overlay.toml", f"format = 1\nextends = {target}\n")
    fault = folder.fault("overlay.toml")
    assert fault[:3] == ("overlay.toml", 2, "extends")
    assert fault.message.startswith("expected a file name, got ")


# Changes by `set` ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"hardware.puee.median": 1.1}, "hardware.puee", "unknown key; did you mean 'pue'?"),
        ({"hardwear.pue.median": 1.1}, "hardwear", "unknown key; did you mean 'hardware'?"),
        ({f"{PUE}.medain": 1.1}, f"{PUE}.medain", "did you mean 'median'?"),
        ({"labs.opnai.gw_2026q4.median": 8}, "labs.opnai", "no such lab; did you mean 'openai'?"),
        ({"landlords.orcl.rpo_busd.value": 8}, "landlords.orcl", "no such landlord"),
        ({"labs.xai.host.orcle.captive": True}, "labs.xai.host.orcle", "did you mean 'oracle'?"),
        ({PUE: 1.1}, PUE, "expected a table with value or family, unit and source, got 1.1"),
        ({"hardware": 3}, "hardware", "expected a table, got 3"),
        ({"labs": 1}, "labs", "expected a table, got 1"),
        ({"labs.openai.host.oracle": 3}, "labs.openai.host.oracle", "expected a table, got 3"),
        ({"labs.openai.host": "none"}, "labs.openai.host", "expected tables [host.<landlord>]"),
        ({"run": None}, "run", "expected a table, got None"),
        ({f"{PUE}.median.x": 1.1}, f"{PUE}.median", "expected a number, got {'x': 1.1}"),
        ({f"{PUE}.median": "1.1"}, f"{PUE}.median", "expected a number, got '1.1'"),
        ({f"{PUE}.median": None}, f"{PUE}.median", "expected a number, got None"),
        ({f"{POWER}.median": 9}, f"{POWER}.median", "9 is above the bound 0.5"),
        ({f"{PUE}.unit": "kW"}, f"{PUE}.unit", "expected \"1\", got 'kW'"),
        ({f"{PUE}.source": "nobody"}, f"{PUE}.source", "unknown source 'nobody'"),
        ({f"{PUE}.value": 1.1, f"{PUE}.median": 1.1}, f"{PUE}.median", "the quantity is a fixed"),
        ({f"{RENT}.median": 1}, f"{RENT}.median", "the quantity is a fixed value"),
        ({"": 1}, "", "unknown key"),
        ({"model.view": "book"}, "model.view", "expected one of economic, accounting, got 'book'"),
        ({"run.draws": 0}, "run.draws", "got 0"),
        ({"run.sampler": "none"}, "run.sampler", "unknown sampler 'none'"),
        ({"factors.demnd": 1}, "factors.demnd", "did you mean 'demand'?"),
        (
            {"factors.demand": float("nan")},
            "factors.demand",
            "expected a score from -10 to 10, got nan",
        ),
        ({"format": 2}, "format", "please upgrade"),
    ],
    ids=str,
)
def test_bad_set(folder: Folder, changes: dict[str, Any], key: str, message: str) -> None:
    fault = folder.fault(set=changes)
    assert fault[:3] == ("--set", 0, key)
    assert message in fault.message


def test_set_of_a_value_and_of_what_is_below_it(folder: Folder) -> None:
    faults = folder.faults(set={PUE: 1, f"{PUE}.median": 1.2})
    assert ("--set", 0, f"{PUE}.median", "set twice, as a value and as a table") in faults


def test_set_over_the_capacity_ratio(folder: Folder) -> None:
    for changes in (
        {f"{PUE}.median": 1.4},
        {f"{PUE}.value": 1.4},
        {"hardware.facility_capacity_ratio.value": 1.1},
    ):
        fault = folder.fault(set=changes)
        assert fault.key == PUE
        assert "is above hardware.facility_capacity_ratio, 1." in fault.message
    folder.load(set={f"{PUE}.value": 1.3, "hardware.facility_capacity_ratio.value": 1.3})


def test_set_over_the_capacity_ratio_is_told_of_set(folder: Folder) -> None:
    assert folder.fault(set={f"{PUE}.median": 1.4}).file == "--set"


def test_set_of_a_lab(folder: Folder) -> None:
    fault = folder.fault(set={"labs.openai": 1})
    assert fault == ("--set", 0, "labs.openai", "expected a table, got 1")


def test_set_of_extends(folder: Folder) -> None:
    folder.overlay("[run]\nseed = 5\n", "other.toml")
    assert folder.fault(set={"extends": "other.toml"})[:3] == ("--set", 0, "extends")


# Capex in fiscal years -----------------------------------------------------------------

CAPEX = "landlords.oracle.capex_2026_busd"
FISCAL = f"[{CAPEX}]\nfy2026 = 55.7\nfy2027 = 92\n"


def test_capex_in_fiscal_years_is_calendarised(folder: Folder) -> None:
    """Model.md 7: m/12 of the year that ends in month m, and the rest of the next."""
    scenario = folder.load(folder.overlay(FISCAL))
    quantity = scenario.quantities[CAPEX]
    assert quantity.distribution.point == pytest.approx(5 / 12 * 55.7 + 7 / 12 * 92)
    assert quantity.resolved()["fy2027"] == 92
    assert "fiscal_year_end" not in quantity.resolved()  # it is the landlord's
    assert scenario.resolved()["fiscal_year_ends"]["oracle"] == 5
    assert [(o.key.split(".")[-1], o.before, o.after) for o in scenario.overrides] == [
        ("fy2026", {"median": 77}, 55.7),
        ("fy2027", None, 92),
    ]
    assert (quantity.source, quantity.overrides) == ("judgement", "oracle-8k-2026-06")


def test_a_year_that_ends_in_december_is_the_calendar_year(folder: Folder) -> None:
    capex = "landlords.meta.capex_2026_busd"
    assert folder.load(set={f"{capex}.fy2026": 150}).quantities[capex].distribution.point == 150
    both = {f"{capex}.fy2026": 150, f"{capex}.fy2027": 999}
    fault = folder.fault(set=both)
    assert fault.key == capex
    assert "fy2027 has no part in calendar 2026" in fault.message
    in_june = {**both, "landlords.meta.fiscal_year_end": 6}
    assert folder.load(set=in_june).quantities[capex].distribution.point == pytest.approx(574.5)


def test_capex_whose_fiscal_year_is_moved_is_judgement(folder: Folder) -> None:
    source = '\nsource = "oracle-8k-2026-06"\n'
    first = folder.overlay(FISCAL.rstrip("\n") + source, "first.toml")
    assert folder.load(first).quantities[CAPEX].source == "oracle-8k-2026-06"
    moved = folder.load(first, set={"landlords.oracle.fiscal_year_end": 8}).quantities[CAPEX]
    assert (moved.source, moved.overrides) == ("judgement", "oracle-8k-2026-06")
    calendar = folder.load(set={"landlords.oracle.fiscal_year_end": 8}).quantities[CAPEX]
    assert calendar.source == "oracle-8k-2026-06"  # a calendar year stays what it is


def test_fiscal_and_calendar_years_replace_one_another(folder: Folder) -> None:
    first = folder.overlay(FISCAL, "first.toml")
    part = folder.overlay(f"[{CAPEX}]\nfy2027 = 100\n", "second.toml", first)
    distribution = folder.load(part).quantities[CAPEX].distribution
    assert distribution.point == pytest.approx(5 / 12 * 55.7 + 7 / 12 * 100)
    back = folder.overlay(f"[{CAPEX}]\nmedian = 80\n", "third.toml", part)
    assert folder.load(back).quantities[CAPEX].distribution.point == 80


def test_the_shipped_landlords_say_when_their_years_end(base: sim.Scenario) -> None:
    """Model.md 7; all others end in December."""
    ends = {party.id: party.fiscal_year_end for party in base.landlords}
    early = {"microsoft": 6, "oracle": 5, "alibaba": 3, "softbank": 3}
    assert ends == dict.fromkeys(ends, 12) | early


# Published statements ------------------------------------------------------------------


def test_statements_speak_of_ranges_totals_and_ratios(folder: Folder) -> None:
    folder.write(
        "published.toml",
        """format = 1
[[statement]]
expression = "capex_2026_busd"
total_of = ["microsoft", "meta"]
low = 300
high = 400
unit = "USD bn"
source = "source-document"
as_of = 2026-05-13
[[statement]]
expression = "arr_2026q4_busd[openai]"
per = "gw_2026q4[openai]"
value = 10
unit = "USD bn/GW"
source = "source-document"
""",
    )
    total, ratio = folder.load().published
    assert (total.total_of, total.low, total.high) == (("microsoft", "meta"), 300, 400)
    assert (total.value, total.as_of) == (None, "2026-05-13")
    assert (ratio.per, ratio.value) == ("gw_2026q4[openai]", 10)
