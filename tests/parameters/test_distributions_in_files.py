"""Every family of laws as files give it: its forms, overlays of each, and what is wrong with it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from parameter_files import POWER, PUE, RENT, Folder
from scipy.special import ndtri

import sim
from sim.distributions.base import Distribution
from sim.distributions.discrete import Empirical, Fixed
from sim.distributions.families import FAMILIES, Mixture
from sim.distributions.normal import LogitNormal, Lognormal
from sim.parameters.distribution_errors import read_named_distribution

TOKENS = "workload.mean_context_tokens"  # 1 to 2e6, so that all families fit


@pytest.fixture
def folder(params: Path) -> Folder:
    folder = Folder(params)
    folder.write("observed.csv", "place,tokens\nOhio,100\nTexas,300\nOhio,100\nIowa,200\n")
    return folder


def law_of_file(folder: Folder, said: str, name: str = TOKENS) -> Distribution:
    return folder.load(folder.overlay(f"[{name}]\n{said}\n")).quantities[name].distribution


# By parameters, by quantiles, by mean and sd: the text of a file, and quantiles of the law in it.
FORMS: dict[str, tuple[str, dict[float, float]]] = {
    "normal": ('family="normal"\nmean=50\nsd=10', {0.5: 50, 0.8413447460685429: 60}),
    "normal by quantiles": ('family="normal"\np10=40\np90=60', {0.1: 40, 0.5: 50, 0.9: 60}),
    "normal, cut": ('family="normal"\nmean=50\nsd=10\nmin=50', {0.6826894921370859: 60}),
    "lognormal": ('family="lognormal"\nmedian=50\nsigma=0.5', {0.5: 50}),
    "lognormal by quantiles": ('family="lognormal"\np5=10\np95=40', {0.05: 10, 0.5: 20, 0.95: 40}),
    "lognormal by pairs": (
        'family="lognormal"\nquantiles=[[0.975, 40], [0.025, 10]]', {0.025: 10, 0.975: 40}
    ),
    "lognormal by moments": ('family="lognormal"\nmean=50\nsd=50', {0.5: 50 / 2**0.5}),
    "logit_normal": ('family="logit_normal"\nmedian=9\nsigma=1\nmin=2\nmax=16', {0.5: 9}),
    "logit_normal by quantiles": (
        'family="logit_normal"\np10=4\np90=14\nmin=2\nmax=16', {0.1: 4, 0.5: 9, 0.9: 14}
    ),
    "uniform": ('family="uniform"\nmin=10\nmax=20', {0.1: 11, 0.9: 19}),
    "uniform by moments": ('family="uniform"\nmean=20\nsd=5', {0.5: 20}),
    "log_uniform": ('family="log_uniform"\nmin=10\nmax=1000', {0.5: 100}),
    "triangular": ('family="triangular"\nmin=10\nmode=10\nmax=20', {0.75: 15}),
    "triangular by quantiles": (
        'family="triangular"\np10=12\np50=15\np90=19', {0.1: 12, 0.5: 15, 0.9: 19}
    ),
    "pert": ('family="pert"\nmin=10\nmode=15\nmax=20', {0.5: 15}),
    "pert with a shape": ('family="pert"\nmin=10\nmode=15\nmax=20\nshape=8', {0.5: 15}),
    "beta": ('family="beta"\na=1\nb=1\nmin=10\nmax=20', {0.3: 13}),
    "beta by moments": ('family="beta"\nmean=15\nsd=1\nmin=10\nmax=20', {0.5: 15}),
    "gamma": ('family="gamma"\nshape=1\nscale=10', {1 - np.exp(-1): 10}),
    "gamma by quantiles": ('family="gamma"\np10=10\np90=50', {0.1: 10, 0.9: 50}),
    "weibull": ('family="weibull"\nshape=2\nscale=10', {1 - np.exp(-4): 20}),
    "student_t": ('family="student_t"\ndf=1\nmedian=50\nscale=10', {0.5: 50, 0.75: 60}),
    "student_t by quantiles": ('family="student_t"\ndf=3\np25=40\np75=60', {0.5: 50, 0.75: 60}),
    "generalized_pareto": (
        'family="generalized_pareto"\nshape=1\nscale=10\nthreshold=5', {0.5: 15, 0.75: 35}
    ),
    "metalog": ('family="metalog"\np10=10\np50=20\np90=40', {0.1: 10, 0.5: 20, 0.9: 40}),
    "metalog with bounds": (
        'family="metalog"\np5=10\np50=20\np95=40\nmin=5\nmax=50', {0.05: 10, 0.5: 20, 0.95: 40}
    ),
    "discrete": ('family="discrete"\nvalues=[30, 10]\nweights=[1, 3]', {0.7: 10, 0.8: 30}),
    "bernoulli": ('family="bernoulli"\np=0.2', {0.7: 0, 0.9: 1}),
    "empirical": ('family="empirical"\nvalues=[5, 3, 5, 4]', {0.2: 3, 0.4: 4, 0.6: 5}),
    "empirical from a file": (
        'family="empirical"\nfile="observed.csv"\ncolumn="tokens"', {0.4: 100, 0.7: 200, 0.9: 300}
    ),
    "mixture": (
        'family="mixture"\nweights=[1, 1]\ncomponents=[7, {family="uniform", min=10, max=20}]',
        {0.4: 7, 0.75: 15},
    ),
    "mixture of tables": (
        f'family="mixture"\nweights=[1, 1]\n[[{TOKENS}.components]]\nvalue=7\n'
        f'[[{TOKENS}.components]]\nfamily="empirical"\nfile="observed.csv"\ncolumn="tokens"',
        {0.4: 7, 0.7: 100, 0.99: 300},
    ),
    "a law of scipy": ('family="scipy.expon"\nloc=1\nscale=10', {1 - np.exp(-1): 11}),
    "a law of scipy with a shape": ('family="scipy.weibull_min"\nc=2\nscale=10', {0.5: 8.325546}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_family_in_a_file(folder: Folder, form: str) -> None:
    said, quantiles = FORMS[form]
    name = RENT if form == "bernoulli" else TOKENS  # the field that may be zero
    scenario = folder.load(folder.overlay(f"[{name}]\n{said}\n"))
    distribution = scenario.quantities[name].distribution
    found = distribution.quantile(ndtri(list(quantiles)))
    np.testing.assert_allclose(found, list(quantiles.values()), rtol=1e-6)
    # What it says of itself is plain data that gives the same law again, by TOML and by JSON.
    again = tomllib.loads(tomli_w.dumps(distribution.as_entry()))
    assert read_named_distribution(again, name) == distribution
    assert (
        read_named_distribution(json.loads(json.dumps(distribution.as_entry())), name)
        == distribution
    )
    assert scenario.quantities[name].resolved()["unit"] == scenario.quantities[name].field.unit
    assert scenario.digest() != folder.load().digest()


def test_every_family_is_tried_here() -> None:
    assert set(FAMILIES) <= {form.split(",")[0].split()[0] for form in FORMS}


def test_the_same_law_in_other_words_has_the_same_digest(folder: Folder) -> None:
    csv, values = (
        folder.load(folder.overlay(f'[{TOKENS}]\nfamily="empirical"\n{said}\n', file)).digest()
        for file, said in (
            ("a.toml", 'file="observed.csv"\ncolumn="tokens"'),
            ("b.toml", "values=[100, 300, 100, 200]"),
        )
    )
    assert csv == values


# Overlays


def overlaid(folder: Folder, below: str, above: str, name: str = POWER) -> sim.Scenario:
    """A scenario of two overlays, `below` a whole law."""
    folder.overlay(f"[{name}]\n{below}\n", "below.toml")
    return folder.load(folder.overlay(f"[{name}]\n{above}\n", extends="below.toml"))


LOGNORMAL = 'family="lognormal"\n'
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
    "a family over a law": (
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
    "a value over a law of scipy": ('family="scipy.gamma"\na=2\nscale=0.05', "value=0.1",
        {"value": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlays_of_each_form(folder: Folder, base: sim.Scenario, name: str) -> None:
    below, above, expected = OVERLAYS[name]
    folder.write("power.csv", "usd\n0.05\n0.07\n")
    quantity = overlaid(folder, below, above).quantities[POWER]
    found, wanted = (
        distribution.quantile(ndtri([0.1, 0.5, 0.9]))
        for distribution in (quantity.distribution, read_named_distribution(expected, "x"))
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    before = base.quantities[POWER]
    assert (quantity.loads, quantity.note) == (before.loads, before.note)
    assert (quantity.source, quantity.overrides) == ("judgement", before.source)


def test_overrides_tell_what_the_quantiles_replaced(folder: Folder) -> None:
    scenario = folder.load(folder.overlay(f"[{PUE}]\np10 = 1.1\np90 = 1.3\n"))
    assert [str(override) for override in scenario.overrides] == [
        f"{PUE}.p10: family logit_normal, median 1.2, sigma 0.3, min 1, max 2 -> 1.1",
        f"{PUE}.p90: nothing -> 1.3",
    ]
    distribution = scenario.quantities[PUE].distribution
    assert isinstance(distribution, LogitNormal)
    assert (distribution.min, distribution.max) == (1, 2)
    np.testing.assert_allclose(distribution.quantile(ndtri([0.1, 0.9])), [1.1, 1.3])


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
def test_a_lab_that_is_called_as_a_key_of_a_law(folder: Folder, lab: str) -> None:
    text = (folder.root / "labs" / "xai.toml").read_text().replace("rpo_share", "# rpo_share")
    folder.write(f"labs/{lab}.toml", text)
    scenario = folder.load(folder.overlay(f"[labs.{lab}.gw_2026q4]\nmedian = 2\n"))
    assert scenario.quantities[f"labs.{lab}.gw_2026q4"].distribution.point == 2
    assert f"labs.{lab}.gw_2025q4" in scenario.quantities


def test_a_csv_file_lies_beside_the_file_that_names_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("scenarios/far/observed.csv", "tokens\n7\n8\n")
    said = f'[{TOKENS}]\nfamily = "empirical"\nfile = "observed.csv"\n'
    below = folder.overlay(said, "scenarios/far/below.toml", "../../base.toml")
    above = folder.overlay("", "above.toml", below)
    distribution = folder.load(above).quantities[TOKENS].distribution
    assert distribution == Empirical(family="empirical", values=(7, 8))
    column = folder.overlay(f'[{TOKENS}]\ncolumn = "tokens"\n', "column.toml", below)
    assert folder.load(column).quantities[TOKENS].distribution == distribution
    monkeypatch.chdir(folder.root / "scenarios" / "far")
    changes = {f"{TOKENS}.family": "empirical", f"{TOKENS}.file": "observed.csv"}
    assert (
        sim.load(folder.root / "base.toml", set=changes).quantities[TOKENS].distribution
        == distribution
    )


def test_bounds_of_a_logit_normal_are_those_of_the_field(folder: Folder) -> None:
    distribution = law_of_file(folder, 'family="logit_normal"\np10=0.2\np90=0.8', RENT)
    assert isinstance(distribution, LogitNormal)
    assert (distribution.min, distribution.max, round(distribution.median, 12)) == (0, 1, 0.5)


def test_a_csv_of_excel_begins_with_a_mark(folder: Folder) -> None:
    folder.write("observed.csv", b"\xef\xbb\xbftokens\r\n7\r\n8\r\n")
    distribution = law_of_file(folder, 'family="empirical"\nfile="observed.csv"\ncolumn="tokens"')
    assert distribution == Empirical(family="empirical", values=(7, 8))


def test_a_mixture_holds_laws(folder: Folder) -> None:
    distribution = law_of_file(folder, FORMS["mixture of tables"][0])
    assert isinstance(distribution, Mixture)
    assert [type(part) for part in distribution.components] == [Fixed, Empirical]


# Faults: a law from line 4 of its table on; the line in the table (0 for it all), key and message.
MIXED = 'family="mixture"\nweights=[1, 1]\n'
INLINE = 'components=[{value=7}, {family="normal", mean=9, sd="x"}]'
TABLES = f'[[{TOKENS}.components]]\nvalue=7\n[[{TOKENS}.components]]\nfamily="normal"\n'
FAULTS: dict[str, tuple[str, int, str, str]] = {
    "misspelt family": (
        'family="log_unifrm"\nmin=1\nmax=2', 4, ".family",
        "unknown family 'log_unifrm'; did you mean 'log_uniform'?",
    ),
    "no such family": (
        'family="cauchy"\nmedian=9', 4, ".family",
        "unknown family 'cauchy'; known: normal, lognormal, logit_normal, uniform,",
    ),
    "mean of what has none": (
        'family="logit_normal"\nmedian=9\nsigma=1\nmin=1\nmax=99\nmean=9', 9, ".mean",
        "logit_normal cannot be given by mean and sd",
    ),
    "column without a csv": (
        'family="empirical"\ncolumn="tokens"', 0, "", "missing file (column names a column of it)"
    ),
    "unknown law of scipy": (
        'family="scipy.gama"\na=1', 0, "",
        "scipy.stats has no continuous distribution 'gama'; did you mean 'gamma'?",
    ),
    "misspelt key": (
        'family="weibull"\nshape=1\nscale=9\nshap=1', 7, ".shap",
        "unknown key for weibull; did you mean 'shape'?",
    ),
    "misspelt key of scipy": (
        'family="scipy.gamma"\na=1\nscal=9', 6, ".scal",
        "unknown key for scipy.gamma; did you mean 'scale'?",
    ),
    "missing key": (
        'family="gamma"\nshape=1', 0, "",
        "missing scale (gamma takes shape, scale, min, max; or quantiles; or mean and sd)",
    ),
    "missing key of scipy": (
        'family="scipy.gamma"', 0, "",
        "missing a (scipy.gamma takes a, loc, scale, min, max)",
    ),
    "missing key beside quantiles": (
        'family="student_t"\np10=1\np90=2', 0, "", "missing df (student_t by quantiles needs it)"
    ),
    "missing moment": ('family="gamma"\nmean=9', 0, "", "missing sd (gamma by mean and sd needs"),
    "negative moment": (
        'family="gamma"\nmean=9\nsd=-1', 0, "", "expected sd above 0, got -1"
    ),
    "one quantile": (
        'family="lognormal"\np10=9', 0, "", "two quantiles determine a lognormal, got 1"
    ),
    "two quantiles of three": (
        'family="metalog"\np10=9\np90=19', 0, "", "three quantiles determine a metalog, got 2"
    ),
    "no quantiles": (
        'family="metalog"\nmin=9', 0, "", "missing p10, p50, p90 (metalog takes three quantiles"
    ),
    "falling quantiles": (
        'family="lognormal"\np10=9\np90=8', 0, "",
        "quantiles must rise with their levels: p10 is 9, p90 is 8",
    ),
    "infeasible quantiles": (
        'family="metalog"\np10=9\np50=9.1\np90=19', 0, "", "they are too skewed"
    ),
    "quantiles below zero": (
        'family="lognormal"\np10=-9\np90=8', 0, "", "expected quantiles above 0, got -9"
    ),
    "quantiles beside parameters": (
        'family="lognormal"\nmedian=9\np90=19', 0, "", "give median or quantiles, not both"
    ),
    "quantile that is a text": (
        'family="lognormal"\np10="a"\np90=8', 5, ".p10", "expected a number, got 'a'"
    ),
    "quantile beyond floats": (
        f'family="lognormal"\np10=1\np90={"9" * 400}', 6, ".p90", "expected a finite number, got"
    ),
    "end that is a text": (
        'family="logit_normal"\np10=4\np90=14\nmin="a"\nmax=16', 7, ".min",
        "expected a number, got 'a'",
    ),
    "level above 1": (
        'family="lognormal"\nquantiles=[[5, 1], [95, 2]]', 0, "",
        "expected levels between 0 and 1 in quantiles, got 5",
    ),
    "p0": (
        'family="lognormal"\nmedian=9\nsigma=1\np0=1', 7, ".p0", "unknown key for lognormal"
    ),
    "quantiles of separate values": (
        'family="discrete"\nvalues=[1]\nweights=[1]\np10=1', 7, ".p10",
        "discrete cannot be given by quantiles",
    ),
    "quantiles of a value": (
        "value=9\np10=8", 5, ".p10", "the quantity is a fixed value: give its value, or a family"
    ),
    "value that is a text": (
        'family="discrete"\nvalues=[1, "a"]\nweights=[1, 1]', 5, ".values[1]",
        "expected a number, got 'a'",
    ),
    "value that is no list": (
        'family="discrete"\nvalues=1\nweights=[1]', 5, ".values", "expected a list, got 1"
    ),
    "no values": (
        'family="empirical"\nvalues=[]', 5, ".values", "expected a list that is not empty, got []"
    ),
    "negative weight": (
        'family="discrete"\nvalues=[1, 2]\nweights=[1, -1]', 6, ".weights[1]",
        "expected a number at or above 0, got -1",
    ),
    "probability above 1": (
        'family="bernoulli"\np=2', 5, ".p", "expected a number at or below 1, got 2"
    ),
    "nothing left between min and max": (
        'family="gamma"\nshape=2\nscale=9\nmax=-1', 0, "", "nothing is left of the distribution"
    ),
    "support below the domain": (
        'family="uniform"\nmin=0\nmax=9', 5, ".min", "0 is below the bound 1 (Mean KV length"
    ),
    "median below the domain": (
        'family="scipy.norm"', 0, "", "0 is below the bound 1 (Mean KV length"
    ),
    "separate value below the domain": (
        'family="discrete"\nvalues=[0, 2]\nweights=[1, 1]', 5, ".values", "0 is below the bound 1"
    ),
    "missing csv": (
        'family="empirical"\nfile="no.csv"', 5, ".file", "no.csv cannot be read: No such file"
    ),
    "missing column": (
        'family="empirical"\nfile="observed.csv"\ncolumn="tokns"', 5, ".file",
        "observed.csv: no column 'tokns'; did you mean 'tokens'?",
    ),
    "column of texts": (
        'family="empirical"\nfile="observed.csv"\ncolumn="place"', 5, ".file",
        "observed.csv, line 2: expected a number in place, got 'Ohio'",
    ),
    "csv that is a number": ('family="empirical"\nfile=1', 5, ".file", "expected a text, got 1"),
    "csv beside values": (
        'family="empirical"\nfile="observed.csv"\nvalues=[1]', 0, "", "not both"
    ),
    "text in a component": (
        f"{MIXED}{INLINE}", 6, ".components[1].sd", "expected a number, got 'x'"
    ),
    "missing key of a component": (
        f"{MIXED}{TABLES}mean=9\n", 8, ".components[1]", "missing sd (normal takes mean, sd, min"
    ),
    "misspelt key of a component": (
        f"{MIXED}{TABLES}mean=9\nsd=1\nsdd=2\n", 12, ".components[1].sdd",
        "unknown key for normal; did you mean 'sd'?",
    ),
    "misspelt family of a component": (
        f'{MIXED}components=[8, {{family="norml"}}]', 6, ".components[1].family",
        "unknown family 'norml'; did you mean 'normal'?",
    ),
    "component that is nothing": (
        f"{MIXED}components=[{{}}, 8]", 6, ".components[0]", "missing value or family"
    ),
    "component that is a text": (
        f"{MIXED}components=['a', 8]", 6, ".components[0]", "expected a number, or a table with"
    ),
    "component of a component": (
        f'{MIXED}components=[8, {{family="mixture", weights=[1], components=[{{value="a"}}]}}]', 6,
        ".components[1].components[0].value", "expected a number, got 'a'",
    ),
    "one weight of two": (
        'family="mixture"\nweights=[1]\ncomponents=[8, 9]', 0, "", "as many weights as components"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_law_is_refused(folder: Folder, name: str) -> None:
    said, line, key, message = FAULTS[name]
    provenance = 'unit = "tokens"\nsource = "judgement"\nnote = "n"\n'
    _, _, header = folder.change(f"{TOKENS}.*", f"{provenance}{said}\n")
    fault = folder.fault()
    assert fault[:3] == ("base.toml", header + line, f"{TOKENS}{key}")
    assert message in fault.message
    assert len(fault.message) < 240  # all families are named


def test_all_faults_of_a_law_at_once(folder: Folder) -> None:
    faults = folder.faults(folder.overlay(f"[{TOKENS}]\n{MIXED}{TABLES}men=9\nsd=-1\n"))
    assert [(fault.line, fault.key) for fault in faults] == [
        (8, f"{TOKENS}.components[1]"),
        (10, f"{TOKENS}.components[1].men"),
        (11, f"{TOKENS}.components[1].sd"),
    ]


def test_a_fault_of_a_merged_law_is_told_of_the_overlay(folder: Folder) -> None:
    folder.overlay(f"[{TOKENS}]\n{LOGNORMAL}p10=9\np90=19\n", "below.toml")
    file = folder.overlay(f"[{TOKENS}]\n\np90=8\n", extends="below.toml")
    fault = folder.fault(file)
    assert fault[:3] == ("overlay.toml", 5, TOKENS)
    assert "p10 is 9, p90 is 8" in fault.message
    assert folder.fault("below.toml", {f"{TOKENS}.p90": 8}).file == "--set"


@pytest.mark.parametrize(
    ("below", "change", "missing"),
    [
        ("p10=9\np90=19", {"sigma": 0.2}, ["median, as parameters replace quantiles p10, p90 ("]),
        ("quantiles=[[0.1, 9], [0.9, 19]]", {"median": 9}, ["sigma, as parameters replace quan"]),
        ("mean=9\nsd=3", {"sigma": 0.2}, ["median, as parameters replace mean and sd ("]),
        ("p10=9\np90=19", {"sigma": 0.2, "family": "lognormal"}, ["median (lognormal takes"]),
    ],
)
def test_parameters_that_are_missing_where_they_replace_quantiles_are_named(
    folder: Folder, below: str, change: dict[str, Any], missing: list[str]
) -> None:
    file = folder.overlay(f"[{TOKENS}]\n{LOGNORMAL}{below}\n")
    faults = folder.faults(file, {f"{TOKENS}.{key}": value for key, value in change.items()})
    assert [fault[:3] for fault in faults] == [("--set", 0, TOKENS)] * len(missing)
    for fault, message in zip(faults, missing, strict=True):
        assert fault.message.startswith(f"missing {message}")


def test_parameters_that_replace_quantiles_are_enough_together(folder: Folder) -> None:
    file = folder.overlay(f"[{TOKENS}]\n{LOGNORMAL}p10=9\np90=19\n")
    changes = {f"{TOKENS}.median": 12, f"{TOKENS}.sigma": 0.2}
    assert folder.load(file, changes).quantities[TOKENS].distribution.point == 12


def test_a_landlords_capex_has_no_quantiles(folder: Folder) -> None:
    name = "landlords.oracle.capex_2026_busd"
    fault = folder.fault(set={f"{name}.p10": 50})
    assert (fault.key, fault.message) == (
        f"{name}.p10", "a landlord's capex cannot be given by quantiles"
    )  # fmt: skip


def test_a_law_that_the_median_sigma_form_gives_is_that_of_its_quantiles(folder: Folder) -> None:
    distribution = law_of_file(folder, f"{LOGNORMAL}median=20\nsigma=0.5")
    low, high = distribution.quantile(ndtri([0.1, 0.9]))
    same = law_of_file(folder, f"{LOGNORMAL}p10={low}\np90={high}")
    assert isinstance(same, Lognormal)
    np.testing.assert_allclose([same.median, same.sigma], [20, 0.5])
