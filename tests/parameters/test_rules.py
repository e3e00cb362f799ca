"""Settings, formats, and the rules that tie quantities to one another."""

from __future__ import annotations

import pytest
from parameter_files import FIXED, HOST, ORACLE, POWER, PUE, QWEN, ROW, XAI, BadChange, Folder

ARR_2025 = f"[arr_2025q4_busd]\n{FIXED.format(2)}".replace('"1"', '"USD bn"')
ARR_2027 = f"[arr_growth_2027]\n{FIXED.format(2)}".replace('"1"', '"x/yr"')


BAD: dict[str, BadChange] = {
    "unknown key of run": BadChange("run.sede", "sede = 1", "unknown key; did you mean 'seed'?"),
    "unknown key of model": BadChange(
        "model.veiw", "veiw = 1", "unknown key; did you mean 'view'?"
    ),
    "unknown key of factors": BadChange(
        "[run]", "[factors]\ndemnd = 1\n[run]", "did you mean 'demand'?", "factors.demnd", 1
    ),
    "pue above the capacity ratio": BadChange(
        f"{PUE}.median",
        "median = 1.36",
        "1.36 is above hardware.facility_capacity_ratio, 1.35",
        PUE,
        "header",
    ),
    "fixed pue above the capacity ratio": BadChange(
        f"{PUE}.*",
        FIXED.format(1.36),
        "1.36 is above hardware.facility_capacity_ratio, 1.35",
        PUE,
        "header",
    ),
    "nothing left for training": BadChange(
        f"{XAI}.inference_share.median",
        "median = 0.97",
        "0.97 + training.fine_tune_share 0.03 must be less than 1",
        f"{XAI}.inference_share",
        "header",
    ),
    "one ARR input of three": BadChange(
        f"[{QWEN}.host.alibaba]",
        f"{ARR_2025}[host.alibaba]",
        "all three ARR inputs or none; missing: arr_2026q4_busd, arr_growth_2027",
        f"{QWEN}.arr_2025q4_busd",
    ),
    "two ARR inputs of three": BadChange(
        f"[{QWEN}.host.alibaba]",
        f"{ARR_2025}{ARR_2027}[host.alibaba]",
        "all three ARR inputs or none; missing: arr_2026q4_busd",
        f"{QWEN}.arr_2025q4_busd",
    ),
    "captive without a share": BadChange(
        f"[{ROW}]",
        f"[host.amazon]\ncaptive = true\n{HOST}[host.oracle]",
        "captive, but the lab has no share there",
        f"{XAI}.host.amazon.captive",
        1,
    ),
    "more than all of a landlord's RPO": BadChange(
        f"{ROW}.rpo_share",
        "rpo_share = 0.9",
        "the labs' shares of oracle's RPO add up to 1.74, more than 1",
    ),
    "unknown sampler": BadChange(
        "run.sampler", 'sampler = "randm"', "unknown sampler 'randm'; did you mean 'random'?"
    ),
    "sampler that is a list": BadChange("run.sampler", "sampler = []", "unknown sampler []"),
    "unknown view": BadChange(
        "model.view", 'view = "book"', "expected one of economic, accounting, got 'book'"
    ),
    "unknown rental mode": BadChange(
        "model.rental_mode", "rental_mode = 1", "expected one of cost_plus, market, got 1"
    ),
    "negative uncertainty": BadChange(
        "model.uncertainty", "uncertainty = -1", "expected a number from 0 to 10, got -1"
    ),
    "infinite uncertainty": BadChange("model.uncertainty", "uncertainty = inf", "got inf"),
    "named labs as a text": BadChange(
        "model.named_labs",
        'named_labs = "openai"',
        "expected a list of different labs, got 'openai'",
    ),
    "thresholds given twice": BadChange(
        "model.thresholds_gw", "thresholds_gw = [5, 5.0]", "expected a list of different numbers"
    ),
    "no thresholds": BadChange("model.thresholds_gw", "thresholds_gw = []", "expected a list"),
    "score that is a text": BadChange(
        "[run]",
        "[factors]\ntier = 'x'\n[run]",
        "expected a score from -10 to 10, got 'x'",
        "factors.tier",
        1,
    ),
    "published ARR of a lab that reports none": BadChange(
        f"[{QWEN}.host.alibaba]",
        f"{ARR_2025.replace('2025q4', '2026q2')}[host.alibaba]",
        "gives them with these; missing: arr_2025q4_busd, arr_2026q4_busd, arr_growth_2027",
        f"{QWEN}.arr_2026q2_busd",
    ),
    "own factor of an input of no lab": BadChange(
        f"{POWER}.loads",
        "loads = { own = 0.5 }",
        "only inputs of a lab load on a factor of the lab's own",
        f"{POWER}.loads.own",
    ),
    "own factor of a landlord": BadChange(
        "landlords.oracle.capex_2026_busd.loads",
        "loads = { own = 0.5 }",
        "only inputs of a lab load on a factor of the lab's own",
        "landlords.oracle.capex_2026_busd.loads.own",
    ),
    "own factor that makes the squares exceed 1": BadChange(
        "labs.xai.gw_2026q4.loads",
        "loads = { demand = 0.9, own = 0.6 }",
        "the squares of the loadings add up to 1.17, which exceeds 1",
    ),
    "own factor that is held": BadChange(
        "[run]", "[factors]\nown = 1\n[run]", "unknown key", "factors.own", 1
    ),
    "misspelt factor of a lab": BadChange(
        "labs.xai.gw_2026q4.loads",
        "loads = { owm = 0.6 }",
        "unknown factor; did you mean 'own'?",
        "labs.xai.gw_2026q4.loads.owm",
    ),
    "newer format": BadChange(
        "format", "format = 2", "format 2 is newer than this program, which reads 1: please upgrade"
    ),
    "format that is a text": BadChange("format", 'format = "1"', "expected format = 1, got '1'"),
    "format with a fraction": BadChange("format", "format = 1.0", "expected format = 1, got 1.0"),
    "format zero": BadChange("format", "format = 0", "expected format = 1, got 0"),
    "no format": BadChange("format", "", "missing: expected format = 1", at="file"),
    "newer format of a lab": BadChange(f"{XAI}.format", "format = 2", "please upgrade"),
    "newer format of a landlord": BadChange(f"{ORACLE}.format", "format = 3", "please upgrade"),
    "newer format of the sources": BadChange("sources:format", "format = 2", "please upgrade"),
    "no format of the statements": BadChange(
        "published:format", "", "missing: expected f", at="file"
    ),
    "no format of a lab": BadChange(f"{XAI}.format", "", "missing: expected format = 1", at="file"),
    "no format of a landlord": BadChange(
        f"{ORACLE}.format", "", "missing: expected format = 1", at="file"
    ),
    "shares of 2026 that do not add up": BadChange(
        f"{ROW}.share_2026",
        "share_2026 = 0.06",
        "the share_2026 of its landlords add up to 1.01, expected 1",
        f"{XAI}.host",
        "header",
    ),
    "shares of 2027 that do not add up": BadChange(
        f"{ROW}.share_2027",
        "share_2027 = 0.04",
        "the share_2027 of its landlords add up to 0.99, expected 1",
        f"{XAI}.host",
        "header",
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_setting_or_rule_that_is_broken_is_refused(folder: Folder, bad: BadChange) -> None:
    folder.assert_refuses(bad)


def test_shares_that_do_not_add_up_are_refused_lab_by_lab(folder: Folder) -> None:
    folder.change(f"{ROW}.share_2026", "share_2026 = 0.06")
    folder.change("labs.openai.host.oracle.share_2027", "share_2027 = 0.29")
    first, second = folder.faults()
    assert (first.file, first.key) == ("labs/openai.toml", "labs.openai.host")
    assert first.message == "the share_2027 of its landlords add up to 0.99, expected 1"
    assert (second.file, second.key) == ("labs/xai.toml", "labs.xai.host")
    assert second.message == "the share_2026 of its landlords add up to 1.01, expected 1"


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        ("0", "from 1 to 1e+12, got 0"),
        ("1e30", "from 1 to 1e+12, got 1e+30"),
        ("1.5", "expected a whole number of draws from 1 to 1e+12, got 1.5"),
        ("-5", "got -5"),
        ('"many"', "expected a whole number of draws, got 'many'"),
        ("true", "got true"),
        ("nan", "got nan"),
        ("inf", "got inf"),
        ("[1]", "got [1]"),
        ("2026-05-31", "expected a whole number of draws, got"),
    ],
)
def test_a_number_of_draws_that_is_none_is_refused(
    folder: Folder, draws: str, message: str
) -> None:
    file, line, _ = folder.change("run.draws", f"draws = {draws}")
    fault = folder.fault()
    assert fault[:3] == (file, line, "run.draws")
    assert message in fault.message


@pytest.mark.parametrize("seed", ["-1", "1.0", "18446744073709551616", '"a"', "true", "nan"])
def test_a_seed_that_is_none_is_refused(folder: Folder, seed: str) -> None:
    file, line, _ = folder.change("run.seed", f"seed = {seed}")
    fault = folder.fault()
    assert fault[:3] == (file, line, "run.seed")
    assert "expected a whole number from 0 to 2^64 - 1, got" in fault.message


def test_an_offset_that_leaves_no_book_life_is_refused(folder: Folder) -> None:
    folder.change(f"{ORACLE}.book_life_offset_years.value", "value = -3")
    life = "hardware.it_book_life_years"
    with_three = folder.overlay(f"[{life}]\nvalue = 3\n")
    fault = folder.fault(with_three)
    assert fault.key == f"{ORACLE}.book_life_offset_years"
    assert fault.message == f"-3 leaves no book life of {life}, 3"
    folder.load()  # a sampled life stays above the lower end of its domain


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


def test_a_file_holds_factors_at_scores(folder: Folder) -> None:
    scenario = folder.load(folder.overlay("[factors]\ndemand = -2\ntier = 0.5\n"))
    assert scenario.factors == {"demand": -2.0, "tier": 0.5}


def test_a_newer_format_of_an_overlay_is_refused(folder: Folder) -> None:
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


def test_set_beyond_the_capacity_ratio_is_refused(folder: Folder) -> None:
    for changes in (
        {f"{PUE}.median": 1.4},
        {f"{PUE}.value": 1.4},
        {"hardware.facility_capacity_ratio.value": 1.1},
    ):
        fault = folder.fault(set=changes)
        assert fault.key == PUE
        assert "is above hardware.facility_capacity_ratio, 1." in fault.message
    folder.load(set={f"{PUE}.value": 1.3, "hardware.facility_capacity_ratio.value": 1.3})


def test_a_capacity_ratio_that_set_breaks_is_a_fault_of_set(folder: Folder) -> None:
    assert folder.fault(set={f"{PUE}.median": 1.4}).file == "--set"
