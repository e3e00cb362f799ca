"""Faults of distributions: line, key and message."""

from __future__ import annotations

from typing import Any

import pytest
from parameter_files import OBSERVED, Folder

TOKENS = "workload.mean_context_tokens"  # 1 to 2e6, so that all families fit
LOGNORMAL = 'family="lognormal"\n'


# A distribution from line 4 of its table on; line in the table (0 for all of it), key and message.
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
    "unknown distribution of scipy": (
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
        'family="lognormal"\nmedian=9\nsigma=1\np0=1', 7, ".p0", "expected a key from p1 to p99"
    ),
    "p05": ('family="lognormal"\np05=3\np95=9', 5, ".p05", "expected the key p5"),
    "p50.0": ('family="lognormal"\n"p50.0"=3\np95=9', 5, ".p50.0", "expected the key p50"),
    "p99.50": ('family="lognormal"\np5=3\n"p99.50"=9', 6, ".p99.50", 'expected the key "p99.5"'),
    "p99.5 without quotes": (
        'family="lognormal"\np5=3\np99.5=9', 6, ".p99",
        'expected the key "p99.5", as a point without quotes makes a table of it',
    ),
    "p0.5 without quotes": (
        'family="lognormal"\np0.5=3\np95=9', 5, ".p0", 'expected the key "p0.5"'
    ),
    "a level at the end": (
        f'family="lognormal"\np5=3\n"p99.{"9" * 30}"=9', 0, "", "cannot be told from the end"
    ),
    "too many quantiles": (
        f'family="lognormal"\nquantiles=[{", ".join(f"[{i / 200}, {i}]" for i in range(1, 102))}]',
        0, "", "expected at most 100 quantiles",
    ),
    "too many components": (
        f'family="mixture"\nweights=[1]\ncomponents=[{"2, " * 101}]', 6, ".components",
        "expected a list of at most 100",
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
        "observed.csv, line 2: expected a number with a decimal point in place",
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


@pytest.fixture(autouse=True)
def observed(folder: Folder) -> None:
    """A CSV file beside the parameter files."""
    folder.write("observed.csv", OBSERVED)


@pytest.mark.parametrize("name", FAULTS)
def test_a_distribution_with_a_fault_is_refused(folder: Folder, name: str) -> None:
    text, line, key, message = FAULTS[name]
    provenance = 'unit = "tokens"\nsource = "judgement"\nnote = "n"\n'
    _, _, header = folder.change(f"{TOKENS}.*", f"{provenance}{text}\n")
    fault = folder.fault()
    assert fault[:3] == ("base.toml", header + line, f"{TOKENS}{key}")
    assert message in fault.message
    assert len(fault.message) < 240  # all families are named


def test_all_faults_of_a_distribution_are_raised_at_once(folder: Folder) -> None:
    faults = folder.faults(folder.overlay(f"[{TOKENS}]\n{MIXED}{TABLES}men=9\nsd=-1\n"))
    assert [(fault.line, fault.key) for fault in faults] == [
        (8, f"{TOKENS}.components[1]"),
        (10, f"{TOKENS}.components[1].men"),
        (11, f"{TOKENS}.components[1].sd"),
    ]


def test_a_fault_of_a_merged_distribution_is_one_of_the_overlay(folder: Folder) -> None:
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


def test_a_landlords_capex_has_no_quantiles(folder: Folder) -> None:
    name = "landlords.oracle.capex_2026_busd"
    fault = folder.fault(set={f"{name}.p10": 50})
    assert (fault.key, fault.message) == (
        f"{name}.p10", "a landlord's capex cannot be given by quantiles"
    )  # fmt: skip
