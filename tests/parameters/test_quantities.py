"""The quantities of files: distribution, loadings, provenance, and what is wrong with them."""

from __future__ import annotations

import pytest
from parameter_files import FIXED, ORACLE, POWER, PUE, RENT, XAI, BadChange, Folder

from sim.distributions.normal import LogitNormal

DUTY, DRAFT = "utilisation.duty_cycle_fine_tune", "workload.draft_tokens"
FINITE, NUMBER = "expected a finite number, got", "expected a number, got"
CAPEX = f"{ORACLE}.capex_2026_busd"
FISCAL_YEARS = f"[{CAPEX}]\nfy2026 = 55.7\nfy2027 = 92\n"


BAD: dict[str, BadChange] = {
    "unknown quantity": BadChange(
        f"[{PUE}]", f"[hardware.puee]\n[{PUE}]", "unknown key; did you mean 'pue'?", "hardware.puee"
    ),
    "unknown key of a value": BadChange(
        f"{RENT}.sorce", "sorce = 1", "unknown key for a fixed value; did you mean 'source'?"
    ),
    "unknown key of a distribution": BadChange(
        f"{PUE}.notes", 'notes = ""', "did you mean 'note'?"
    ),
    "unknown key of a lab": BadChange(
        f"{XAI}.gw_2026q3", "gw_2026q3 = 1", "unknown key; did you mean 'gw_2026q4'?"
    ),
    "unknown key of a landlord": BadChange(
        f"{ORACLE}.rpo_bsd", "rpo_bsd = 1", "unknown key; did you mean 'rpo_busd'?"
    ),
    "a delay, which no file gives": BadChange(
        f"{XAI}.lab_delay_quarters", "lab_delay_quarters = 1", "unknown key"
    ),
    "wrong unit": BadChange(f"{PUE}.unit", 'unit = "kW"', "expected \"1\", got 'kW'"),
    "unit that is a number": BadChange(f"{PUE}.unit", "unit = 1", 'expected "1", got 1'),
    "missing unit": BadChange(
        f"{PUE}.unit", "", 'missing unit: expected unit = "1"', PUE, "header"
    ),
    "missing source": BadChange(
        f"{PUE}.source", "", "missing source: expected an id of sources.toml", PUE, "header"
    ),
    "unknown source": BadChange(
        f"{PUE}.source",
        'source = "cottier-trainig-cost-2024"',
        "did you mean 'cottier-training-cost-2024'?",
    ),
    "source that is a list": BadChange(
        f"{PUE}.source", "source = []", "expected an id of sources.toml"
    ),
    "judgement without a note": BadChange(
        f"{RENT}.note", "", "judgement needs a note", f"{RENT}.source", -1
    ),
    "judgement with an empty note": BadChange(
        f"{RENT}.note", 'note = ""', "judgement needs a note", f"{RENT}.source", -1
    ),
    "note that is a number": BadChange(f"{PUE}.note", "note = 1", "expected a text, got 1"),
    "date that is a text": BadChange(
        f"{PUE}.as_of", 'as_of = "2026"', "expected a date such as 2026-05-31, got '2026'"
    ),
    "value above its bound": BadChange(
        f"{RENT}.value", "value = 1.2", "1.2 is above the bound 1 (Rented"
    ),
    "value below its bound": BadChange(
        f"{RENT}.value", "value = -1", "-1 is below the bound 0 (Rented s"
    ),
    "median above its bound": BadChange(
        f"{POWER}.median", "median = 0.9", "0.9 is above the bound 0.5 ("
    ),
    "median below its bound": BadChange(
        f"{POWER}.median", "median = 1e-3", "0.001 is below the bound 0.005 (Delivered power price"
    ),
    "support beyond the bounds": BadChange(
        f"{PUE}.min", "min = 0.5", "0.5 is below the bound 1 (Facility"
    ),
    "median outside of its support": BadChange(
        f"{PUE}.max", "max = 1.1", "expected min < median < max, got 1, 1.2, 1.1", PUE, "header"
    ),
    "value at an exclusive bound": BadChange(
        f"{XAI}.gw_2025q4.value", "value = 0", "0 is not above the bound 0 (Gigawatts at the"
    ),
    "duty of zero": BadChange(
        f"{DUTY}.*", FIXED.format(0), "0 is not above the bound 0 (Share of paid", f"{DUTY}.value"
    ),
    "part of a token": BadChange(
        f"{DRAFT}.value", "value = 1.5", "1.5 is not a whole number (Specul"
    ),
    "sampled whole number": BadChange(
        f"{DRAFT}.value",
        'family = "normal"\nmean = 1\nsd = 0.5',
        "a whole number cannot be sampled",
        f"{DRAFT}.family",
    ),
    "half a flag": BadChange(
        f"{XAI}.lab_is_china.value", "value = 0.5", "0.5 is not a whole number (Chinese lab"
    ),
    "nan": BadChange(f"{PUE}.median", "median = nan", f"{FINITE} nan"),
    "infinite": BadChange(f"{RENT}.value", "value = inf", f"{FINITE} inf"),
    "minus infinite": BadChange(f"{PUE}.sigma", "sigma = -inf", "got -inf"),
    "text for a number": BadChange(f"{PUE}.median", 'median = "1.2"', f"{NUMBER} '1.2'"),
    "flag for a number": BadChange(f"{RENT}.value", "value = true", f"{NUMBER} true"),
    "list for a number": BadChange(f"{RENT}.value", "value = [1]", f"{NUMBER} [1]"),
    "table for a number": BadChange(f"{RENT}.value", "value = { a = 1 }", f"{NUMBER} {{'a': 1}}"),
    "date for a number": BadChange(f"{RENT}.value", "value = 2026-01-01", NUMBER),
    "unknown family": BadChange(
        f"{PUE}.family", 'family = "logitnormal"', "unknown family 'logitnormal'; did you mean 'log"
    ),
    "family that is a number": BadChange(f"{PUE}.family", "family = 1", "unknown family 1"),
    "neither value nor family": BadChange(
        f"{RENT}.value", "", "missing value or family", RENT, "header"
    ),
    "missing parameter": BadChange(f"{PUE}.sigma", "", "missing sigma", PUE, "header"),
    "parameter beside others": BadChange(
        f"{POWER}.mean", "mean = 1", "give median, sigma or mean and sd, not both", POWER, "header"
    ),
    "value beside a family": BadChange(f"{POWER}.value", "value = 1", "unknown key for lognormal"),
    "spread of one landlord": BadChange(
        f"{ORACLE}.capex_2026_busd.sigma", "sigma = 0.1", "whose spread is buildout.capex_sigma"
    ),
    "negative spread": BadChange(
        f"{PUE}.sigma", "sigma = -1", "expected a number at or above 0, got -1"
    ),
    "lognormal at zero": BadChange(
        f"{POWER}.median", "median = 0", "expected a number above 0, got 0"
    ),
    "unknown factor": BadChange(
        f"{POWER}.loads",
        "loads = { powr = 0.7 }",
        "unknown factor; did you mean 'power'?",
        f"{POWER}.loads.powr",
    ),
    "loadings that exceed one": BadChange(
        f"{POWER}.loads", "loads = { power = 0.8, tier = 0.7 }", "add up to 1.13, which exceeds 1"
    ),
    "loadings that are no table": BadChange(
        f"{POWER}.loads", "loads = 0.7", "expected a table such as { power = 0.7 }, got 0.7"
    ),
    "loading that is a text": BadChange(
        f"{POWER}.loads", 'loads = { power = "a" }', f"{NUMBER} 'a'", f"{POWER}.loads.power"
    ),
    "loading that is not finite": BadChange(
        f"{POWER}.loads", "loads.power = inf", f"{FINITE} inf", f"{POWER}.loads.power"
    ),
    "logit-normal median below its bound": BadChange(
        f"{PUE}.median", "median = 0.9", "0.9 is below the bound 1 (Facility energy over IT en"
    ),
    "median of a duty at its exclusive bound": BadChange(
        f"{DUTY}.median", "median = 0", "0 is not above the bound 0 (Share of paid hours"
    ),
    "mark of an override in a file": BadChange(f"{PUE}.overrides", "overrides = 1", "unknown key"),
    "sampled flag": BadChange(
        f"{XAI}.lab_is_china.value",
        'family = "normal"\nmean = 1\nsd = 0.5',
        "cannot be sampled",
        f"{XAI}.lab_is_china.family",
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_quantity_with_a_fault_is_refused(folder: Folder, bad: BadChange) -> None:
    folder.assert_refuses(bad)


def test_a_misspelt_quantity_is_unknown_and_missing(folder: Folder) -> None:
    """The same mistake seen twice: what is there, and what is not."""
    _, line, _ = folder.change(f"[{PUE}]", "[hardware.puee]")
    missing, unknown = folder.faults()
    assert missing[:3] == ("base.toml", 0, PUE)
    assert "missing: Facility energy over IT energy" in missing.message
    assert unknown == ("base.toml", line, "hardware.puee", "unknown key; did you mean 'pue'?")


@pytest.mark.parametrize(
    ("body", "key", "message"),
    [
        ("fy2026 = 55.7", CAPEX, "missing fy2027: 7 months of calendar 2026 lie in it"),
        ("fy2027 = 92", CAPEX, "missing fy2026 (capex in fiscal years takes"),
        ("fy2026 = -1\nfy2027 = 92", f"{CAPEX}.fy2026", "expected a number above 0, got -1"),
        ("fy2026 = 55.7\nfy2027 = nan", f"{CAPEX}.fy2027", "expected a finite number, got nan"),
        ("fy2026 = 55.7\nfy2027 = 2e4", f"{CAPEX}.fy2027", "20000 is above the bound 10000"),
        ('fy2026 = "56"\nfy2027 = 92', f"{CAPEX}.fy2026", "expected a number, got '56'"),
        ("fy2026 = 5\nfy2028 = 9", f"{CAPEX}.fy2028", "unknown key for capex in fiscal years"),
        (
            "fy2026 = 55.7\nfy2027 = 92\nmedian = 80",
            f"{CAPEX}.median",
            "unknown key for capex in fiscal years",
        ),
        (
            "fy2026 = 55.7\nfy2027 = 92\nfiscal_year_end = 5",
            f"{CAPEX}.fiscal_year_end",
            "stands at the top of the landlord's file",
        ),
    ],
)
def test_fiscal_years_with_a_fault_are_refused(
    folder: Folder, body: str, key: str, message: str
) -> None:
    faults = folder.faults(folder.overlay(f"[{CAPEX}]\n{body}\n"))
    same = [fault for fault in faults if fault.key == key and message in fault.message]
    assert len(same) == 1, faults
    assert same[0].file == "overlay.toml"
    assert 3 <= same[0].line <= 6


def test_fiscal_years_are_for_capex_alone(folder: Folder) -> None:
    body = f"[{ORACLE}.capex_growth_2027]\nfy2026 = 1\n"
    assert "unknown key" in folder.fault(folder.overlay(body)).message
    assert folder.faults(folder.overlay(f"[{PUE}]\nfy2026 = 1\n"))


def test_negative_capex_is_refused(folder: Folder) -> None:
    file, line, _ = folder.change(f"{CAPEX}.median", "median = -77")
    fault = folder.fault()
    assert (fault.file, fault.line, fault.key) == (file, line, f"{CAPEX}.median")
    assert fault.message == "expected a number above 0, got -77"


def test_capex_in_fiscal_years_is_calendarised(folder: Folder) -> None:
    """(7.14): one rate of growth through the year that ends in month m, and the next."""
    scenario = folder.load(folder.overlay(FISCAL_YEARS))
    quantity = scenario.quantities[CAPEX]
    assert quantity.distribution.point == pytest.approx(55.7 ** (5 / 12) * 92 ** (7 / 12))
    assert quantity.resolved()["fy2027"] == 92
    assert "fiscal_year_end" not in quantity.resolved()  # it is the landlord's
    assert scenario.resolved()["fiscal_year_ends"]["oracle"] == 5
    assert [(o.key.split(".")[-1], o.before, o.after) for o in scenario.overrides] == [
        ("fy2026", {"median": 90}, 55.7),
        ("fy2027", None, 92),
    ]
    assert (quantity.source, quantity.overrides) == ("judgement", "oracle-fy27q1-2026")


def test_a_year_that_ends_in_december_is_the_calendar_year(folder: Folder) -> None:
    capex = "landlords.meta.capex_2026_busd"
    assert folder.load(set={f"{capex}.fy2026": 150}).quantities[capex].distribution.point == 150
    both = {f"{capex}.fy2026": 150, f"{capex}.fy2027": 999}
    fault = folder.fault(set=both)
    assert fault.key == capex
    assert "fy2027 has no part in calendar 2026" in fault.message
    in_june = {**both, "landlords.meta.fiscal_year_end": 6}
    assert folder.load(set=in_june).quantities[capex].distribution.point == pytest.approx(
        (150 * 999) ** 0.5
    )


def test_a_logit_normal_has_the_bounds_of_its_field(folder: Folder) -> None:
    distribution = folder.distribution(RENT, 'family="logit_normal"\np10=0.2\np90=0.8')
    assert isinstance(distribution, LogitNormal)
    assert (distribution.min, distribution.max, round(distribution.median, 12)) == (0, 1, 0.5)
