"""Descriptions: numbers against closed forms, messages, text, JSON."""

from __future__ import annotations

import json
import math

import pytest
from conftest import ROOT, Command
from parameter_files import PUE, RENT, Folder
from scipy import stats

import sim
from sim.model.catalogue import OUTPUTS, probability_dims
from sim.model.outputs import PROBABILITIES
from sim.parameters import describe, describe_text

BASE = str(ROOT / "params" / "base.toml")
LIVES = "hardware.it_economic_life_years"


def test_a_truncated_lognormal_is_described_in_numbers(folder: Folder) -> None:
    body = f'[{LIVES}]\nfamily = "lognormal"\np5 = 2\np95 = 8\nmin = 2\n'
    (data,) = describe.describe_quantities(folder.load(folder.overlay(body)), [LIVES])
    sigma = math.log(2) / stats.norm.ppf(0.95)
    distribution = stats.lognorm(sigma, scale=4)
    assert data["given"] == {"family": "lognormal", "p5": 2, "p95": 8, "min": 2}
    assert data["law"]["median"] == pytest.approx(4)
    assert data["cut_off"] == pytest.approx(0.05)
    assert data["quantiles"]["median"] == pytest.approx(distribution.ppf(0.05 + 0.95 / 2))
    assert data["quantiles"]["p99"] == pytest.approx(distribution.ppf(0.05 + 0.95 * 0.99))
    assert data["outside_domain"] == pytest.approx(distribution.sf(10) / 0.95)
    mean = 4 * math.exp(sigma**2 / 2) * stats.norm.sf((math.log(0.5) / sigma) - sigma) / 0.95
    assert data["mean"] == pytest.approx(mean)
    assert 0 < data["table"]["error"] < 1e-8
    assert data["table"]["bytes"] > 1_000


def test_capex_has_the_spread_of_its_scalar(base: sim.Scenario) -> None:
    name = "landlords.oracle.capex_2026_busd"
    (data,) = describe.describe_quantities(base, [name])
    sigma = base.quantities["buildout.capex_sigma"].distribution.point
    median = base.quantities[name].distribution.point
    assert data["spread_from"] == "buildout.capex_sigma"
    assert data["quantiles"]["p95"] == pytest.approx(stats.lognorm.ppf(0.95, sigma, scale=median))


def test_every_input_and_output_is_described_in_80_columns(base: sim.Scenario) -> None:
    names = [*base.quantities, *OUTPUTS]
    for data in describe.describe_quantities(base, names):
        text = describe_text.format_description(data)
        wide = [line for line in text.split("\n") if len(line) > 80 and "http" not in line]
        assert not wide, text
        assert data["name"] in text
    assert len(describe.list_inputs(base)) == len(base.quantities)
    assert max(map(len, describe_text.format_list(describe.list_inputs(base)).split("\n"))) <= 80


def test_the_text_of_an_input_has_all_its_details(folder: Folder) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\np10 = 1.1\np90 = 1.3\n"))
    text = describe_text.format_description(describe.describe_quantities(scenario, ["pue"])[0])
    for words in (
        "hardware.pue [1] Facility energy over IT energy, annual",
        "distribution logit_normal: min 1, max 2, p10 1.1, p90 1.3",
        "domain from 1 to 2",
        "p5, median, p95",
        "exact to",
        "source judgement",
        "changed by",
        "overlay.toml:5: hardware.pue.p90: set to 1.3",
    ):
        assert words in " ".join(text.split())
    fixed = describe_text.format_description(describe.describe_quantities(scenario, [RENT])[0])
    assert "value        1 (fixed)" in fixed
    assert "median" not in fixed


def test_the_text_of_an_input_has_its_group_and_no_trifles(folder: Folder) -> None:
    ratio = "hardware.it_power_ratio"
    body = f"""
[[correlation]]
name = "facility"
inputs = ["{PUE}", "{ratio}"]
kind = "spearman"
pairs = [["{PUE}", "{ratio}", 0.5]]
[{ratio}]
family = "normal"
mean = 1.7
sd = 0.1
max = 2.4
"""
    (data,) = describe.describe_quantities(folder.load(folder.overlay(body)), [ratio])
    text = " ".join(describe_text.format_description(data).split())
    assert f'tied in group "facility" (spearman) with {PUE}' in text
    assert data["cut_off"] > 0
    assert "min and max take" not in text
    assert "outside the domain" not in text


def test_the_text_of_an_output_has_dims_and_limits(base: sim.Scenario) -> None:
    text = describe_text.format_description(
        describe.describe_quantities(base, ["payback_months"])[0]
    )
    for words in ("[month]", "draw, lab", "every draw", "may be infinite", "no mean"):
        assert words in text


def test_every_probability_is_described_with_its_output_and_threshold(base: sim.Scenario) -> None:
    for data in describe.describe_quantities(base, list(PROBABILITIES)):
        text = describe_text.format_description(data)
        assert max(map(len, text.split("\n"))) <= 80
        probability = PROBABILITIES[data["name"]]
        assert (data["unit"], data["of"]) == ("1", probability.of)
        assert data["dims"] == list(probability_dims(data["name"]))
        assert data["threshold"]["values"]
        assert data["threshold"]["unit"] == OUTPUTS[probability.of].unit


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("p_gw_above", ["dims threshold, lab, quarter", "model.thresholds_gw: 8, 3 GW"]),
        ("p_top_two", ["output gw", "model.thresholds_gw: 8 GW"]),
        ("p_training_worth_it", ["output training_moic", "threshold 1 x"]),
        ("p_margin_above_hurdle", ["finance.hurdle_margin: that of each draw, median 0.6"]),
    ],
)
def test_the_text_of_a_probability_has_its_threshold(
    folder: Folder, name: str, lines: list[str]
) -> None:
    body = (
        "[model]\nthresholds_gw = [8, 3]\n"
        '[finance.hurdle_margin]\nfamily = "uniform"\nmin = 0.5\nmax = 0.7\n'
    )
    scenario = folder.load(folder.overlay(body))
    (data,) = describe.describe_quantities(scenario, [name])
    text = " ".join(describe_text.format_description(data).split())
    for line in ["a probability, the share of draws", *lines]:
        assert line in text
    assert json.loads(json.dumps(data)) == data


def test_a_moment_that_does_not_exist_is_none(folder: Folder) -> None:
    entry = 'family = "student_t"\ndf = 1.5\nmedian = 4\nscale = 0.1'
    (data,) = describe.describe_quantities(
        folder.load(folder.overlay(f"[{LIVES}]\n{entry}\n")), [LIVES]
    )
    assert (data["mean"], data["sd"]) == (pytest.approx(4), None)
    assert "mean 4   sd none" in describe_text.format_description(data)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("puee", "no such input or output; did you mean 'pue'?"),
        ("hardware.puee", "no such input or output; did you mean 'hardware.pue'?"),
        ("inference_gros_margin", "did you mean 'inference_gross_margin'?"),
        ("p_gw_abov", "no such input or output; did you mean 'p_gw_above'?"),
        ("gw_2026q4", "8 inputs are called so: labs."),
        ("params/base.toml", "a parameter file is named by --file"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    base: sim.Scenario, name: str, message: str
) -> None:
    with pytest.raises(sim.InputError) as caught:
        describe.describe_quantities(base, ["hardware.pue", name])
    assert str(caught.value).startswith(f"{name}: ")
    assert message in str(caught.value)


def test_describe_prints_text_and_json(invoke: Command) -> None:
    done = invoke("describe", "--file", BASE, "hardware.pue", "inference_gross_margin")
    assert done.returncode == 0, done.stderr
    assert "hardware.pue  [1]" in done.stdout
    assert "inference_gross_margin  [1]" in done.stdout
    done = invoke("describe", "--file", BASE, "--json", "hardware.pue", "--set", f"{PUE}.value=1.1")
    (data,) = json.loads(done.stdout)
    assert data["law"] == {"value": 1.1}
    assert data["changes"][0].startswith("--set: hardware.pue.value: family logit_normal")
    every = json.loads(invoke("describe", "--file", BASE, "--json").stdout)
    assert {"hardware.pue", "labs.openai.gw_2026q4"} <= {row["name"] for row in every}
    listed = invoke("describe", "--file", BASE).stdout
    assert "labs.openai" in listed
    assert "Grades: A first-party" in listed
    done = invoke("describe", "--file", BASE, "puee")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'pue'?" in done.stderr


def test_an_optional_input_that_no_file_gives_says_what_stands_for_it(
    base: sim.Scenario,
) -> None:
    names = ["measured_tps_decode", "labs.meta.relative_price", "landlords.meta.duration_years"]
    descriptions = describe.describe_quantities(base, names)
    assert [data["missing"] for data in descriptions] == [None, 1, None]
    assert descriptions[0]["name"] == "accelerator.measured_tps_decode"
    assert descriptions[0]["domain"] == {"min": 1e-3, "max": 1e9, "open": False}
    texts = [" ".join(describe_text.format_description(d).split()) for d in descriptions]
    assert texts[0].endswith("which no file gives: the model does without")
    assert texts[1].endswith("which no file gives: counts as 1")


def test_a_number_of_hosts_is_described_with_its_values(base: sim.Scenario) -> None:
    (data,) = describe.describe_quantities(base, ["host_share_2026"])
    assert (data["unit"], data["matrix"]) == ("1", ["lab", "landlord"])
    share = base.hosts["openai", "microsoft"].share_2026
    assert data["values"]["labs.openai.host.microsoft"]["value"] == share
    text = describe_text.format_description(data)
    assert f"labs.openai.host.microsoft {share:g}, " in text
    assert "labs.*.host.*.share_2026" in text
    for name in ("captive", "rpo_lab_share", "host_equity_busd"):
        (other,) = describe.describe_quantities(base, [name])
        assert max(map(len, describe_text.format_description(other).split("\n"))) <= 80
