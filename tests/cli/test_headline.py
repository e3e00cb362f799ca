"""The headline as it is printed: a page of thirty lines."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest
import xarray as xr
from conftest import ROOT, Command
from rich.console import Console

import sim
from sim.cli.headline import MOST_LINES, print_headline
from sim.cli.run_output import Description, describe_scenario
from sim.parameters.override import Override
from sim.store.headline import make_headline
from sim.tables.table import LABS, MARGINS, Cell, Headline, Selection

BASE = ROOT / "params" / "base.toml"
SCENARIOS = ROOT / "params" / "scenarios"
FILES = [BASE, SCENARIOS / "bear.toml", SCENARIOS / "evidence-2026-11.toml"]
FOLDER = "outputs/base-0123456789ab/"
NOTHING = Description("", (), ())


@pytest.fixture(scope="module")
def headline(ds: xr.Dataset, summary: xr.Dataset) -> Headline:
    return make_headline(ds, summary)


def page(
    printed: Console, headline: Headline, description: Description = NOTHING, errors: bool = False
) -> list[str]:
    print_headline(headline, description, FOLDER, "1.3 s", errors=errors)
    return printed.export_text(styles=False).splitlines()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("draws", [64, 512])
def test_a_headline_has_thirty_lines_of_eighty_columns_at_most(
    printed: Console, file: str, draws: int
) -> None:
    scenario = sim.load(file)
    ds = sim.simulate(scenario, draws=draws)
    lines = page(printed, make_headline(ds, sim.summarise(ds)), describe_scenario(scenario))
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert all(name in text for name in ds.lab_name.values)
    assert "Odd: " in text
    assert "never" in text  # of a generation that is not paid back
    assert lines[-1].startswith(FOLDER)


def test_a_headline_that_overflows_counts_what_it_leaves_out(
    printed: Console, headline: Headline
) -> None:
    changes = tuple(Override(f"hardware.key_{i}.median", 1, 2, "--set") for i in range(60))
    many = replace(NOTHING, text="words " * 200, overrides=changes, remarks=("a remark",) * 40)
    table = next(table for table in headline.tables if table.name == LABS)
    longer = replace(table, rows=table.rows * 4)
    crowded = headline._replace(
        tables=[longer if t.name == LABS else t for t in headline.tables],
        remarks=["what is odd " * 12] * 9,
        targets=["met"],
    )
    lines = page(printed, crowded, many)
    assert len(lines) == MOST_LINES
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "60 changes by --set: hardware.key_0.median, " in text
    assert f"and {4 * 8 - 7} more labs (table labs)" in text
    shown = sum(line.startswith(("Odd: what", "Odd: a remark")) for line in lines)
    assert f"Odd: {49 - shown} more (table odd)" in text


def test_numbers_have_two_to_three_digits_of_their_spread(
    printed: Console, headline: Headline
) -> None:
    cells = [
        cell
        for table in headline.tables
        for _, row in table.rows
        for cell in row
        if isinstance(cell, Cell) and not cell.draws and 0 < cell.spread < math.inf
    ]
    assert len(cells) > 40
    for cell in cells:
        value, error = cell.brief()
        assert bool(error) == (cell.error > 0.01 * cell.spread)
        if not error and "e" not in value:
            decimals = len(value.rstrip("*").partition(".")[2])
            figures = cell.spread * cell.scale * 10**decimals
            assert 9.5 <= figures < 1000 or (decimals == 0 and figures >= 9.5)


@pytest.mark.parametrize(
    ("share", "error", "expected"),
    [
        (0.417, 0.002, ("42", "")),
        (0.0549, 0.001, ("5.5", "")),
        (0.9951, 0.0001, ("99.51", "")),
        (0.0008, 0.0002, ("0.08", "")),
        (0.417, 0.02, ("42", "2")),
        (0.0, 0.0, ("< 0.3", "")),
        (0.25, math.nan, ("25", "")),
    ],
)
def test_a_probability_has_two_digits_and_its_error_where_that_is_a_point(
    share: float, error: float, expected: tuple[str, str]
) -> None:
    assert Cell(share, error, "1", draws=1_000).brief() == expected


def test_errors_are_shown_on_request(printed: Console, headline: Headline) -> None:
    usual = page(printed, headline)
    with_errors = page(printed, headline, errors=True)
    margin = next(cell for t in headline.tables if t.name == MARGINS for cell in t.rows[0][1])
    assert isinstance(margin, Cell)
    value, error = margin.rounded()
    assert not any(f"±{error}" in line for line in usual)
    row = next(line for line in with_errors if "Inference:" in line)
    assert value in row
    assert any(f"±{error}" in line for line in with_errors)


def test_a_selection_narrows_lines_and_never_drops_the_headline(
    ds: xr.Dataset, summary: xr.Dataset, printed: Console
) -> None:
    selection = Selection(("xai", "meta"), ("oracle",), ("2027Q4",))
    lines = page(printed, make_headline(ds, summary, selection))
    text = "\n".join(lines)
    for words in ("Gross margin, 2027Q4", "Labs, 2027Q4", "Landlords, 2027Q4", "xAI", "Meta"):
        assert words in text
    assert "What moves the inference margin of 2027Q4 most: " in text
    for words in ("2026Q4", "Anthropic ", "Microsoft"):
        assert words not in text
    assert sum(line.startswith("Oracle ") for line in lines) == 1


def test_a_headline_without_drivers_says_why(base: sim.Scenario, printed: Console) -> None:
    ds = sim.simulate(base, draws=64)
    text = " ".join(make_headline(ds, sim.summarise(ds)).remarks)
    assert "What moves the inference margin of 2026Q4 most is not known: 64 draws are too" in text


def test_json_and_csv_hold_every_number_of_the_page_with_its_error(invoke: Command) -> None:
    options = ("run", str(BASE), "--draws", "512", "--no-figures")
    (document,) = json.loads(invoke(*options, "--json", "--table", "limits").stdout)
    assert document["version"] == 1
    names = [table["name"] for table in document["tables"]]
    assert names == ["headline_margins", "headline_labs", "headline_drivers", "limits"]
    cells = {
        (table["name"], cell["row"], cell["column"]): cell
        for table in document["tables"]
        for cell in table["cells"]
    }
    margin = cells["headline_margins", "Inference: paid traffic, compute only", "p5"]
    assert margin["error"] > 0
    rows = list(csv.DictReader(io.StringIO(invoke(*options, "--csv").stdout)))
    found = {(row["table"], row["row"], row["column"]): row for row in rows}
    for key, cell in cells.items():
        if key[0] == "limits" or cell.get("value") is None:
            continue
        assert float(found[key]["value"]) == cell["value"], key
        assert float(found[key]["error"]) == cell["error"], key


def test_tables_are_printed_by_name_below_the_headline(invoke: Command) -> None:
    options = ("run", str(BASE), "--draws", "256", "--no-figures")
    done = invoke(*options, "--table", "limits", "--table", "odd")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert (
        text.index("Gross margin, 2026Q4")
        < text.index("What is odd")
        < text.index("What limited the build of 2027")
    )
    refused = invoke(*options, "--table", "limts", "--force")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "--table: no such table: 'limts'; did you mean 'limits'?\n"


def test_a_long_name_is_shortened_so_that_numbers_fit(printed: Console, headline: Headline) -> None:
    tables = [
        replace(
            table, rows=[(f"A lab of {label} with a long name", row) for label, row in table.rows]
        )
        if table.name == LABS
        else table
        for table in headline.tables
    ]
    lines = page(printed, headline._replace(tables=tables))
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("A lab of ") and "…" in line for line in lines) == 8
