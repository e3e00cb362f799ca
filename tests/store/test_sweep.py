from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from conftest import runs_in
from sweep_plans import BASE, DUTY, HURDLE, LIFE, MEDIAN, make_plan

import sim
from sim.parameters import sweep_axes
from sim.simulation import sweep as sweeps
from sim.store import folders
from sim.store import sweep as store_sweep
from sim.store.sweep import Sweep


def read_files(folder: Path) -> dict[str, bytes]:
    """Contents of the files of a sweep, except for the manifest, which holds times."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def stored_sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    plan = make_plan({DUTY: [0.4, 0.6], LIFE: [3, 4, 5]}, [MEDIAN, HURDLE, "p_top_two"])
    return store_sweep.run(plan, tmp_path_factory.mktemp("outputs"))


def test_sweep_folder_holds_data_tidy_table_figures_and_provenance(stored_sweep: Sweep) -> None:
    folder = stored_sweep.folder
    assert 0 < stored_sweep.seconds < 3600
    assert runs_in(folder.parent) == [folder]
    assert folder.name == f"base-sweep-{stored_sweep.ds.attrs['digest']}"
    figures = {path.stem for path in (folder / "figures").iterdir()}
    assert figures == {"p50_inference_gross_margin_2026Q4", "P_inference_gross_margin_2026Q4_0_7"}
    with xr.open_dataset(folder / "sweep.nc", engine="h5netcdf") as ds:
        xr.testing.assert_identical(ds.load(), stored_sweep.ds)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["over"][LIFE]["values"] == [3, 4, 5]
    assert manifest["points"] == 6
    assert manifest["parameters_of_the_first_point"]["model"]["view"] == "economic"
    with (folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = [DUTY, LIFE, "output", "lab", "landlord", "regime", "layer", "quarter", "statistic"]
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)
    row_labels = {DUTY: "0.6", LIFE: "4"}
    (row,) = [row for row in rows if row["output"] == HURDLE and row_labels.items() <= row.items()]
    point = stored_sweep.ds.sel({DUTY: 0.6, LIFE: 4})
    assert float(row["value"]) == float(point[HURDLE])
    assert float(row["error"]) == float(point[f"{HURDLE}_error"]) > 0
    (row,) = [
        row for row in rows
        if (row_labels | {"statistic": "p95", "quarter": "2027Q4"}).items() <= row.items()
    ]  # fmt: skip
    margin = point["inference_gross_margin_quantile"].sel(quantile=0.95, quarter="2027Q4")
    assert (row["output"], float(row["value"])) == ("inference_gross_margin", float(margin))


def test_stored_sweep_is_read_without_evaluating_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan({LIFE: [3, 5]})
    first = store_sweep.run(plan, tmp_path, figures=False)
    assert first.from_disk == 0
    before = read_files(first.folder)
    points: list[int] = []
    point = sweeps.SweepPlan.point

    def count_points(self: sweeps.SweepPlan, number: int, *arguments: Any) -> xr.Dataset:
        points.append(number)
        return point(self, number, *arguments)

    monkeypatch.setattr(sweeps.SweepPlan, "point", count_points)
    second = store_sweep.run(plan, tmp_path)
    assert (points, second.from_disk) == ([], 2)
    xr.testing.assert_identical(second.ds, first.ds)
    assert before.items() <= read_files(first.folder).items()
    assert (first.folder / "figures" / "p50_inference_gross_margin_2026Q4.png").exists()
    forced = store_sweep.run(plan, tmp_path, figures=False, force=True)
    assert (points, forced.from_disk) == ([0, 1], 0)
    assert read_files(first.folder) == before
    assert runs_in(tmp_path) == [first.folder]


def test_words_of_a_sweep_are_no_formulas_in_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["=cmd.csv", "+1.csv", "-1.csv", "@a.csv", "plain.csv"]
    for name in names:
        Path(name).write_text("x\n0.1\n0.2\n")
    key = "hardware.network_cost_ratio"
    plan = sweeps.plan_sweep(
        BASE, sweep_axes.of_mapping({f"{key}.file": names}, []), [MEDIAN],
        {f"{key}.family": "empirical"}, [], draws=64, seed=3, sampler=None, threads=None,
        bad_draws="fail", drop_questionable=False,
    )  # fmt: skip
    folder = store_sweep.run(plan, tmp_path / "out", figures=False).folder
    with (folder / "sweep.csv").open(newline="", encoding="utf-8") as file:
        cells = [next(iter(row.values())) for row in csv.DictReader(file)]
    assert list(dict.fromkeys(cells)) == ["'=cmd.csv", "'+1.csv", "'-1.csv", "'@a.csv", "plain.csv"]


@pytest.mark.long  # it kills sweeps
def test_killed_sweep_is_resumed_to_the_same_files(tmp_path: Path) -> None:
    over = {LIFE: "3:6:7"}
    full = store_sweep.run(make_plan(over), tmp_path / "full")
    code = (
        "import sys, pathlib\n"
        "from sim.parameters import sweep_axes\n"
        "from sim.simulation import sweep as sweeps\n"
        "from sim.store import sweep as store_sweep\n"
        f"along = sweep_axes.of_mapping({over!r}, [])\n"
        f"plan = sweeps.plan_sweep({BASE!r}, along, [{MEDIAN!r}], {{}}, [], draws=300, seed=3,"
        " sampler=None, threads=1, bad_draws='fail', drop_questionable=False)\n"
        "store_sweep.run(plan, pathlib.Path(sys.argv[1]), progress=lambda draws:"
        " __import__('time').sleep(0.2))\n"
    )
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(out)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(list(out.glob(".*.points/*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / full.folder.name).exists()
    (part, *_) = sorted(out.glob(".*.points/*.npz"))
    part.write_bytes(part.read_bytes()[:1000])  # a point that cannot be read is evaluated again
    resumed = store_sweep.run(make_plan(over), out)
    assert 1 <= resumed.from_disk < 7
    assert read_files(resumed.folder) == read_files(full.folder)
    assert runs_in(out) == [resumed.folder]


def test_concurrent_sweeps_wait_for_one_another(tmp_path: Path) -> None:
    plan = make_plan({LIFE: [3, 5]})
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(store_sweep.run, plan, tmp_path, figures=False) for _ in range(2)]
        first, second = (future.result() for future in futures)
    assert sorted((first.from_disk, second.from_disk)) == [0, 2]
    xr.testing.assert_identical(first.ds, second.ds)
    assert runs_in(tmp_path) == [first.folder]
    assert {path.name for path in first.folder.iterdir()} == {
        "sweep.nc", "sweep.csv", "manifest.json",
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_sweep_is_replaced(tmp_path: Path, damage: str) -> None:
    plan = make_plan({LIFE: [3, 5]})
    first = store_sweep.run(plan, tmp_path, figures=False)
    data = first.folder / "sweep.nc"
    content = data.read_bytes()
    middle = len(content) // 2
    flipped = bytes([content[middle] ^ 255]) + content[middle + 1 :]
    data.write_bytes(content[:middle] + (flipped if damage == "flipped" else b""))
    second = store_sweep.run(plan, tmp_path, figures=False)
    assert second.from_disk == 0
    assert data.read_bytes() == content


@pytest.mark.parametrize("damage", ["edited", "missing", "not regular"])
def test_damaged_table_of_a_sweep_is_made_anew_without_evaluating_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    plan = make_plan({LIFE: [3, 5]})
    first = store_sweep.run(plan, tmp_path, figures=False)
    before = read_files(first.folder)
    table = first.folder / "sweep.csv"
    if damage == "edited":
        table.write_text(table.read_text().replace("0.", "1.", 1))
    else:
        table.unlink()
    if damage == "not regular":
        os.mkfifo(table)
    monkeypatch.setattr(sweeps.SweepPlan, "point", None)  # no point can be evaluated
    notes: list[str] = []
    again = store_sweep.run(plan, tmp_path, figures=False, note=notes.append)
    assert again.from_disk == 2
    assert [note.partition(": ")[0] for note in notes] == [str(table)]
    assert read_files(first.folder) == before


def test_points_that_are_damaged_or_of_another_place_are_evaluated_again(tmp_path: Path) -> None:
    plan = make_plan({LIFE: [3, 4, 5, 6, 7]})
    full = store_sweep.run(plan, tmp_path / "full", figures=False)
    other = make_plan({LIFE: [3, 4]}, seed=9)

    def keep_points(plan: sweeps.SweepPlan, out: Path) -> Path:
        """The folder of points of a sweep that ended when all were evaluated."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_sweep, "_store", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store_sweep.run(plan, out, figures=False)
        (points,) = out.glob(".*.points")
        return points

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    points = keep_points(plan, tmp_path / "killed")
    (points / "0.npz").write_bytes(b"")
    (points / "1.npz").write_bytes((points / "1.npz").read_bytes()[:1000])
    (points / "2.npz").write_bytes((points / "3.npz").read_bytes())
    (keep_points(other, tmp_path / "other") / "0.npz").replace(points / "4.npz")
    notes: list[str] = []
    resumed = store_sweep.run(plan, tmp_path / "killed", figures=False, note=notes.append)
    assert resumed.from_disk == 1
    named = [str(points / f"{number}.npz") for number in (0, 1, 2, 4)]
    assert [note.partition(": ")[0] for note in notes] == named
    assert read_files(resumed.folder) == read_files(full.folder)
    assert runs_in(tmp_path / "killed") == [resumed.folder]


def test_points_without_use_are_not_called_broken_off(tmp_path: Path) -> None:
    plan = make_plan({LIFE: [3, 5]})
    points = tmp_path / f".base-sweep-{plan.digest()}.points"
    points.mkdir()
    (points / "0.npz").write_bytes(b"")
    assert folders.listed(tmp_path) == []
    assert not points.exists()


def test_sweep_is_listed_and_removed_but_not_opened_as_a_run(
    tmp_path: Path,
) -> None:
    stored_sweep = store_sweep.run(make_plan({LIFE: "3:4:2"}), tmp_path, figures=False)
    (row,) = folders.listed(tmp_path)
    assert (row["run"], row["state"], row["model"]) == (stored_sweep.folder.name, "whole", "this")
    with pytest.raises(sim.InputError, match="a sweep, and no run: its numbers"):
        sim.open_run(stored_sweep.folder)
    folders.remove(stored_sweep.folder)
    assert runs_in(tmp_path) == []
