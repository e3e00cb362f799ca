from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT, runs_in

import sim
from sim import plots
from sim.cli import main
from sim.statistics import expressions
from sim.store import export

PNG = b"\x89PNG"


ALTERED = "utilisation.duty_cycle_online_inference.median"
NARROW = ("--lab", "xai", "--landlord", "oracle", "--quarter", "2027Q2")


@dataclass(frozen=True)
class Done:
    """A run as a user makes it: its folder, what was printed, and what it holds."""

    folder: Path
    printed: str
    ds: xr.Dataset


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    base, out = str(ROOT / "params" / "base.toml"), tmp_path_factory.mktemp("work") / "outputs"
    options = ("--draws", "1100", "--seed", "7", "--set", f"{ALTERED}=0.6", "--no-figures")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", ["sim", "run", base, "--out", str(out), *options, *NARROW])
        with contextlib.suppress(SystemExit):
            main.main()
    (folder,) = runs_in(out)
    ds = sim.simulate(sim.load(base, set={ALTERED: 0.6}), draws=1_100, seed=7)
    return Done(folder, printed.getvalue(), ds)


Sim = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_sim(
    done: Done,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Sim:
    """`sim ARGUMENTS` in a folder with that run in `outputs`: exit code, output, errors."""
    shutil.copytree(done.folder.parent, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sim", *arguments])
        code: Any = 0
        try:
            main.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        return code, *capsys.readouterr()

    return run


def change(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# sim list


def test_the_list_fits_80_columns_and_says_what_is_wrong(run_sim: Sim, done: Done) -> None:
    outputs = Path("outputs")
    big = shutil.copytree(done.folder, outputs / f"a-scenario-of-a-very-long-name-{'0' * 12}")
    change(big, draws=10_000_000, seed=2**63, source="0", scenario="a-scenario-of-a-very-long-name")
    shutil.copytree(done.folder, outputs / f"bad-{'1' * 12}")
    (outputs / f"bad-{'1' * 12}" / "run.nc").unlink()
    code, out, errors = run_sim("list")
    assert (code, errors) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(
        rf" 1,100 +7  stratified  20\d\d-\d\d-\d\d \d\d:\d\d +\d\.\d MB\s+{done.folder.name}\n", out
    )
    for words in ("of another model version", "broken: run.nc: missing", "3 runs in outputs/, "):
        assert words in out
    rows = json.loads(run_sim("list", "--json")[1])
    assert {row["state"] for row in rows} == {"whole", "broken"}
    assert [row["draws"] for row in rows if row["run"] == big.name] == [10_000_000]


def test_a_folder_without_runs_and_one_that_is_not_there(run_sim: Sim) -> None:
    Path("empty").mkdir()
    assert run_sim("list", "--out", "empty")[:2] == (0, "no runs in empty/, 0 B\n")
    code, out, errors = run_sim("list", "--out", "nowhere")
    assert (code, out) == (2, "")
    assert errors == "nowhere: no such folder: expected the folder in which runs are\n"


def test_the_list_reads_manifests_alone(done: Done) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['sim', 'list', '--out', {str(done.folder.parent)!r}]\n"
        "try:\n    runpy.run_module('sim', run_name='__main__')\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'matplotlib', 'xarray', 'scipy', 'h5py', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.folder.name in out.stdout


# sim show


def test_show_prints_what_the_run_printed(
    run_sim: Sim, done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim.simulation.simulate.loop, "run", None)  # nothing is drawn again
    code, shown, errors = run_sim("show", "base", *NARROW)
    assert (code, errors) == (0, "")
    *tables, last = shown.splitlines()
    assert tables == done.printed.splitlines()[:-1]
    assert f"  {ALTERED}: 0.5 -> 0.6" in tables
    assert re.fullmatch(r"outputs/base-\w{12}/  made 20\S+ \S+ UTC in \d+\.\d s", last)
    document = json.loads(run_sim("show", "base", "--json")[1])
    assert document["overrides"][0]["key"] == ALTERED
    assert (document["draws"], document["model"]) == (1_100, "this")
    assert "Gross margin (%)" in {table["title"] for table in document["tables"]}


def test_show_names_rows_and_runs_that_are_not_there(run_sim: Sim) -> None:
    code, out, errors = run_sim("show", "base", "--lab", "openia", "--quarter", "2028Q1")
    assert (code, out) == (2, "")
    assert errors.splitlines() == [
        "--lab: no such lab: 'openia'; did you mean 'openai'?",
        "--quarter: no such quarter: '2028Q1'; expected 2026Q1 to 2027Q4",
    ]
    code, _, errors = run_sim("show", "bsae")
    assert (code, errors) == (2, "bsae: no such run in outputs/; did you mean 'base'?\n")


def test_every_command_says_that_another_version_made_a_run(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    change(folder, source="0", remarks=[])
    for command in (("show", "base"), ("export", "base", "--to", "x.csv", "--output", "gw")):
        code, _, errors = run_sim(*command)
        assert code == 0
        assert errors.startswith(f"note: {folder.name}: made by another version of the model")


@pytest.mark.parametrize("command", ["show", "plot", "export"])
def test_every_command_names_damage_and_leaves_it_alone(run_sim: Sim, command: str) -> None:
    (folder,) = runs_in(Path("outputs"))
    data = folder / "run.nc"
    data.write_bytes(data.read_bytes()[:-1])
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    more = ("--format", "csv") if command == "export" else ()
    code, out, errors = run_sim(command, "base", *more)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"{data}: truncated: it has \S+ bytes, and was written with \S+\n", errors)
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


# sim plot


def test_plot_draws_named_figures_again(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    code, out, errors = run_sim("plot", "base", "margin")
    assert (code, out, errors) == (0, f"{folder}/figures/margin.png\n", "")
    assert (folder / "figures" / "margin.png").read_bytes().startswith(PNG)
    assert run_sim("plot", "base", "margin", "--to", "margin.pdf")[1] == "margin.pdf\n"
    assert Path("margin.pdf").read_bytes().startswith(b"%PDF")
    assert run_sim("plot", "base", "margin", "payback", "--to", "pictures")[0] == 0
    names = sorted(path.name for path in Path("pictures").iterdir())
    assert names == ["margin.png", "payback.png"]


def test_plot_refuses_what_it_cannot_draw_or_write(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, errors = run_sim("plot", "base", "margn", "--to", "a/b.png")
    assert (code, out) == (2, "")
    assert errors.splitlines() == [
        "--to: a/b.png: expected a folder, or NAME.png, .pdf or .svg in a folder that is there",
        "FIGURE: no such figure: 'margn'; did you mean 'margin'?",
    ]
    assert "one file, and 7 figures" in run_sim("plot", "base", "--to", "all.png")[2]

    def fails(ds: xr.Dataset) -> None:
        raise ValueError("no limits")

    monkeypatch.setattr(plots, "FIGURES", {"margin": fails, "payback": plots.FIGURES["payback"]})
    code, out, errors = run_sim("plot", "base", "--to", "pictures")
    assert (code, out) == (1, "pictures/payback.png\n")
    assert errors == "margin could not be drawn: ValueError: no limits\n"


# sim export


def test_columns_are_named_as_expressions_are(done: Done) -> None:
    columns = export.columns(done.ds)
    assert len({column.name for column in columns}) == len(columns)
    for column in columns[1::7]:
        values = done.ds[column.output].sel(column.labels)
        if not np.isfinite(values).all() or "moic" in column.name or "required" in column.name:
            continue
        low, _ = expressions.evaluate(f"p50({column.name})", done.ds)
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
        found = table[column.name].to_numpy().astype(ds[column.output].dtype)
        np.testing.assert_array_equal(found, ds[column.output].sel(column.labels).values)


def test_csv_holds_every_digit_and_a_table_of_units(run_sim: Sim, done: Done) -> None:
    name = done.folder.name
    code, out, _ = run_sim("export", "base", "--format", "csv")
    assert (code, out.split()) == (0, [f"{name}.columns.csv", f"{name}.csv"])
    assert_same_table(pd.read_csv(f"{name}.csv", dtype=str, keep_default_na=False), done.ds)
    rows = {
        row["column"]: row
        for row in csv.DictReader(Path(f"{name}.columns.csv").read_text().splitlines())
    }
    row = rows["gw[openai]@2027Q4"]
    assert (row["output"], row["lab"], row["quarter"], row["unit"]) == (
        "gw", "openai", "2027Q4", "GW",
    )  # fmt: skip
    assert sorted(path.name for path in Path().iterdir() if "base" in path.name) == out.split()


def test_parquet_holds_the_same_with_units_and_attributes(run_sim: Sim, done: Done) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run_sim("export", "base", "--to", "draws.parquet")[:2] == (0, "draws.parquet\n")
    assert_same_table(pd.read_parquet("draws.parquet"), done.ds)
    schema = parquet.read_schema("draws.parquet")
    assert schema.field("gw[openai]@2027Q4").metadata[b"unit"] == b"GW"
    assert schema.metadata[b"digest"].decode() == done.ds.attrs["digest"]


def test_zarr_holds_the_groups_of_run_nc(run_sim: Sim, done: Done) -> None:
    pytest.importorskip("zarr")
    only = ("--output", "gw", "--output", "payback_months")
    code, out, _ = run_sim("export", "base", "--format", "zarr", *only)
    assert (code, out) == (0, f"{done.folder.name}.zarr\n")
    with xr.open_zarr(out.strip(), chunks=None) as draws:
        xr.testing.assert_identical(draws.load(), done.ds[["gw", "payback_months"]])
    with xr.open_zarr(out.strip(), group="summary", chunks=None) as summary:
        expected = sim.summarise(done.ds, ["gw"]).gw_quantile
        np.testing.assert_array_equal(summary.gw_quantile, expected)
        assert "payback_months_quantile_error" in summary
        assert "tps_decode_mean" not in summary
    assert run_sim("export", "base", "--format", "zarr", *only)[0] == 2
    assert run_sim("export", "base", "--format", "zarr", *only, "--force")[0] == 0


def test_an_export_replaces_nothing_unasked(run_sim: Sim, done: Done) -> None:
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
    assert out.split()[-1] == f"outputs/{done.folder.name}.csv"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "parqet"), "--format: unknown format 'parqet'; did you mean 'parquet'?"),
        ((), "--format: missing: expected csv, parquet or zarr, unless --to has such an ending"),
        (("--to", "a/b.csv"), "--to: a: no such folder"),
        (
            ("--to", "b.csv", "--output", "gww"),
            "--output: no such output: 'gww'; did you mean 'gw'?",
        ),
        (("--format", "zarr"), "--format: zarr needs zarr: pip install zarr"),
    ],
)
def test_bad_exports_are_named_and_write_nothing(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)  # as if it were not installed
    before = sorted(Path().rglob("*"))
    assert run_sim("export", "base", *options) == (2, "", f"{message}\n")
    assert sorted(Path().rglob("*")) == before


def test_an_export_that_fails_leaves_what_was_there(
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


# sim rm


def test_rm_removes_runs_and_only_runs(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    second = shutil.copytree(folder, Path("outputs") / f"base-{'0' * 12}")
    Path("mine").mkdir()
    Path("mine", "notes.txt").write_text("mine")
    code, out, errors = run_sim("rm", folder.name, "mine", "--yes")
    assert (code, out) == (2, "")
    assert errors == "mine: a folder that is no run: expected one with manifest.json and run.nc\n"
    assert folder.is_dir()  # one fault, and nothing is removed
    assert run_sim("rm", folder.name, str(second), "--yes")[:2] == (
        0,
        f"removed {folder.name}\nremoved {second.name}\n",
    )
    assert runs_in(Path("outputs")) == []
    assert Path("mine", "notes.txt").exists()


def test_rm_asks_on_a_terminal_and_refuses_without_one(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = runs_in(Path("outputs"))
    (folder / "notes.md").write_text("mine")
    code, _, errors = run_sim("rm", "base")
    assert (code, errors) == (
        2,
        "sim rm: not asked for: on no terminal, say --yes to remove runs\n",
    )
    assert folder.is_dir()
    monkeypatch.setattr("sim.cli.rm._on_terminal", lambda: True)
    for answer, left in (("n\n", True), ("y\n", False)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        code, _, errors = run_sim("rm", "base")
        assert "among them notes.md" in errors
        assert "Remove this run?" in errors
        assert (code == 0, folder.is_dir()) == (not left, left)


def test_a_run_that_is_broken_can_be_removed(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    (folder / "manifest.json").unlink()
    assert run_sim("rm", "base", "--yes")[0] == 0
    assert runs_in(Path("outputs")) == []


def test_help_of_every_command_fits(run_sim: Sim) -> None:
    for name in ("list", "show", "plot", "export", "rm"):
        code, out, _ = run_sim(name, "--help")
        assert code == 0
        assert "Usage:" in out
    assert max(map(len, run_sim("--help")[1].splitlines())) <= 80
