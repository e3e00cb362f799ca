"""`sim show`: the tables of a stored run."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from conftest import runs_in
from stored_runs import ALTERED, NARROW, Sim, StoredRun

import sim


def test_show_prints_what_run_printed(
    run_sim: Sim, stored: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim.simulation.simulate.loop, "run", None)  # nothing is drawn again
    code, shown, errors = run_sim("show", "base", *NARROW)
    assert (code, errors) == (0, "")
    *tables, last = shown.splitlines()
    assert tables == stored.printed.splitlines()[:-1]
    assert f"  {ALTERED}: 0.38 -> 0.6" in tables
    assert tables[0] == "base  1,100 draws, stratified, seed 7, economic view, cost-plus rents"
    assert re.fullmatch(r"outputs/base-\w{12}/  started 20\S+ \S+ UTC, took \d+\.\d s", last)
    document = json.loads(run_sim("show", "base", "--json")[1])
    assert document["overrides"][0]["key"] == ALTERED
    assert (document["draws"], document["model"]) == (1_100, "this")
    assert "Gross margin, 2026Q4 (%)" in {table["title"] for table in document["tables"]}


def test_show_refuses_unknown_rows_and_runs(run_sim: Sim) -> None:
    code, out, errors = run_sim("show", "base", "--lab", "openia", "--quarter", "2028Q1")
    assert (code, out) == (2, "")
    assert errors.splitlines() == [
        "--lab: no such lab: 'openia'; did you mean 'openai'?",
        "--quarter: no such quarter: '2028Q1'; expected 2026Q1 to 2027Q4",
    ]
    code, _, errors = run_sim("show", "bsae")
    assert (code, errors) == (
        2,
        "bsae: no such file, and no such run in outputs/; did you mean 'base'?\n",
    )


def test_show_prints_the_tables_that_are_named(run_sim: Sim, stored: StoredRun) -> None:
    code, out, _ = run_sim("show", "base", "equity", "claims", "--json")
    assert code == 0
    assert [table["name"] for table in json.loads(out)["tables"]] == ["equity", "claims"]
    code, out, _ = run_sim("show", "base", "claims")
    assert code == 0
    assert "does not\n" in re.sub(r" +\n", "\n", out)
    assert "Gross margin (%)" not in out
    code, out, errors = run_sim("show", "base", "clams")
    assert (code, out) == (2, "")
    assert errors == "TABLE: no such table: 'clams'; did you mean 'claims'?\n"
    code, out, _ = run_sim("show", "base", "--list")
    listed = [line.split()[0] for line in out.splitlines()]
    assert (code, listed[:2], listed[-1]) == (0, ["headline", "odd"], "claims")


def test_show_prints_cells_as_csv(run_sim: Sim, stored: StoredRun) -> None:
    code, out, errors = run_sim("show", "base", "margins", "--csv")
    assert (code, errors) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    (cell,) = (row for row in rows if (row["row"], row["column"]) == ("Inference 2026Q4", "p50"))
    assert cell["table"] == "margins"
    assert 0.4 < float(cell["value"]) < 0.8
    assert 0 < float(cell["error"]) < 0.05
    code, out, errors = run_sim("show", "base", "--csv", "--json")
    assert (code, out) == (2, "")
    assert errors == "--csv: cannot stand beside --json\n"


def test_show_prints_stored_tables_and_makes_damaged_ones_anew(
    run_sim: Sim, stored: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = runs_in(Path("outputs"))
    with monkeypatch.context() as patch:
        patch.setattr("sim.store.reader.open_run_folder", None)  # draws are not looked at
        code, shown, errors = run_sim("show", "base")
        assert (code, errors) == (0, "")
        assert run_sim("show", "base", "--csv")[1].startswith("table,row,column,value")
        assert run_sim("show", "base", "odd")[1].splitlines()[2] == "What is odd"
        document = json.loads(run_sim("show", "base", "--json")[1])
        assert document["folder"] == str(folder)
    path = folder / "tables.json"
    path.write_text(path.read_text().replace("GW", "MW"))
    code, anew, errors = run_sim("show", "base")
    assert (code, anew) == (0, shown)
    assert errors == (
        f"note: {path}: damaged, or changed since it was written: manifest.json has another"
        " checksum: its tables are made anew\n"
    )
    assert json.loads(run_sim("show", "base", "--json")[1]) == document
