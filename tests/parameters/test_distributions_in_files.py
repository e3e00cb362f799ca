"""Every family of distributions as files give it."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
import tomli_w
from parameter_files import OBSERVED, PUE, RENT, Folder
from scipy.special import ndtri

import sim
from sim.distributions.discrete import Empirical, Fixed
from sim.distributions.families import FAMILIES, Mixture
from sim.distributions.normal import Lognormal
from sim.parameters.distribution_errors import read_named_distribution
from sim.parameters.resolved import scenario_of

LOGNORMAL = 'family="lognormal"\n'


TOKENS = "workload.mean_context_tokens"  # 1 to 2e6, so that all families fit


# By parameters, by quantiles, by mean and sd: the text of a file, and its quantiles.
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
    "a distribution of scipy": ('family="scipy.expon"\nloc=1\nscale=10', {1 - np.exp(-1): 11}),
    "a distribution of scipy with a shape": (
        'family="scipy.weibull_min"\nc=2\nscale=10', {0.5: 8.325546}
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def observed(folder: Folder) -> None:
    """A CSV file beside the parameter files."""
    folder.write("observed.csv", OBSERVED)


@pytest.mark.parametrize("form", FORMS)
def test_a_family_has_the_quantiles_of_its_file(folder: Folder, form: str) -> None:
    text, quantiles = FORMS[form]
    name = RENT if form == "bernoulli" else TOKENS  # the field that may be zero
    scenario = folder.load(folder.overlay(f"[{name}]\n{text}\n"))
    distribution = scenario.quantities[name].distribution
    values = distribution.quantile(ndtri(list(quantiles)))
    np.testing.assert_allclose(values, list(quantiles.values()), rtol=1e-6)
    # Its entry is plain data that gives the same distribution again, by TOML and by JSON.
    again = tomllib.loads(tomli_w.dumps(distribution.as_entry()))
    assert read_named_distribution(again, name) == distribution
    assert (
        read_named_distribution(json.loads(json.dumps(distribution.as_entry())), name)
        == distribution
    )
    assert scenario.quantities[name].resolved()["unit"] == scenario.quantities[name].field.unit
    assert scenario.digest() != folder.load().digest()
    resolved = json.loads(json.dumps(scenario.resolved()))
    again_scenario = scenario_of(resolved, scenario.sources_used(), scenario.name)
    assert again_scenario.digest() == scenario.digest()


def test_every_family_has_a_form() -> None:
    assert set(FAMILIES) <= {form.split(",")[0].split()[0] for form in FORMS}


def test_a_distribution_in_another_form_has_the_same_digest(folder: Folder) -> None:
    csv, values = (
        folder.load(folder.overlay(f'[{TOKENS}]\nfamily="empirical"\n{text}\n', file)).digest()
        for file, text in (
            ("a.toml", 'file="observed.csv"\ncolumn="tokens"'),
            ("b.toml", "values=[100, 300, 100, 200]"),
        )
    )
    assert csv == values


def test_a_csv_file_lies_beside_the_file_that_names_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("scenarios/far/observed.csv", "tokens\n7\n8\n")
    text = f'[{TOKENS}]\nfamily = "empirical"\nfile = "observed.csv"\n'
    below = folder.overlay(text, "scenarios/far/below.toml", "../../base.toml")
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


def test_a_csv_of_excel_may_begin_with_a_mark(folder: Folder) -> None:
    folder.write("observed.csv", b"\xef\xbb\xbftokens\r\n7\r\n8\r\n")
    distribution = folder.distribution(
        TOKENS, 'family="empirical"\nfile="observed.csv"\ncolumn="tokens"'
    )
    assert distribution == Empirical(family="empirical", values=(7, 8))


def test_a_mixture_holds_distributions(folder: Folder) -> None:
    distribution = folder.distribution(TOKENS, FORMS["mixture of tables"][0])
    assert isinstance(distribution, Mixture)
    assert [type(part) for part in distribution.components] == [Fixed, Empirical]


def test_a_lognormal_by_median_and_sigma_is_that_of_its_quantiles(folder: Folder) -> None:
    distribution = folder.distribution(TOKENS, f"{LOGNORMAL}median=20\nsigma=0.5")
    low, high = distribution.quantile(ndtri([0.1, 0.9]))
    same = folder.distribution(TOKENS, f"{LOGNORMAL}p10={low}\np90={high}")
    assert isinstance(same, Lognormal)
    np.testing.assert_allclose([same.median, same.sigma], [20, 0.5])


SPOILT_CSV = {
    "decimal comma": ("x\n1.5\n1,18\n", None, "line 3: expected 1 cell, got 2; numbers have a"),
    "decimal comma beside others": ("a,x\nOhio,1,18\n", "x", "line 2: expected 2 cells, got 3"),
    "decimal comma in quotes": (
        'x,y\n"1,18",2\n', "x", "line 2: expected a number with a decimal point in x"
    ),
    "decimal commas between semicolons": ("x;y\n1,5;2,5\n", None, "line 2: expected 1 cell, got 3"),
    "row that is too short": ("x,y\n1.1,2\n1.2\n", "x", "line 3: expected 2 cells, got 1"),
    "column that is there twice": ("x,x\n0.1,1\n", "x", "line 1: columns 1 and 2 have one name"),
    "other columns of one name": (
        "x,y,z,y\n0.1,1,1,1\n", "x", "line 1: columns 2 and 4 have one name"
    ),
    "header without a name": ("\n1.2\n", None, "expected a column, which is one of 0"),
    "several columns": ("x,y\n1.1,2\n", None, "expected a column, which is one of 2"),
    "bytes that are no text": (b"x\n\xff\n", None, "cannot be read: not a text file"),
    "another file": (
        "root:x:0:0:root:/root:/bin/sh\nuser:y:1\n", None,
        "line 2: expected a number with a decimal point",
    ),
    "column of another file": (
        "root:x:0:0:root:/root:/bin/sh\nuser:y:1\n", "x", "no column 'x'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT_CSV)
def test_a_csv_file_that_is_no_column_of_numbers_is_refused_by_line(
    folder: Folder, name: str
) -> None:
    """Its cells are not told: `file` may lead to any file that the user can read."""
    content, column, message = SPOILT_CSV[name]
    folder.write("observed.csv", content)
    named = "" if column is None else f'column = "{column}"\n'
    body = f'[{PUE}]\nfamily = "empirical"\nfile = "observed.csv"\n{named}'
    fault = folder.fault(folder.overlay(body))
    assert fault[:3] == ("overlay.toml", 5, f"{PUE}.file")
    assert message in fault.message
    assert "root" not in fault.message
    assert "user" not in fault.message
