"""The page of a watched file."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from sim.analysis.measures import headline_measures
from sim.parameters.edits import Edit
from sim.parameters.scenario import Scenario
from sim.store.live import Change, Number
from sim.tables.table import Cell
from sim.tables.watch import MOST_EDITS, edit_lines, watch_table

STILL = Change(0.0, 0.0, same=True)
MOVED = Change(0.012, 0.001, same=False)


def page(base: Scenario, moved: str = "nothing", *, first: bool = False, **others: Any) -> Any:
    """A version of which the statistics that hold a text have moved."""
    numbers = [
        Number(of, 0.5, 0.01, MOVED if moved in of.text else STILL, others.get("of_base", STILL))
        for of in headline_measures(base)
    ]
    return watch_table(
        SimpleNamespace(
            scenario=base,
            numbers=numbers,
            base=replace(base, name="root"),
            draws=640,
            is_first=first,
        )
    )


def test_the_page_fits_a_screen_and_shows_what_moved_beyond_it(base: Scenario) -> None:
    usual = [label for label, _ in page(base).rows]
    assert len(usual) <= 24 - 4 - MOST_EDITS - 1  # below heads, above edits and the time
    assert not any("training multiple" in label for label in usual)
    moved = [label for label, _ in page(base, "training_moic[openai]").rows]
    assert set(moved) - set(usual) == {"OpenAI training multiple"}
    everything = [label for label, _ in page(base, "").rows]
    assert everything == [of.label for of in headline_measures(base)]


def test_what_no_draw_shows_is_the_same_and_what_has_no_pair_is_new(base: Scenario) -> None:
    ((_, cells), *_) = page(base, of_base=None).rows
    assert cells[1:] == ["same", "new"]
    ((_, cells), *_) = page(base, of_base=Change(math.nan, math.nan, same=False)).rows
    assert cells[2] == "-"
    ((_, cells), *_) = page(base, "p5(inference").rows
    assert isinstance(cells[1], Cell)
    assert cells[1].rounded() == ("1.2", "0.1")  # in percentage points


def test_the_first_page_has_no_changes_since_another(base: Scenario) -> None:
    assert page(base, first=True).columns[1:] == ["now", "change from\nroot"]
    assert all(len(cells) == 2 for _, cells in page(base, first=True).rows)


def test_edits_are_named_and_of_many_the_first() -> None:
    edits = [Edit(f"hardware.n{i}", (f"hardware.n{i}",), "1", "2") for i in range(MOST_EDITS + 3)]
    assert edit_lines(edits[:1]) == ["n0: 1 -> 2"]
    assert edit_lines(edits)[-1] == "and 3 more edits"
    assert len(edit_lines(edits)) == MOST_EDITS + 1
