"""Overlays: what they replace, what they keep, and the record of changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parameter_files import POWER, PUE, RENT, ROW, XAI, XAI_FILE, Folder, changed_names
from scipy.special import ndtri

import sim
from sim.distributions.discrete import Fixed
from sim.distributions.landlord_capex import SharedSpread
from sim.distributions.normal import LogitNormal, Lognormal
from sim.parameters.distribution_errors import read_named_distribution

CAPEX, TOKENS = "landlords.oracle.capex_2026_busd", "workload.mean_context_tokens"
FISCAL_YEARS = f"[{CAPEX}]\nfy2026 = 55.7\nfy2027 = 92\n"
LOGNORMAL = 'family="lognormal"\n'


def test_an_overlay_changes_only_its_own_keys(folder: Folder, base: sim.Scenario) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\nmedian = 1.15\n"))
    assert changed_names(scenario, base) == {PUE}
    assert scenario.name == "overlay"
    assert (scenario.settings, scenario.run) == (base.settings, base.run)
    assert (scenario.labs, scenario.landlords) == (base.labs, base.landlords)


def test_an_overlay_with_the_same_numbers_changes_nothing(
    folder: Folder, base: sim.Scenario
) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\nmedian = 1.2\nsigma = 0.3\n"))
    assert changed_names(scenario, base) == set()
    assert scenario.overrides == ()
    assert scenario.digest() == base.digest()


def test_an_overlay_of_a_median_keeps_the_rest_of_the_distribution(
    folder: Folder, base: sim.Scenario
) -> None:
    scenario = folder.load(folder.overlay(f"[{POWER}]\nmedian = 0.08\n"))
    before, after = base.quantities[POWER], scenario.quantities[POWER]
    assert isinstance(before.distribution, Lognormal)
    assert after.distribution == Lognormal(
        family="lognormal", median=0.08, sigma=before.distribution.sigma
    )
    assert (after.field, after.loads) == (before.field, before.loads)
    assert after.note is None  # it was about the old number
    assert after.source == "judgement"
    assert after.overrides == before.source
    (override,) = scenario.overrides
    assert override.key == f"{POWER}.median"
    assert (override.before, override.after) == (before.distribution.median, 0.08)
    assert override.by == f"{folder.root / 'overlay.toml'}:4"


def test_an_overlay_of_a_value_replaces_the_distribution(
    folder: Folder, base: sim.Scenario
) -> None:
    scenario = folder.load(folder.overlay(f"[{POWER}]\nvalue = 0.08\n"))
    before, after = base.quantities[POWER], scenario.quantities[POWER]
    assert after.distribution == Fixed(value=0.08)
    assert (after.field, after.loads) == (before.field, before.loads)
    assert after.note is None  # it was about the old number
    assert (after.source, after.overrides) == ("judgement", before.source)
    assert [o.key for o in scenario.overrides] == [f"{POWER}.value"]


def test_an_overlay_of_a_family_replaces_the_distribution(folder: Folder) -> None:
    body = f'[{RENT}]\nfamily = "logit_normal"\nmedian = 0.6\nsigma = 0.2\n'
    distribution = folder.load(folder.overlay(body)).quantities[RENT].distribution
    # The support is that of the declaration where the file does not give one.
    assert distribution == LogitNormal(family="logit_normal", median=0.6, sigma=0.2, min=0, max=1)


def test_an_overlay_with_a_source_is_not_marked_as_judgement(folder: Folder) -> None:
    body = f'[{PUE}]\nmedian = 1.15\nsource = "semianalysis-gb200"\nnote = "new"\n'
    scenario = folder.load(folder.overlay(body))
    quantity = scenario.quantities[PUE]
    assert (quantity.source, quantity.note) == ("semianalysis-gb200", "new")
    assert quantity.overrides is None
    assert [o.key for o in scenario.overrides] == [f"{PUE}.median"]


def test_an_overlay_of_a_source_alone_is_no_override(folder: Folder) -> None:
    scenario = folder.load(folder.overlay(f'[{PUE}]\nsource = "semianalysis-gb200"\n'))
    assert scenario.overrides == ()
    assert scenario.quantities[PUE].source == "semianalysis-gb200"
    assert scenario.quantities[PUE].overrides is None


def test_changed_loadings_are_an_override(folder: Folder, base: sim.Scenario) -> None:
    scenario = folder.load(folder.overlay(f"[{POWER}]\nloads = {{ power = 0.5 }}\n"))
    assert scenario.quantities[POWER].loads == {"power": 0.5}
    assert scenario.quantities[POWER].overrides == base.quantities[POWER].source


def test_a_single_changed_loading_is_judgement(folder: Folder, base: sim.Scenario) -> None:
    name = "hardware.accelerator_price_usd"
    same = base.quantities[name].loads["demand"]
    before, after = base.quantities[name], folder.load(set={f"{name}.loads.demand": 0.25})
    assert same != 0.25
    assert before.source != "judgement"
    quantity = after.quantities[name]
    assert (quantity.source, quantity.overrides) == ("judgement", before.source)
    kept = folder.load(set={f"{name}.loads.demand": same}).quantities[name]
    assert (kept.source, kept.overrides) == (before.source, None)


@pytest.mark.parametrize(
    ("in_base", "in_own_file", "key", "is_table_expected"),
    [
        ("gw_2025q4.value = 2", "gw_2025q4.value = 1", "labs.xai.gw_2025q4.value", False),
        ("gw_2025q4.value = 2", "gw_2025q4 = 1", "labs.xai.gw_2025q4", False),
        ("gw_2025q4 = 2", "gw_2025q4.value = 1", "labs.xai.gw_2025q4", True),
    ],
)
def test_a_number_of_a_lab_in_two_files_is_refused(
    folder: Folder, in_base: str, in_own_file: str, key: str, is_table_expected: bool
) -> None:
    folder.change("labs/xai:name", f'name = "xAI"\n{in_own_file}')
    folder.change("labs/xai:[gw_2025q4]", "[unused]")
    text = (folder.root / "base.toml").read_text()
    folder.write("base.toml", f"{text}\n[labs.xai]\n{in_base}\n")
    (fault,) = [fault for fault in folder.faults() if fault.file == "base.toml"]
    message = f"is given in {folder.root / XAI_FILE} too: labs and landlords have their own files"
    expected = "expected a table, got 2" if is_table_expected else message
    assert (fault.key, fault.message) == (key, expected)


def test_a_changed_number_loses_the_date_of_the_old_one(folder: Folder) -> None:
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


def test_overlays_of_a_chain_are_laid_over_one_another(folder: Folder, base: sim.Scenario) -> None:
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


def test_an_overlay_with_a_source_is_judgement_no_longer(folder: Folder) -> None:
    folder.overlay(f"[{PUE}]\nmedian = 1.15\n", "first.toml")
    body = f'[{PUE}]\nmedian = 1.16\nsource = "semianalysis-gb200"\nnote = "new"\n'
    scenario = folder.load(folder.overlay(body, "second.toml", "first.toml"))
    assert scenario.quantities[PUE].source == "semianalysis-gb200"
    assert scenario.quantities[PUE].overrides is None


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
    assert changed_names(scenario, base) == {
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


def test_an_overlay_may_use_dotted_keys_and_inline_tables(folder: Folder) -> None:
    body = f"{PUE}.median = 1.15\nhardware.rented_share = {{ value = 0.5 }}\n"
    scenario = folder.load(folder.overlay(body))
    assert scenario.quantities[PUE].distribution.point == 1.15
    assert scenario.quantities[RENT].distribution.point == 0.5
    assert [override.by.rsplit(":", 1)[1] for override in scenario.overrides] == ["3", "4"]


def test_overrides_keep_the_values_of_each_file(folder: Folder) -> None:
    name = folder.overlay(f"[{POWER}]\nloads = {{ demand = 0.3 }}\n")
    first, second = folder.load(name, {f"{POWER}.loads.demand": 0.1}).overrides
    assert first.after == {"demand": 0.3}
    assert (second.before, second.after) == (0.3, 0.1)


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
def test_a_fault_of_an_overlay_is_located_in_the_overlay(
    folder: Folder, body: str, line: int, key: str, message: str
) -> None:
    faults = folder.faults(folder.overlay(body))
    assert faults[0][:3] == ("overlay.toml", line, key)
    assert message in faults[0].message
    assert len(faults) == 1 + (key == f"{XAI}.host.amazon")  # unit and source are missing there


def test_capex_whose_fiscal_year_is_moved_is_judgement(folder: Folder) -> None:
    source = '\nsource = "oracle-8k-2026-06"\n'
    first = folder.overlay(FISCAL_YEARS.rstrip("\n") + source, "first.toml")
    assert folder.load(first).quantities[CAPEX].source == "oracle-8k-2026-06"
    moved = folder.load(first, set={"landlords.oracle.fiscal_year_end": 8}).quantities[CAPEX]
    assert (moved.source, moved.overrides) == ("judgement", "oracle-8k-2026-06")
    calendar = folder.load(set={"landlords.oracle.fiscal_year_end": 8}).quantities[CAPEX]
    assert calendar.source == "oracle-fy27q1-2026"  # a calendar year stays what it is


def test_fiscal_and_calendar_years_replace_one_another(folder: Folder) -> None:
    first = folder.overlay(FISCAL_YEARS, "first.toml")
    part = folder.overlay(f"[{CAPEX}]\nfy2027 = 100\n", "second.toml", first)
    distribution = folder.load(part).quantities[CAPEX].distribution
    assert distribution.point == pytest.approx(55.7 ** (5 / 12) * 100 ** (7 / 12))
    back = folder.overlay(f"[{CAPEX}]\nmedian = 80\n", "third.toml", part)
    assert folder.load(back).quantities[CAPEX].distribution.point == 80


def overlaid(folder: Folder, below: str, above: str, name: str = POWER) -> sim.Scenario:
    """A scenario of two overlays, `below` a whole distribution."""
    folder.overlay(f"[{name}]\n{below}\n", "below.toml")
    return folder.load(folder.overlay(f"[{name}]\n{above}\n", extends="below.toml"))


PAIRS = "quantiles=[[0.1, 0.05], [0.9, 0.2]]"


OVERLAYS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "quantiles over parameters": (
        f"{LOGNORMAL}median=0.07\nsigma=0.2\nmax=0.5", "p10=0.05\np90=0.2",
        {"family": "lognormal", "p10": 0.05, "p90": 0.2, "max": 0.5},
    ),
    "one quantile over quantiles": (
        f"{LOGNORMAL}p10=0.05\np90=0.1", "p90=0.2", {"family": "lognormal", "p10": 0.05, "p90": 0.2}
    ),
    "parameters over quantiles": (
        f"{LOGNORMAL}p10=0.05\np90=0.1\nmin=0.01", "median=0.07\nsigma=0.2",
        {"family": "lognormal", "median": 0.07, "sigma": 0.2, "min": 0.01},
    ),
    "moments over parameters": (
        f"{LOGNORMAL}median=0.07\nsigma=0.2", "mean=0.08\nsd=0.01",
        {"family": "lognormal", "mean": 0.08, "sd": 0.01},
    ),
    "one moment over moments": (
        f"{LOGNORMAL}mean=0.07\nsd=0.02", "sd=0.01",
        {"family": "lognormal", "mean": 0.07, "sd": 0.01},
    ),
    "quantiles over moments": (
        f"{LOGNORMAL}mean=0.07\nsd=0.02", PAIRS, {"family": "lognormal", "p10": 0.05, "p90": 0.2}
    ),
    "pairs over quantiles": (
        f"{LOGNORMAL}p5=0.03\np95=0.3", PAIRS, {"family": "lognormal", "p10": 0.05, "p90": 0.2}
    ),
    "a median over a median": (
        'family="student_t"\ndf=4\nmedian=0.07\nscale=0.01', "median=0.08",
        {"family": "student_t", "df": 4, "median": 0.08, "scale": 0.01},
    ),
    "quantiles keep what they do not stand for": (
        'family="student_t"\ndf=4\nmedian=0.07\nscale=0.01', "p10=0.05\np90=0.1",
        {"family": "student_t", "df": 4, "p10": 0.05, "p90": 0.1},
    ),
    "quantiles over ends": (
        'family="uniform"\nmin=0.05\nmax=0.1', "p10=0.05\np90=0.13",
        {"family": "uniform", "min": 0.04, "max": 0.14},
    ),
    "a mean that is a parameter": (
        'family="normal"\nmean=0.07\nsd=0.01', "mean=0.08",
        {"family": "normal", "mean": 0.08, "sd": 0.01},
    ),
    "a family over a distribution": (
        f"{LOGNORMAL}p10=0.05\np90=0.1\nmin=0.01", 'family="uniform"\nmin=0.05\nmax=0.1',
        {"family": "uniform", "min": 0.05, "max": 0.1},
    ),
    "values over a file": (
        'family="empirical"\nfile="power.csv"', "values=[0.05, 0.06]",
        {"family": "empirical", "values": [0.05, 0.06]},
    ),
    "a shape of scipy": (
        'family="scipy.gamma"\na=2\nscale=0.05', "a=3",
        {"family": "scipy.gamma", "a": 3, "scale": 0.05},
    ),
    "a value over a distribution of scipy": ('family="scipy.gamma"\na=2\nscale=0.05', "value=0.1",
        {"value": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_of_each_form_replaces_the_others(
    folder: Folder, base: sim.Scenario, name: str
) -> None:
    below, above, expected = OVERLAYS[name]
    folder.write("power.csv", "usd\n0.05\n0.07\n")
    quantity = overlaid(folder, below, above).quantities[POWER]
    quantiles, wanted = (
        distribution.quantile(ndtri([0.1, 0.5, 0.9]))
        for distribution in (quantity.distribution, read_named_distribution(expected, "x"))
    )
    np.testing.assert_allclose(quantiles, wanted, rtol=1e-12)
    before = base.quantities[POWER]
    assert (quantity.loads, quantity.note) == (before.loads, None)
    assert (quantity.source, quantity.overrides) == ("judgement", before.source)


def test_overrides_name_the_distribution_that_quantiles_replaced(folder: Folder) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\np10 = 1.1\np90 = 1.3\n"))
    assert [str(override) for override in scenario.overrides] == [
        f"{PUE}.p10: family logit_normal, median 1.2, sigma 0.3, min 1, max 2 -> 1.1",
        f"{PUE}.p90: set to 1.3",
    ]
    distribution = scenario.quantities[PUE].distribution
    assert isinstance(distribution, LogitNormal)
    assert (distribution.min, distribution.max) == (1, 2)
    np.testing.assert_allclose(distribution.quantile(ndtri([0.1, 0.9])), [1.1, 1.3])


def test_what_was_not_there_is_set_number_by_number(folder: Folder) -> None:
    body = "[factors]\ndemand = -2\npower = 1\n"
    scenario = folder.load(folder.overlay(body), {"factors.capital": 0.5})
    texts = [f"{override.by.rpartition('/')[2]}: {override}" for override in scenario.overrides]
    assert texts == [
        "overlay.toml:4: factors.demand: set to -2",
        "overlay.toml:5: factors.power: set to 1",
        "--set: factors.capital: set to 0.5",
    ]
    assert [override.before for override in scenario.overrides] == [None] * 3


def test_quantiles_can_be_set(folder: Folder) -> None:
    distribution = (
        folder.load(set={f"{PUE}.p10": 1.1, f"{PUE}.p90": 1.3}).quantities[PUE].distribution
    )
    np.testing.assert_allclose(distribution.quantile(ndtri([0.1, 0.9])), [1.1, 1.3])
    distribution = (
        folder.load(set={f"{PUE}.quantiles": [[0.1, 1.1], [0.9, 1.3]]}).quantities[PUE].distribution
    )
    np.testing.assert_allclose(distribution.quantile(ndtri([0.1, 0.9])), [1.1, 1.3])


@pytest.mark.parametrize("lab", ["p5", "scale"])
def test_a_lab_may_have_the_name_of_a_key_of_distributions(folder: Folder, lab: str) -> None:
    text = (folder.root / "labs" / "xai.toml").read_text().replace("rpo_share", "# rpo_share")
    folder.write(f"labs/{lab}.toml", text)
    scenario = folder.load(folder.overlay(f"[labs.{lab}.gw_2026q4]\nmedian = 2\n"))
    assert scenario.quantities[f"labs.{lab}.gw_2026q4"].distribution.point == 2
    assert f"labs.{lab}.gw_2025q4" in scenario.quantities


def test_parameters_that_replace_quantiles_are_enough_together(folder: Folder) -> None:
    file = folder.overlay(f"[{TOKENS}]\n{LOGNORMAL}p10=9\np90=19\n")
    changes = {f"{TOKENS}.median": 12, f"{TOKENS}.sigma": 0.2}
    assert folder.load(file, changes).quantities[TOKENS].distribution.point == 12
