"""The tables of a run on disk: exact, bound by the manifest, and never trusted blindly."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import xarray as xr
from drawing import stored
from run_folders import change_manifest

from sim.parameters.scenario import Scenario
from sim.store import manifest, tables_file
from sim.store import run as store_run
from sim.store.headline import make_headline
from sim.tables.table import DRIVERS, LABS, MARGINS, Cell, Headline, Table, headline_of


@pytest.fixture(scope="module")
def run(base: Scenario, tmp_path_factory: pytest.TempPathFactory) -> store_run.Run:
    out = tmp_path_factory.mktemp("tables")
    return stored(base, out, draws=512, seed=3, figures=False, tables=True)


def texts(headline: Headline) -> str:
    """All of a headline, every number to its last digit."""
    return repr(headline)


def test_stored_tables_are_those_that_are_made_of_the_draws(run: store_run.Run) -> None:
    about = manifest.read(run.folder)
    headline, reason = tables_file.read(run.folder, about)
    assert headline is not None
    assert not reason
    assert texts(headline) == texts(make_headline(run.ds, run.summary))
    assert texts(headline) == texts(run.headline)  # type: ignore[arg-type]
    assert [table.name for table in headline.tables] == [MARGINS, LABS, DRIVERS]


def test_every_number_and_text_of_a_cell_is_stored(tmp_path: Path) -> None:
    cells: list[Cell | str] = [
        Cell(0.1 + 0.2, math.nan, "GW"), Cell(math.inf, -math.inf, "", 100.0, math.inf, "-"),
        Cell(-0.0, 5e-324, "1", worst=math.nan, spread=2.0, infinite="never"), "not reported",
    ]  # fmt: skip
    table = Table("A title", ["", "a", "b", "c", "d"], [("row", cells)], ["says"], [1], True, "t")
    headline = Headline({"seed": "1", "draws": 2}, "view", ["w"], ["met"], [table], ["±"])
    tables_file.write(headline, tmp_path)
    about = {"code": tables_file.files_hash()}
    checksums = {manifest.TABLES: manifest.describe(tmp_path / manifest.TABLES)}
    read, _ = tables_file.read(tmp_path, {**about, "checksums": checksums})
    assert read is not None
    assert texts(read) == texts(headline)


def test_a_run_without_printed_tables_stores_none(base: Scenario, tmp_path: Path) -> None:
    run = stored(base, tmp_path, draws=64, figures=False)
    assert run.headline is None
    assert manifest.TABLES not in set(manifest.files_of(run.folder))
    assert tables_file.read(run.folder, manifest.read(run.folder)) == (None, "")


def test_a_run_of_more_than_a_million_draws_stores_none(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_run, "LONG", 63)
    assert stored(base, tmp_path, draws=64, figures=False, tables=True).headline is None


def test_tables_of_other_code_are_not_used(
    run: store_run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_file, "files_hash", lambda: "another")
    assert tables_file.read(run.folder, manifest.read(run.folder)) == (None, "")


@pytest.mark.parametrize("content", ["{}", "[1]", "{", '{"tables": [{}]}', "[" * 100_000])
def test_a_file_that_is_no_headline_is_named(
    run: store_run.Run, tmp_path: Path, content: str
) -> None:
    (tmp_path / manifest.TABLES).write_text(content)
    about = manifest.read(run.folder)
    assert tables_file.read(tmp_path, about)[1].startswith(("truncated", "damaged"))
    about["checksums"][manifest.TABLES] = manifest.describe(tmp_path / manifest.TABLES)
    headline, reason = tables_file.read(tmp_path, about)
    assert headline is None
    assert reason.startswith("cannot be read: ")


def test_a_stored_run_is_answered_with_its_tables(run: store_run.Run, base: Scenario) -> None:
    again = stored(base, run.folder.parent, draws=512, seed=3, figures=False, tables=True)
    assert again.drawn == 0
    assert texts(again.headline) == texts(run.headline)  # type: ignore[arg-type]


def test_a_headline_is_made_of_its_data(ds: xr.Dataset, summary: xr.Dataset) -> None:
    headline = make_headline(ds, summary)
    assert texts(headline_of(headline.data())) == texts(headline)


def test_other_tables_beside_the_manifest_are_damage(run: store_run.Run, base: Scenario) -> None:
    path = run.folder / manifest.TABLES
    path.write_text(path.read_text().replace("GW", "MW"))
    assert "damaged" in tables_file.read(run.folder, manifest.read(run.folder))[1]
    notes: list[str] = []
    again = stored(
        base, run.folder.parent, draws=512, seed=3, figures=False, tables=True, note=notes.append
    )
    assert any(f"{path}: damaged" in note for note in notes)
    assert texts(again.headline) == texts(run.headline)  # type: ignore[arg-type]
    change_manifest(run.folder, **{manifest.TABLES: None})
    assert tables_file.read(run.folder, manifest.read(run.folder)) == (None, "")
