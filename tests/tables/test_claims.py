"""The table of claims."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

import sim
from sim.cli import terminal
from sim.tables import named
from sim.tables.claims import Answer
from sim.tables.table import Cell, Selection


@pytest.fixture(scope="module")
def answers(ds: xr.Dataset) -> dict[str, Answer]:
    return {answer.number: answer for answer in sim.claims(ds)}


def test_a_claim_has_quantiles_and_the_probability_of_its_event(
    ds: xr.Dataset, answers: dict[str, Answer]
) -> None:
    answer, draws = answers["7"], ds.gw.sel(lab="openai", quarter="2027Q4")
    for (value, error), level in zip(
        (answer.median, answer.p5, answer.p95), (0.5, 0.05, 0.95), strict=True
    ):
        assert value == pytest.approx(float(draws.quantile(level)))
        assert 0 < error < 0.2
    assert answer.probability[0] == float((draws > 10).mean())
    margin = ds.inference_gross_margin.sel(quarter="2026Q4")
    assert answers["2"].median[0] == pytest.approx(100 * float(margin.median()))
    assert answers["2"].unit == "%"


def test_verdicts_are_words_for_probabilities(answers: dict[str, Answer]) -> None:
    for number, answer in answers.items():
        p = answer.probability[0]
        if not answer.event:
            assert (answer.verdict, math.isnan(p)) == ("not in the model", True)
        else:
            expected = "holds" if p >= 0.8 else "does not hold" if p <= 0.2 else "open"
            assert answer.verdict == expected, number
    assert {answer.verdict for answer in answers.values()} == {
        "holds", "does not hold", "open", "not in the model",
    }  # fmt: skip
    # An ARR of 25 in late 2025 and a sum of 600 are contradicted by the inputs themselves.
    assert {answers[n].verdict for n in ("11c", "10d", "9a")} == {"does not hold"}
    assert answers["11a"].verdict == "not in the model"


def test_other_sources_stand_beside_with_date_and_grade(answers: dict[str, Answer]) -> None:
    assert "7 to 8 GW (openai-investor-memo-2026-04, 2026-04-09, B)" in answers["7a"].others


def test_a_claim_about_a_lab_that_is_not_in_the_run_says_so(params: Path) -> None:
    (params / "labs" / "xai.toml").unlink()
    ds = sim.simulate(sim.load(params / "base.toml"), draws=256)
    found = {answer.number: answer for answer in sim.claims(ds)}
    assert found["6d"].verdict == "not in this run"
    assert found["6d"].note == "not in this run: xai"
    assert found["6c"].verdict == "open"


def test_the_table_fits_and_counts_its_verdicts(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console, answers: dict[str, Answer]
) -> None:
    (table,) = named.make_tables(ds, summary, names=["claims"])
    terminal.show(table)
    text = printed.export_text(styles=False)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.count("verdict") == 1  # in one part
    count = sum(answer.verdict == "open" for answer in answers.values())
    assert f"open {count}" in table.remarks[-1]
    assert len(table.rows) == len(answers)
    for label, cells in table.rows:
        for cell in cells:
            assert not isinstance(cell, Cell) or math.isnan(cell.value) or cell.error >= 0, label


def test_claims_are_narrowed_to_a_lab(ds: xr.Dataset, summary: xr.Dataset) -> None:
    selection = Selection(labs=("xai",))
    (table,) = named.make_tables(ds, summary, selection, names=["claims"])
    assert [label.split(".")[0] for label, _ in table.rows] == ["6d", "9a"]


def test_a_run_without_claims_has_no_table_of_them(ds: xr.Dataset, summary: xr.Dataset) -> None:
    bare = ds.assign_attrs(claims="[]")
    assert named.make_tables(bare, summary, names=["claims"]) == []
    with pytest.raises(sim.InputError, match="holds no claims"):
        sim.claims(bare)


def test_draws_that_cannot_be_made_again_are_refused(ds: xr.Dataset) -> None:
    with pytest.raises(sim.InputError, match="another version of the model"):
        sim.claims(ds.assign_attrs(digest="0" * 12))


def test_what_cannot_be_drawn_again_is_not_said_to_be_outside_the_model(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    other, notes = ds.assign_attrs(digest="0" * 12), list[str]()
    (table,) = named.make_tables(other, summary, None, notes.append, ["claims"])
    rows = {label.split(".")[0]: cells[-1] for label, cells in table.rows}
    assert (rows["7"], rows["10"], rows["11a"]) == ("open", "not kept", "not in the\nmodel")
    assert "another version of the model" in notes[0]
