from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT, Command, runs_in

import sim
from sim import plots
from sim.parameters import sweep_axes
from sim.plots import sweep as figures
from sim.simulation import sweep as sweeps
from sim.statistics import expressions
from sim.store import reader
from sim.store import sweep as store_sweep
from sim.store.sweep import Sweep
from sim.tables.sweep import tables

BASE = str(ROOT / "params" / "base.toml")
DUTY = "utilisation.duty_cycle_online_inference.median"
LIFE = "hardware.it_economic_life_years.median"
MEDIAN, LOW = "p50(inference_gross_margin@2026Q4)", "p5(inference_gross_margin@2026Q4)"
HURDLE = "P(inference_gross_margin@2026Q4 >= 0.7)"
SMALL: dict[str, Any] = {"draws": 512, "seed": 3}


def question(over: dict[str, Any], outputs: Any = (MEDIAN,), **options: Any) -> sweeps.SweepPlan:
    faults: list[Any] = []
    usual = {"seed": 3, "sampler": None, "threads": None, "bad_draws": "fail"}
    given = {**usual, "draws": 300, "drop_questionable": False, **options}
    return sweeps.ask(BASE, sweep_axes.of_mapping(over, faults), outputs, {}, faults, **given)


def stored(folder: Path) -> dict[str, bytes]:
    """The files of a sweep but for the manifest, which tells the time."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    return sim.sweep(BASE, {DUTY: "0.4:0.6:3", LIFE: [3, 5]}, **SMALL)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    asked = question({DUTY: [0.4, 0.6], LIFE: [3, 4, 5]}, [MEDIAN, HURDLE, "p_top_two"])
    return store_sweep.run(asked, tmp_path_factory.mktemp("outputs"))


def test_a_sweep_has_a_dim_for_each_key_with_its_values_and_unit(grid: xr.Dataset) -> None:
    assert grid[MEDIAN].dims == (DUTY, LIFE)
    assert grid[DUTY].values.tolist() == [0.4, 0.5, 0.6]
    assert grid[LIFE].attrs["units"] == "yr"
    assert grid["gw_quantile"].dims == (DUTY, LIFE, "quantile", "lab", "quarter")
    assert {"p_margin_above_hurdle", "payback_months_finite_error", HURDLE, f"{LOW}_error"} <= {
        str(name) for name in grid.data_vars
    }
    assert grid["gw_quantile"].attrs["units"] == "GW"
    assert "draw" not in grid.dims


@pytest.mark.parametrize("at", [{DUTY: 0.4, LIFE: 5}, {DUTY: 0.5, LIFE: 3}])
def test_a_point_is_a_run_with_its_values_set(grid: xr.Dataset, at: dict[str, float]) -> None:
    ds = sim.simulate(sim.load(BASE, set=at), **SMALL)
    summary = sim.summarise(ds)
    point = grid.sel(at)
    for name in sweeps.HEADLINE:
        for statistic in ("mean", "quantile", "cvar_error", "finite"):
            if f"{name}_{statistic}" in summary:
                found = point[f"{name}_{statistic}"].values
                assert np.array_equal(found, summary[f"{name}_{statistic}"].values, True), name
    for name in ("p_gw_above", "p_margin_above_hurdle_error", "p_both_named"):
        assert np.array_equal(point[name].values, summary[name].values)
    for text in (MEDIAN, LOW, HURDLE):
        both = expressions.evaluate(text, ds)
        assert (float(point[text]), float(point[f"{text}_error"])) == both
    assert int(point["draws_questionable"]) == ds.attrs["draws_questionable"]


def test_the_order_of_keys_transposes_and_changes_nothing_else(grid: xr.Dataset) -> None:
    other = sim.sweep(BASE, {LIFE: [3, 5], DUTY: [0.4, 0.5, 0.6]}, [LOW, "gw"], **SMALL)
    assert other[LOW].dims == (LIFE, DUTY)
    for name in (LOW, f"{LOW}_error", "gw_mean", "gw_cvar_error"):
        xr.testing.assert_equal(other[name].transpose(*grid[name].dims), grid[name])


def test_any_key_that_can_be_set_can_be_swept() -> None:
    over = {
        "model.view": "economic,accounting",
        "factors.demand": [-2, 2],
        "labs.openai.gw_2026q4.median": [6, 8],
        "model.uncertainty": [0, 1],
    }
    mean = "mean(gw[openai]@2026Q4)"
    swept = sim.sweep(BASE, over, [mean, "landlord_margin_book"], draws=64)
    assert swept["model.view"].values.tolist() == ["economic", "accounting"]
    assert swept[mean].dims == tuple(over)
    sure = swept[mean].sel({"model.uncertainty": 0})
    assert sure.sel({"labs.openai.gw_2026q4.median": 8}).values == pytest.approx(8)
    assert (swept[mean].sel({"factors.demand": 2}) >= swept[mean].sel({"factors.demand": -2})).all()
    assert "view" not in swept.attrs  # it is an axis
    assert swept["landlord_margin_book_sd"].sizes["regime"] == 3  # kept, as it is asked for


def test_draws_that_do_not_count_are_told_by_point() -> None:
    over = {"hardware.pue.median": [1.2, 1.25]}
    swept = sim.sweep(BASE, over, [MEDIAN], drop_questionable=True, **SMALL)
    questionable = swept["draws_questionable"].values
    assert questionable[1] > questionable[0] > 0
    assert (swept["draws_counted"].values == SMALL["draws"] - questionable).all()


def test_a_point_that_fails_is_told() -> None:
    revenue = "labs.openai.arr_2026q4_busd"
    distribution = {"family": "normal", "mean": 46, "sd": 1}  # at an sd of 30 some 6 % are below 0
    asked: dict[str, Any] = {
        "over": {f"{revenue}.sd": [1, 30]}, "set": {revenue: distribution}, "draws": 512,
        "outputs": ["p50(lab_paid_margin[openai]@2026Q4)"],
    }  # fmt: skip
    with pytest.raises(sim.RunError, match=rf"^{revenue}.sd = 30: base: .* not finite"):
        sim.sweep(BASE, **asked)
    swept = sim.sweep(BASE, bad_draws="drop", **asked)
    assert swept["draws_not_finite"].values[0] == 0
    assert 10 < swept["draws_not_finite"].values[1] == 512 - swept["draws_counted"].values[1]


def test_all_faults_are_told_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*arguments: Any, **options: Any) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr(sweeps, "simulate", drawn)
    with pytest.raises(sim.InputError) as caught:
        sim.sweep(
            BASE, {LIFE: [3, -4]}, ["gww", "p5(nonsense)", "p5(margn@2026Q4)"],
            draws=0, seed=-1, sampler="magic", threads=0, bad_draws="hide", set={LIFE: 3},
        )  # fmt: skip
    told = {fault.key: fault.message for fault in caught.value.faults}
    assert {key for key in told if key not in (LIFE,)} == {
        "draws", "seed", "sampler", "threads", "bad_draws", "gww", "p5(nonsense)",
        "p5(margn@2026Q4)",
    }  # fmt: skip
    assert "did you mean 'gw'?" in told["gww"]
    messages = [fault.message for fault in caught.value.faults if fault.key == LIFE]
    assert messages == ["expected a number above 0, got -4", "is swept, and given by --set too"]
    with pytest.raises(sim.InputError, match="unknown label 'openia'; did you mean 'openai'"):
        sim.sweep(BASE, {LIFE: [3, 4]}, ["p5(gw[openia]@2026Q4)"])
    with pytest.raises(sim.InputError, match="unbounded ratio, of which no mean need exist"):
        sim.sweep(BASE, {LIFE: [3, 4]}, ["mean(training_moic[openai])"])
    with pytest.raises(sim.InputError, match="'nobody' is not in the run"):
        sim.sweep(BASE, {LIFE: [3]}, ["p_both_named"], set={"model.named_labs": ["nobody"]})


def test_the_hurdle_is_asked_for_where_it_is_one_number() -> None:
    def asked(over: dict[str, Any]) -> list[str]:
        return [one.text for one in question(over, None).expressions]

    assert asked({LIFE: [3]}) == [MEDIAN, LOW, HURDLE]
    assert asked({"finance.hurdle_margin.value": [0.6]})[2].endswith(">= 0.6)")
    assert asked({"finance.hurdle_margin.value": [0.6, 0.7]}) == [MEDIAN, LOW]


def test_a_folder_holds_data_a_tidy_table_pictures_and_provenance(done: Sweep) -> None:
    folder = done.folder
    assert runs_in(folder.parent) == [folder]
    assert folder.name == f"base-sweep-{done.ds.attrs['digest']}"
    figures = {path.stem for path in (folder / "figures").iterdir()}
    assert figures == {"p50_inference_gross_margin_2026Q4", "P_inference_gross_margin_2026Q4_0_7"}
    with xr.open_dataset(folder / "sweep.nc", engine="h5netcdf") as ds:
        xr.testing.assert_identical(ds.load(), done.ds)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["over"][LIFE]["values"] == [3, 4, 5]
    assert manifest["points"] == 6
    assert manifest["parameters_of_the_first_point"]["model"]["view"] == "economic"
    with (folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = [DUTY, LIFE, "output", "lab", "landlord", "regime", "layer", "quarter", "statistic"]
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)
    at = {DUTY: "0.6", LIFE: "4"}
    (row,) = [r for r in rows if r["output"] == HURDLE and at.items() <= r.items()]
    point = done.ds.sel({DUTY: 0.6, LIFE: 4})
    assert float(row["value"]) == float(point[HURDLE])
    assert float(row["error"]) == float(point[f"{HURDLE}_error"]) > 0
    (row,) = [
        r for r in rows
        if at.items() <= r.items() and r["statistic"] == "p95" and r["quarter"] == "2027Q4"
    ]  # fmt: skip
    margin = point["inference_gross_margin_quantile"].sel(quantile=0.95, quarter="2027Q4")
    assert (row["output"], float(row["value"])) == ("inference_gross_margin", float(margin))


def test_what_determines_a_sweep_names_its_folder() -> None:
    over = {LIFE: [3, 4]}
    first = question(over).digest()
    assert question({LIFE: "3:4:2"}).digest() == first
    others = [
        question({LIFE: [3, 5]}), question(over, [LOW]), question(over, draws=301),
        question(over, seed=4), question(over, sampler="random"),
        question(over, drop_questionable=True),
    ]  # fmt: skip
    assert len({first, *(other.digest() for other in others)}) == 7


def test_the_same_question_is_answered_from_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = question({LIFE: [3, 5]})
    first = store_sweep.run(asked, tmp_path, figures=False)
    assert first.from_disk == 0
    before = stored(first.folder)
    points: list[int] = []
    point = sweeps.SweepPlan.point

    def counted(self: sweeps.SweepPlan, number: int, *rest: Any) -> xr.Dataset:
        points.append(number)
        return point(self, number, *rest)

    monkeypatch.setattr(sweeps.SweepPlan, "point", counted)
    again = store_sweep.run(asked, tmp_path)
    assert (points, again.from_disk) == ([], 2)
    xr.testing.assert_identical(again.ds, first.ds)
    assert before.items() <= stored(first.folder).items()
    assert (first.folder / "figures" / "p50_inference_gross_margin_2026Q4.png").exists()
    forced = store_sweep.run(asked, tmp_path, figures=False, force=True)
    assert (points, forced.from_disk) == ([0, 1], 0)
    assert stored(first.folder) == before
    assert runs_in(tmp_path) == [first.folder]


def test_a_killed_sweep_goes_on_and_ends_in_the_same_files(tmp_path: Path) -> None:
    over = {LIFE: "3:6:7"}
    whole = store_sweep.run(question(over), tmp_path / "whole")
    code = (
        "import sys, pathlib\n"
        "from sim.parameters import sweep_axes\n"
        "from sim.simulation import sweep as sweeps\n"
        "from sim.store import sweep as store_sweep\n"
        f"along = sweep_axes.of_mapping({over!r}, [])\n"
        f"asked = sweeps.ask({BASE!r}, along, [{MEDIAN!r}], {{}}, [], draws=300, seed=3,"
        " sampler=None, threads=1, bad_draws='fail', drop_questionable=False)\n"
        "store_sweep.run(asked, pathlib.Path(sys.argv[1]), progress=lambda draws:"
        " __import__('time').sleep(0.2))\n"
    )
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(out)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(list(out.glob(".*.points/*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / whole.folder.name).exists()
    (part, *_) = sorted(out.glob(".*.points/*.npz"))
    part.write_bytes(part.read_bytes()[:1000])  # one that cannot be read is made anew
    rest = store_sweep.run(question(over), out)
    assert 1 <= rest.from_disk < 7
    assert stored(rest.folder) == stored(whole.folder)
    assert runs_in(out) == [rest.folder]


def test_who_asks_the_same_at_the_same_time_waits_for_the_answer(tmp_path: Path) -> None:
    asked = question({LIFE: [3, 5]})
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(store_sweep.run, asked, tmp_path, figures=False) for _ in range(2)]
        one, other = (future.result() for future in both)
    assert sorted((one.from_disk, other.from_disk)) == [0, 2]
    xr.testing.assert_identical(one.ds, other.ds)
    assert runs_in(tmp_path) == [one.folder]
    assert {path.name for path in one.folder.iterdir()} == {
        "sweep.nc", "sweep.csv", "manifest.json",
    }  # fmt: skip


@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_a_damaged_sweep_is_made_anew(tmp_path: Path, harm: str) -> None:
    asked = question({LIFE: [3, 5]})
    first = store_sweep.run(asked, tmp_path, figures=False)
    data = first.folder / "sweep.nc"
    whole = data.read_bytes()
    middle = len(whole) // 2
    flipped = bytes([whole[middle] ^ 255])
    data.write_bytes(whole[:middle] + (flipped + whole[middle + 1 :] if harm == "flipped" else b""))
    again = store_sweep.run(asked, tmp_path, figures=False)
    assert again.from_disk == 0
    assert data.read_bytes() == whole


def test_tables_fit_the_number_of_keys(grid: xr.Dataset) -> None:
    matrices = tables(grid)
    assert [table.title.split("\n")[0] for table in matrices] == [
        f"{MEDIAN} (%)", f"{LOW} (%)", f"{HURDLE} (%)",
    ]  # fmt: skip
    assert matrices[0].columns == ["", "3", "5"]
    assert [label for label, _ in matrices[0].rows] == ["0.4", "0.5", "0.6"]
    cell: Any = matrices[1].rows[2][1][1]
    assert cell.value == float(grid[LOW].sel({DUTY: 0.6, LIFE: 5}))
    assert cell.error > 0
    three = sim.sweep(BASE, {LIFE: [3, 4], DUTY: [0.5], "model.view": "economic"}, [LOW], draws=64)
    (rows,) = tables(three)
    assert [label for label, _ in rows.rows] == ["3, 0.5, economic", "4, 0.5, economic"]
    (line,) = tables(three.isel({DUTY: 0, "model.view": 0}).assign_attrs(over=f'{{"{LIFE}": []}}'))
    assert [label for label, _ in line.rows] == ["3", "4"]


@pytest.mark.parametrize(
    ("over", "outputs", "names"),
    [
        ({DUTY: "0.3:0.6:4"}, None, ["inference_gross_margin_2026Q4", HURDLE]),
        ({DUTY: "0.6,0.3,0.4", LIFE: [3, 4]}, [MEDIAN, LOW], [MEDIAN, LOW]),
        ({DUTY: [0.3, 0.6], "model.view": "economic,accounting"}, [MEDIAN], [MEDIAN]),
        ({"model.view": "economic,accounting"}, ["mean(gw[openai]@2027Q4)"], ["mean gw"]),
        ({"model.view": "economic,accounting", "model.rental_mode": "market,cost_plus"},
         ["cvar95(gw[openai]@2027Q4)", "sd(gw[openai]@2027Q4)"], ["cvar95", "sd"]),
        ({DUTY: [0.3, 0.6], LIFE: [3, 4], "factors.demand": [-1, 1]}, [HURDLE], [HURDLE]),
        ({DUTY: [0.3, 0.6], LIFE: [3, 4], "model.view": "economic,accounting"}, [LOW], [LOW]),
        ({LIFE: [4]}, [MEDIAN], [MEDIAN]),
        ({DUTY: [0.3, 0.6], LIFE: [3, 4]}, ["p95(payback_months[openai])"], ["infinite"]),
        ({DUTY: [0.3, 0.6], LIFE: [3, 4]}, ["p50(gw[openai]@2026Q1)"], ["the same everywhere"]),
        ({DUTY: [0.3, 0.6], LIFE: [3, 4], "factors.demand": [-1, 1], "model.uncertainty": [0, 1]},
         [LOW], []),
    ],
)  # fmt: skip
def test_every_shape_of_grid_has_its_pictures(
    over: dict[str, Any], outputs: list[str] | None, names: list[str], tmp_path: Path
) -> None:
    swept = sim.sweep(BASE, over, outputs, draws=256)
    found = figures.figure_groups(swept)
    assert len(found) == len(names)
    for name, asked in found.items():
        made = figures.draw(swept, asked)
        plots.save(made, tmp_path / f"{name}.png")
        shown = [axes for axes in made.axes if axes.get_visible()]
        texts = " ".join(
            text for axes in shown for text in (axes.get_xlabel(), axes.get_ylabel())
        ).replace("\n", " ")
        for key in over:
            if swept.sizes[key] > 1 and len(over) < 3:
                legend = shown[0].get_legend()
                title = legend.get_title().get_text() if legend is not None else ""
                meaning = str(swept[key].attrs["long_name"])
                assert meaning in f"{texts} {title}".replace("\n", " "), (name, key)


def test_lines_and_contours_show_the_numbers(grid: xr.Dataset) -> None:
    line = grid.isel({LIFE: 0}).assign_attrs(over=json.dumps({DUTY: [0.4, 0.5, 0.6]}))
    asked = [expressions.parse(MEDIAN), expressions.parse(LOW)]
    (panel,) = figures.draw(line, asked).axes
    drawn = [container.lines[0].get_ydata() for container in panel.containers]  # type: ignore[union-attr]
    for values, text in zip(drawn, (MEDIAN, LOW), strict=True):
        assert values == pytest.approx(100 * line[text].values)
    labels = [text.get_text() for text in panel.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["90 % of draws", "50 % of draws", "median", "5th percentile"]
    panel, bar = figures.draw(grid, asked[:1]).axes
    assert bar.get_ylabel() == "Median (%)"
    low, high = bar.get_ylim()
    assert low <= 100 * float(grid[MEDIAN].min())
    assert high >= 100 * float(grid[MEDIAN].max())
    assert math.isclose(high - low, 100 * float(np.ptp(grid[MEDIAN].values)), rel_tol=0.5)


def test_the_command_prints_tables_with_errors_and_says_where_the_results_are(
    invoke: Command, tmp_path: Path
) -> None:
    arguments = ("sweep", BASE, "--over", f"{DUTY}=0.3:0.6:3", "--draws", "512", "--seed", "7")
    arguments += ("--output", MEDIAN, "--output", LOW, "--set", "hardware.pue.median=1.15")
    done = invoke(*arguments)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "3 points, 512 draws each, stratified, seed 7", "hardware.pue.median: 1.2 -> 1.15",
        "inference_gross_margin", "±", "0.45", "share their random numbers",
    ):  # fmt: skip
        assert words in done.stdout
    assert f"{DUTY}: " not in done.stdout
    (folder,) = runs_in(tmp_path / "outputs")
    assert f"outputs/{folder.name}/" in done.stdout
    told = invoke(*arguments, "--json")
    document = json.loads(told.stdout)
    assert document["from_disk"] == 3
    assert [point["at"][DUTY] for point in document["points"]] == [0.3, 0.45, 0.6]
    assert document["points"][1]["values"][LOW]["error"] > 0
    assert document["over"][DUTY]["units"] == "1"


def test_the_command_takes_the_sweep_of_the_file(invoke: Command, params: Path) -> None:
    over = params / "swept.toml"
    over.write_text(f'format = 1\nextends = "base.toml"\n[sweep]\n"{LIFE}" = [3, 4]\n')
    done = invoke(
        "sweep", str(over), "--draws", "64", "--quiet", "--no-figures", "--output", LOW,
        "--output", "gw",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("outputs/swept-sweep-")


def test_a_sweep_over_an_unknown_key_is_bad_input_and_writes_nothing(
    invoke: Command, tmp_path: Path
) -> None:
    done = invoke(
        "sweep", BASE, "--over", "hardware.it_economic_live_years.median=3:6:4", "--draws", "0",
        "--output", "p5(gww@2026Q4)",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "--draws: expected a whole number of draws from 1 to 1e+12, got 0",
        "--output: p5(gww@2026Q4): unknown output 'gww'; did you mean 'gw'?",
        "--over: hardware.it_economic_live_years: unknown key;"
        " did you mean 'it_economic_life_years'?",
    ]
    assert runs_in(tmp_path) == []


def test_a_sweep_is_listed_and_removed_like_a_run_and_shown_as_none(
    tmp_path: Path,
) -> None:
    done = store_sweep.run(question({LIFE: "3:4:2"}), tmp_path, figures=False)
    (row,) = reader.listed(tmp_path)
    assert (row["run"], row["state"], row["model"]) == (done.folder.name, "whole", "this")
    with pytest.raises(sim.InputError, match="a sweep, and no run: its numbers"):
        sim.open_run(done.folder)
    reader.remove(done.folder)
    assert runs_in(tmp_path) == []
