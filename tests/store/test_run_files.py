from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import runs_in
from drawing import stored

import sim
from sim import plots
from sim.parameters.options import run_options
from sim.parameters.scenario import Scenario
from sim.statistics.summary import summarise
from sim.statistics.tidy import COLUMNS
from sim.store import run as store_run
from sim.store import run_files


@pytest.fixture(scope="module")
def stored_run(base: Scenario, tmp_path_factory: pytest.TempPathFactory) -> store_run.Run:
    return stored(base, tmp_path_factory.mktemp("outputs"), draws=2_000, seed=3)


FIGURES = (
    "margin", "waterfall", "lab_margin", "payback", "gigawatts", "exposure", "depreciation",
)  # fmt: skip


def test_run_folder_holds_data_figures_and_provenance(stored_run: store_run.Run) -> None:
    files = {
        str(path.relative_to(stored_run.folder))
        for path in stored_run.folder.rglob("*")
        if path.is_file()
    }
    assert files == {
        "run.nc",
        "summary.csv",
        "manifest.json",
        "parameters.toml",
        *(f"figures/{name}.png" for name in FIGURES),
    }
    assert runs_in(stored_run.folder.parent) == [stored_run.folder]
    assert stored_run.folder.name == f"base-{stored_run.ds.attrs['digest']}"


def test_stored_summary_is_that_of_the_stored_draws(stored_run: store_run.Run) -> None:
    with (
        xr.open_dataset(stored_run.folder / "run.nc", engine="h5netcdf") as draws,
        xr.open_dataset(
            stored_run.folder / "run.nc", engine="h5netcdf", group="summary"
        ) as summary,
    ):
        summary_of_draws = summarise(sim.redraw(draws.load()))
        repeated = [name for name in summary_of_draws if name not in summary]
        assert {str(name).removesuffix("_error")[-4:] for name in repeated} == {"_var"}
        xr.testing.assert_equal(summary_of_draws.drop_vars(repeated), summary.load())


def test_manifest_holds_parameters_sources_and_versions(
    stored_run: store_run.Run, base: Scenario
) -> None:
    manifest = json.loads((stored_run.folder / "manifest.json").read_text())
    assert manifest["draws"] == 2_000
    assert manifest["seed"] == 3
    assert manifest["digest"] in stored_run.folder.name
    assert manifest["parameters"]["quantities"]["hardware.pue"]["median"] == 1.2
    assert manifest["parameters"]["hosts"]["labs.openai.host.microsoft"]["share_2026"] == 0.4
    assert set(manifest["sources"]) == set(base.sources_used())
    assert {"python", "numpy", "numba", "token-economics-sim"} <= set(manifest["versions"])
    assert manifest["duration_s"] > 0
    assert "commit" in manifest


def test_manifest_holds_the_targets_of_a_run_that_had_some(
    stored_run: store_run.Run, base: Scenario
) -> None:
    about = json.loads((stored_run.folder / "manifest.json").read_text())
    assert "until" not in about
    ds = stored_run.ds.assign_attrs(until='[{"met": true}]')
    options = run_options(base, draws=int(ds.attrs["draws"]))
    assert run_files.run_manifest(base, options, ds, 0.0)["until"] == [{"met": True}]


def test_summary_csv_has_one_row_per_number(stored_run: store_run.Run) -> None:
    with (stored_run.folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    names = ("output", "lab", "landlord", "regime", "layer", "quarter", "statistic")
    keys = {tuple(row[name] for name in names) for row in rows}
    assert len(keys) == len(rows)
    row = next(
        row
        for row in rows
        if row["output"] == "p_gw_above"
        and row["lab"] == "openai"
        and row["quarter"] == "2027Q4"
        and row["statistic"] == "P(> 10 GW)"
    )
    expected = stored_run.summary.p_gw_above.sel(lab="openai", quarter="2027Q4", threshold=10)
    assert float(row["value"]) == float(expected)
    assert float(row["error"]) > 0
    assert row["unit"] == "1"


def test_parameters_toml_holds_the_resolved_parameters(stored_run: store_run.Run) -> None:
    parameters = tomllib.loads((stored_run.folder / "parameters.toml").read_text())
    assert parameters["hardware"]["pue"]["median"] == 1.2
    assert parameters["labs"]["openai"]["host"]["microsoft"]["share_2026"] == 0.4
    assert parameters["model"]["view"] == "economic"


def test_failed_figure_loses_no_other_file(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(ds: xr.Dataset) -> None:
        raise ValueError("no limits")

    monkeypatch.setitem(plots.FIGURES, "payback", fail)
    stored_run = stored(base, tmp_path, draws=64)
    assert stored_run.undrawn == {"payback": "ValueError: no limits"}
    assert (stored_run.folder / "run.nc").exists()
    drawn = {path.stem for path in (stored_run.folder / "figures").iterdir()}
    assert drawn == set(FIGURES) - {"payback"}


def test_figures_of_the_same_draws_are_kept(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "FIGURES", {"margin": plots.margin})  # to be quick
    first = stored(base, tmp_path, draws=64)
    figures = {path.name: path.read_bytes() for path in (first.folder / "figures").iterdir()}
    again = stored(base, tmp_path, draws=64, figures=False)
    again_figures = {path.name: path.read_bytes() for path in (again.folder / "figures").iterdir()}
    assert again_figures == figures
    more = stored(base, tmp_path, draws=96, figures=False)
    assert more.folder == first.folder
    assert not (more.folder / "figures").exists()


def test_a_run_of_100_000_draws_with_190_columns_takes_60_mb_at_most(
    base: Scenario, tmp_path: Path
) -> None:
    """Columns that are neither constant nor NaN nor copies; measured on fewer draws."""
    sizes = {}
    for draws in (8_192, 16_384):
        run = stored(base, tmp_path / str(draws), draws=draws, figures=False)
        files = [path for path in run.folder.rglob("*") if path.is_file()]
        assert "state.npz" not in [path.name for path in files]
        sizes[draws] = sum(path.stat().st_size for path in files)
    columns = set()
    for variable in run.ds.data_vars.values():
        if "draw" in variable.dims:
            table = variable.transpose(..., "draw").values.reshape(-1, variable.sizes["draw"])
            kept = table[(table != table[:, :1]).any(axis=1) & ~np.isnan(table[:, 0])]
            columns |= {draws.tobytes() for draws in kept.astype(np.float32)}
    per_draw = (sizes[16_384] - sizes[8_192]) / 8_192
    everything_else = sizes[8_192] - 8_192 * per_draw
    assert len(columns) > 100
    assert everything_else + 100_000 * per_draw / len(columns) * 190 < 60e6
