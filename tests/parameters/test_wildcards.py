"""Keys with wildcards."""

from __future__ import annotations

import pytest
from conftest import ROOT

import sim
from sim.parameters.scenario import Scenario
from sim.parameters.wildcards import expand_wildcards

BASE = ROOT / "params" / "base.toml"
DATA = {
    "labs": {"a": {"gw": {"median": 1}, "arr": {"median": 2}}, "b": {"gw": {"median": 3}}},
    "hosts": {"a.b": {"gw": {"median": 4}}},
    "format": 1,
}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("labs.*.gw.sigma", ["labs.a.gw.sigma", "labs.b.gw.sigma"]),
        ("labs.*.arr.median", ["labs.a.arr.median"]),
        ("labs.a.*.sigma", ["labs.a.gw.sigma", "labs.a.arr.sigma"]),
        ("*.*.gw.median", ["labs.a.gw.median", "labs.b.gw.median", 'hosts."a.b".gw.median']),
        ("labs.a.gw.*", ["labs.a.gw.median"]),
        ("format", ["format"]),
        ("labs.a.x*", ["labs.a.x*"]),  # a part is a wildcard or none
    ],
)
def test_a_wildcard_stands_for_every_table_that_the_rest_fits(
    key: str, expected: list[str]
) -> None:
    faults: list[sim.InputError] = []
    assert list(expand_wildcards({key: 5}, DATA, faults)) == expected  # type: ignore[arg-type]
    assert faults == []


def test_the_last_change_of_a_key_counts() -> None:
    one, every = "labs.a.gw.median", "labs.*.gw.median"
    assert expand_wildcards({one: 1, every: 2}, DATA, [])[one] == 2
    assert expand_wildcards({every: 2, one: 1}, DATA, [])[one] == 1


def test_every_lab_is_changed_and_nothing_else(base: Scenario) -> None:
    changed = sim.load(BASE, set={"labs.*.gw_2026q4.sigma": 0.111})
    differ = {
        name
        for name, quantity in changed.quantities.items()
        if quantity.distribution != base.quantities[name].distribution
    }
    assert differ == {f"labs.{lab.id}.gw_2026q4" for lab in base.labs}
    assert {override.by for override in changed.overrides} == {"--set"}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("labs.*.gw_2026q5.sigma", "matches no key; did you mean 'gw_2026q4'?"),
        ("lab.*.gw_2026q4.sigma", "matches no key; did you mean 'labs'?"),
        (".".join("*" * 500), "matches no key"),
    ],
)
def test_a_key_that_matches_nothing_is_refused(key: str, message: str) -> None:
    with pytest.raises(sim.InputError) as error:
        sim.load(BASE, set={key: 0.1})
    assert str(error.value).endswith(message)
