"""`sim export`: draws of a stored run for other tools."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from stored_runs import Sim, StoredRun

import sim
from sim.statistics import expressions
from sim.store import export


def test_exported_columns_are_named_like_expressions(stored: StoredRun) -> None:
    columns = export.columns(stored.ds)
    assert len({column.name for column in columns}) == len(columns)
    for column in columns[1::7]:
        values = stored.ds[column.output].sel(column.labels)
        if not np.isfinite(values).all() or "moic" in column.name or "required" in column.name:
            continue
        low, _ = expressions.evaluate(f"p50({column.name})", stored.ds)
        assert low == pytest.approx(float(values.quantile(0.5)), rel=1e-2)
    named = {column.name: column for column in columns}
    assert named["gw[openai]@2027Q4"].unit == "GW"
    assert "compute_cost[online_inference]@2026Q4" in named
    assert "rpo_under_hurdle[oracle]" in named
    assert "tps_decode" in named


def assert_same_table(table: pd.DataFrame, ds: xr.Dataset) -> None:
    columns = export.columns(ds)
    assert list(table) == [column.name for column in columns]
    for column in columns:
        values = table[column.name].to_numpy().astype(ds[column.output].dtype)
        np.testing.assert_array_equal(values, ds[column.output].sel(column.labels).values)


def test_csv_holds_every_digit_and_a_table_of_units(run_sim: Sim, stored: StoredRun) -> None:
    name = stored.folder.name
    code, out, _ = run_sim("export", "base", "--format", "csv")
    assert (code, out.split()) == (0, [f"{name}.columns.csv", f"{name}.csv"])
    assert_same_table(pd.read_csv(f"{name}.csv", dtype=str, keep_default_na=False), stored.ds)
    rows = {
        row["column"]: row
        for row in csv.DictReader(Path(f"{name}.columns.csv").read_text().splitlines())
    }
    row = rows["gw[openai]@2027Q4"]
    assert (row["output"], row["lab"], row["quarter"], row["unit"]) == (
        "gw", "openai", "2027Q4", "GW",
    )  # fmt: skip
    assert sorted(path.name for path in Path().iterdir() if "base" in path.name) == out.split()


def test_parquet_holds_units_and_attributes(run_sim: Sim, stored: StoredRun) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run_sim("export", "base", "--to", "draws.parquet")[:2] == (0, "draws.parquet\n")
    assert_same_table(pd.read_parquet("draws.parquet"), stored.ds)
    schema = parquet.read_schema("draws.parquet")
    assert schema.field("gw[openai]@2027Q4").metadata[b"unit"] == b"GW"
    assert schema.metadata[b"digest"].decode() == stored.ds.attrs["digest"]


def test_zarr_holds_the_groups_of_run_nc(run_sim: Sim, stored: StoredRun) -> None:
    pytest.importorskip("zarr")
    only = ("--output", "gw", "--output", "payback_months")
    code, out, _ = run_sim("export", "base", "--format", "zarr", *only)
    assert (code, out) == (0, f"{stored.folder.name}.zarr\n")
    with xr.open_zarr(out.strip(), chunks=None) as draws:
        xr.testing.assert_identical(draws.load(), stored.ds[["gw", "payback_months"]])
    with xr.open_zarr(out.strip(), group="summary", chunks=None) as summary:
        expected = sim.summarise(stored.ds, ["gw"]).gw_quantile
        np.testing.assert_array_equal(summary.gw_quantile, expected)
        assert "payback_months_quantile_error" in summary
        assert "tps_decode_mean" not in summary
    assert run_sim("export", "base", "--format", "zarr", *only)[0] == 2
    assert run_sim("export", "base", "--format", "zarr", *only, "--force")[0] == 0


def test_an_output_without_kept_draws_is_drawn_for_its_export(
    run_sim: Sim, stored: StoredRun
) -> None:
    only = ("--output", "arr", "--output", "gw")
    assert run_sim("export", "base", "--to", "arr.csv", *only)[0] == 0
    table = pd.read_csv("arr.csv", dtype=str, keep_default_na=False)
    assert_same_table(table, sim.redraw(stored.ds, ["arr"])[["arr", "gw"]])


def test_export_replaces_a_file_only_by_force(run_sim: Sim, stored: StoredRun) -> None:
    one = ("export", "base", "--output", "tps_decode")
    Path("draws.csv").write_text("mine")
    code, out, errors = run_sim(*one, "--to", "draws.csv")
    assert (code, out) == (2, "")
    assert errors == "--to: draws.csv: is there already: --force replaces it\n"
    assert Path("draws.csv").read_text() == "mine"
    assert run_sim(*one, "--to", "draws.csv", "--force")[0] == 0
    assert pd.read_csv("draws.csv").shape == (1_100, 2)
    Path("data.zarr").mkdir()
    Path("data.zarr", "mine.txt").write_text("mine")
    code, _, errors = run_sim(*one, "--to", "data.zarr", "--force")
    assert (code, errors) == (2, "--to: data.zarr: is a folder: expected a file\n")
    assert Path("data.zarr", "mine.txt").read_text() == "mine"
    code, out, _ = run_sim(*one, "--to", "outputs", "--format", "csv")
    assert out.split()[-1] == f"outputs/{stored.folder.name}.csv"


def test_export_makes_a_folder_whose_name_ends_in_a_slash(run_sim: Sim, stored: StoredRun) -> None:
    one = ("export", "base", "--output", "tps_decode")
    name = stored.folder.name
    code, out, _ = run_sim(*one, "--format", "csv", "--to", "new/deep/")
    assert (code, out.split()) == (0, [f"new/deep/{name}.columns.csv", f"new/deep/{name}.csv"])
    assert run_sim(*one, "--to", "draws.zarr/")[:2] == (0, "draws.zarr\n")  # as shells complete it
    assert run_sim(*one, "--to", "draws.zarr/", "--force")[:2] == (0, "draws.zarr\n")
    assert run_sim(*one, "--to", "other/")[0] == 2
    assert not Path("other").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("export", "base", "--output", "tps_decode", "--to", "target.csv"),
        ("export", "base", "--output", "tps_decode", "--to", "target.parquet"),
        ("export", "base", "--output", "tps_decode", "--to", "target.zarr"),
        ("plot", "base", "margin", "--to", "target.png"),
        ("schema", "--out", "target.json"),
    ],
)
def test_every_writer_has_one_rule_of_what_it_replaces(
    run_sim: Sim, command: tuple[str, ...]
) -> None:
    option, target = command[-2:]
    os.mkfifo(target)  # a device would be lost where the rule is broken
    refused = f"{option}: {target}: is neither a regular file nor a link to one, and is left alone"
    assert run_sim(*command, "--force")[::2] == (2, f"{refused}\n")
    assert Path(target).is_fifo()
    Path(target).unlink()
    Path("mine").write_text("mine")
    Path(target).symlink_to("mine")
    there = f"{option}: {target}: is there already: --force replaces it\n"
    assert run_sim(*command)[::2] == (2, there)
    assert Path("mine").read_text() == "mine"
    assert run_sim(*command, "--force")[0] == 0
    assert Path(target).is_symlink()
    assert Path("mine").is_dir() == target.endswith("zarr")
    assert Path("mine").is_dir() or Path("mine").read_bytes() != b"mine"
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "parqet"), "--format: unknown format 'parqet'; did you mean 'parquet'?"),
        ((), "--format: missing: expected csv, parquet or zarr, or a --to that ends so"),
        (("--to", "/dev/null/b.csv"), "--to: /dev/null: is no folder"),
        (
            ("--to", "b.csv", "--output", "gww"),
            "--output: no such output: 'gww'; did you mean 'gw'?",
        ),
        (("--format", "zarr"), "--format: zarr needs zarr: pip install zarr"),
    ],
)
def test_export_refuses_bad_options_and_writes_nothing(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)  # as if it were not installed
    before = sorted(Path().rglob("*"))
    assert run_sim("export", "base", *options) == (2, "", f"{message}\n")
    assert sorted(Path().rglob("*")) == before


def test_a_failed_export_leaves_existing_files(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        arguments[-1].write_text("half")
        raise OSError(28, "No space left on device")

    Path("draws.csv").write_text("mine")
    monkeypatch.setitem(export.FORMATS, "csv", export.Format(full))
    before = sorted(Path().iterdir())
    code, _, errors = run_sim("export", "base", "--to", "draws.csv", "--force")
    assert (code, errors) == (1, "draws.csv could not be written: No space left on device\n")
    assert Path("draws.csv").read_text() == "mine"
    assert sorted(Path().iterdir()) == before
