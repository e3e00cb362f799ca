"""What `sim describe` says: numbers against closed forms, messages, text, JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, Command
from parameter_files import PUE, RENT, Folder
from scipy import stats

import sim
from sim.distributions import text_density
from sim.distributions.moments import moments
from sim.parameters import describe
from sim.parameters.distribution_errors import read_named_distribution

BASE = str(ROOT / "params" / "base.toml")
LIVES = "hardware.it_economic_life_years"


@pytest.fixture
def folder(params: Path) -> Folder:
    return Folder(params)


CUT = stats.truncnorm(0.5, np.inf)
MOMENTS: list[tuple[dict[str, Any], float, float]] = [
    (
        {"family": "lognormal", "median": 2, "sigma": 1.5},
        2 * math.exp(1.125),
        2 * math.exp(1.125) * math.sqrt(math.expm1(2.25)),
    ),
    ({"family": "normal", "mean": 0, "sd": 1, "min": 0.5}, CUT.mean(), CUT.std()),
    ({"family": "uniform", "min": 1, "max": 4}, 2.5, 0.75**0.5),
    ({"family": "triangular", "min": 0, "mode": 1, "max": 1}, 2 / 3, 18**-0.5),
    ({"family": "beta", "a": 0.5, "b": 0.5}, 0.5, 8**-0.5),
    ({"family": "student_t", "df": 2.2, "median": 1, "scale": 2}, 1, 2 * 11**0.5),
    ({"family": "student_t", "df": 1.5, "median": 1, "scale": 2}, 1, math.nan),
    ({"family": "student_t", "df": 1, "median": 1, "scale": 2}, math.nan, math.nan),
    ({"family": "scipy.gamma", "a": 3}, 3, 3**0.5),
    ({"family": "discrete", "values": [1, 3], "weights": [1, 3]}, 2.5, 0.75**0.5),
    (
        {"family": "mixture", "components": [0, {"family": "uniform", "min": 4, "max": 6}],
         "weights": [3, 1]},
        1.25, (0.25 * (25 + 1 / 3) - 1.25**2) ** 0.5,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("said", "mean", "sd"), MOMENTS, ids=lambda x: str(x)[:60])
def test_moments_are_those_of_the_formula(said: dict[str, Any], mean: float, sd: float) -> None:
    np.testing.assert_allclose(moments(read_named_distribution(said, "x")), (mean, sd), rtol=1e-8)


def test_a_lognormal_in_numbers(folder: Folder) -> None:
    body = f'[{LIVES}]\nfamily = "lognormal"\np5 = 2\np95 = 8\nmin = 2\n'
    (data,) = describe.described(folder.load(folder.overlay(body)), [LIVES])
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
    (data,) = describe.described(base, [name])
    sigma = base.quantities["buildout.capex_sigma"].distribution.point
    median = base.quantities[name].distribution.point
    assert data["spread_from"] == "buildout.capex_sigma"
    assert data["quantiles"]["p95"] == pytest.approx(stats.lognorm.ppf(0.95, sigma, scale=median))


def test_every_input_and_output_is_described_in_80_columns(base: sim.Scenario) -> None:
    names = [*base.quantities, *describe.OUTPUTS]
    for data in describe.described(base, names):
        text = describe.text(data)
        wide = [line for line in text.split("\n") if len(line) > 80 and "http" not in line]
        assert not wide, text
        assert data["name"] in text
    assert len(describe.listed(base)) == len(base.quantities)
    assert max(map(len, describe.list_text(describe.listed(base)).split("\n"))) <= 80


def test_the_text_of_an_input(folder: Folder) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\np10 = 1.1\np90 = 1.3\n"))
    text = describe.text(describe.described(scenario, ["pue"])[0])
    for words in (
        "hardware.pue [1] Facility energy over IT energy, annual",
        "law logit_normal: min 1, max 2, p10 1.1, p90 1.3",
        "domain from 1 to 2",
        "p5, median, p95",
        "exact to",
        "source judgement",
        "changed by",
        "overlay.toml:5: hardware.pue.p90: nothing -> 1.3",
    ):
        assert words in " ".join(text.split())
    fixed = describe.text(describe.described(scenario, [RENT])[0])
    assert "value      1 (fixed)" in fixed
    assert "median" not in fixed


def test_the_group_of_an_input_is_told_and_trifles_are_not(folder: Folder) -> None:
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
    (data,) = describe.described(folder.load(folder.overlay(body)), [ratio])
    text = " ".join(describe.text(data).split())
    assert f'tied in group "facility" (spearman) with {PUE}' in text
    assert data["cut_off"] > 0
    assert "min and max take" not in text
    assert "outside the domain" not in text


def test_the_text_of_an_output(base: sim.Scenario) -> None:
    text = describe.text(describe.described(base, ["payback_months"])[0])
    for words in ("[month]", "draw, lab", "every draw", "may be infinite", "no mean"):
        assert words in text


def test_a_moment_that_a_law_lacks_is_none(folder: Folder) -> None:
    said = 'family = "student_t"\ndf = 1.5\nmedian = 4\nscale = 0.1'
    (data,) = describe.described(folder.load(folder.overlay(f"[{LIVES}]\n{said}\n")), [LIVES])
    assert (data["mean"], data["sd"]) == (pytest.approx(4), None)
    assert "mean 4   sd none" in describe.text(data)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("puee", "no such input or output; did you mean 'pue'?"),
        ("hardware.puee", "no such input or output; did you mean 'hardware.pue'?"),
        ("inference_gros_margin", "did you mean 'inference_gross_margin'?"),
        ("gw_2026q4", "8 inputs are called so: labs."),
        ("params/base.toml", "a parameter file is named by --file"),
    ],
)
def test_an_unknown_name(base: sim.Scenario, name: str, message: str) -> None:
    with pytest.raises(sim.InputError) as caught:
        describe.described(base, ["hardware.pue", name])
    assert str(caught.value).startswith(f"{name}: ")
    assert message in str(caught.value)


def heights(text: str) -> list[int]:
    """Filled rows of each column of a picture."""
    rows = [line.ljust(text_density.COLUMNS) for line in text.split("\n")[: text_density.ROWS]]
    return [sum(c != " " for c in column) for column in zip(*rows, strict=True)]


def test_a_picture_shows_where_the_mass_is() -> None:
    rising = heights(
        text_density.of(
            read_named_distribution({"family": "triangular", "min": 0, "mode": 1, "max": 1}, "x")
        )
    )
    assert rising == sorted(rising)
    assert rising[-1] == text_density.ROWS
    distribution = read_named_distribution(
        {"family": "discrete", "values": [0, 1, 4], "weights": [1, 2, 1]}, "x"
    )
    bars = heights(text_density.of(distribution))
    assert [i for i, height in enumerate(bars) if height] == [0, 15, 59]
    assert (bars[0], bars[15], bars[59]) == (3, 6, 3)
    skewed = text_density.of(
        read_named_distribution({"family": "lognormal", "median": 1, "sigma": 1.5}, "x")
    )
    assert "(log scale)" in skewed
    assert abs(heights(skewed).index(text_density.ROWS) - text_density.COLUMNS // 2) < 8
    assert (
        text_density.of(
            read_named_distribution({"family": "lognormal", "median": 3, "sigma": 0}, "x")
        )
        == "always 3"
    )


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0, "0"), (1.25, "1.25"), (0.00012345, "0.0001234"), (32_000, "32,000"),
        (123_456, "123,500"), (1.86e11, "1.86e11"), (-2e-7, "-2e-7"), (999_999, "1,000,000"),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(x: float, text: str) -> None:
    assert text_density.shown(x) == text


def test_the_command(invoke: Command) -> None:
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
