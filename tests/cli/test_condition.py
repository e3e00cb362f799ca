"""`sim condition`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stored_runs import Sim

ASKED = ("condition", "base", "--on", "gw[openai]@2026Q4 = 7 +- 2")


def test_all_rows_of_the_last_table_are_shown_if_asked(run_sim: Sim) -> None:
    some, everything = (run_sim(*ASKED, *options)[1] for options in ((), ("--all",)))
    assert [text.count("P(>= hurdle) 2026Q4") for text in (some, everything)] == [1, 2]


def test_what_is_conditioned_says_so_in_every_form(run_sim: Sim) -> None:
    assert "given evidence: " in run_sim(*ASKED)[1].splitlines()[0]
    document = json.loads(run_sim(*ASKED, "--json")[1])
    assert document["evidence"] == [ASKED[3]]
    assert 400 <= document["effective"] <= document["draws"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--on: expected evidence"),
        (("--on", "gw[openai]@2026Q4 = 7"), "how sharp it is, '+- number', is missing"),
        (("--on", "gw[openai]@2026Q4 = 7000 +- 0.01"), "draws are near"),
        (("--on", "gw[opnai]@2026Q4 = 7 +- 1"), "did you mean 'openai'"),
        (("--on", "inference_gross_margin@2026Q4 = 70 +- 5"), "fractions: 0.70"),
    ],
)
def test_evidence_that_cannot_be_used_is_refused_and_nothing_is_written(
    run_sim: Sim, options: tuple[str, ...], message: str
) -> None:
    before = sorted(Path().rglob("*"))
    code, out, errors = run_sim("condition", "base", *options, "--to", "a/b.png")
    assert (code, out) == (2, "")
    assert message in errors.replace("\n", " ")
    assert sorted(Path().rglob("*")) == before
