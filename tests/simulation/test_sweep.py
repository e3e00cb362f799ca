from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import Command, runs_in
from sweep_plans import BASE, DUTY, HURDLE, LIFE, LOW, MEDIAN, make_plan

import sim
from sim import plots
from sim.plots import sweep as figures
from sim.simulation import sweep as sweeps
from sim.statistics import expressions
from sim.tables.sweep import tables

SMALL: dict[str, Any] = {"draws": 512, "seed": 3}


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    return sim.sweep(BASE, {DUTY: "0.4:0.6:3", LIFE: [3, 5]}, **SMALL)


def test_sweep_has_a_dim_for_each_key_with_its_values_and_unit(grid: xr.Dataset) -> None:
    assert grid[MEDIAN].dims == (DUTY, LIFE)
    assert grid[DUTY].values.tolist() == [0.4, 0.5, 0.6]
    assert grid[LIFE].attrs["units"] == "yr"
    assert grid["gw_quantile"].dims == (DUTY, LIFE, "quantile", "lab", "quarter")
    assert {"p_margin_above_hurdle", "payback_months_finite_error", HURDLE, f"{LOW}_error"} <= {
        str(name) for name in grid.data_vars
    }
    assert grid["gw_quantile"].attrs["units"] == "GW"
    assert "draw" not in grid.dims


@pytest.mark.parametrize("values", [{DUTY: 0.4, LIFE: 5}, {DUTY: 0.5, LIFE: 3}])
def test_point_is_the_summary_of_a_run_with_its_values_set(
    grid: xr.Dataset, values: dict[str, float]
) -> None:
    ds = sim.simulate(sim.load(BASE, set=values), **SMALL)
    summary = sim.summarise(ds)
    point = grid.sel(values)
    for name in sweeps.HEADLINE:
        for statistic in ("mean", "quantile", "cvar_error", "finite"):
            if f"{name}_{statistic}" in summary:
                actual = point[f"{name}_{statistic}"].values
                assert np.array_equal(actual, summary[f"{name}_{statistic}"].values, True), name
    for name in ("p_gw_above", "p_margin_above_hurdle_error", "p_both_named"):
        assert np.array_equal(point[name].values, summary[name].values)
    for text in (MEDIAN, LOW, HURDLE):
        expected = expressions.evaluate(text, ds)
        assert (float(point[text]), float(point[f"{text}_error"])) == expected
    assert int(point["draws_questionable"]) == ds.attrs["draws_questionable"]


def test_order_of_keys_only_transposes_the_result(grid: xr.Dataset) -> None:
    transposed = sim.sweep(BASE, {LIFE: [3, 5], DUTY: [0.4, 0.5, 0.6]}, [LOW, "gw"], **SMALL)
    assert transposed[LOW].dims == (LIFE, DUTY)
    for name in (LOW, f"{LOW}_error", "gw_mean", "gw_cvar_error"):
        xr.testing.assert_equal(transposed[name].transpose(*grid[name].dims), grid[name])


def test_settings_factors_and_labs_can_be_swept() -> None:
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


def test_questionable_draws_are_counted_by_point() -> None:
    over = {"hardware.pue.median": [1.2, 1.25]}
    swept = sim.sweep(BASE, over, [MEDIAN], drop_questionable=True, **SMALL)
    questionable = swept["draws_questionable"].values
    assert questionable[1] > questionable[0] > 0
    assert (swept["draws_counted"].values == SMALL["draws"] - questionable).all()


def test_error_names_the_point_that_fails() -> None:
    revenue = "labs.openai.arr_2026q4_busd"
    distribution = {"family": "normal", "mean": 46, "sd": 1}  # at an sd of 30 some 6 % are below 0
    arguments: dict[str, Any] = {
        "over": {f"{revenue}.sd": [1, 30]}, "set": {revenue: distribution}, "draws": 512,
        "outputs": ["p50(lab_paid_margin[openai]@2026Q4)"],
    }  # fmt: skip
    with pytest.raises(sim.RunError, match=rf"^{revenue}.sd = 30: base: .* not finite"):
        sim.sweep(BASE, **arguments)
    swept = sim.sweep(BASE, bad_draws="drop", **arguments)
    assert swept["draws_not_finite"].values[0] == 0
    assert 10 < swept["draws_not_finite"].values[1] == 512 - swept["draws_counted"].values[1]


def test_all_faults_are_reported_before_any_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise AssertionError("drawn")

    monkeypatch.setattr(sweeps, "run_engine", fail)
    with pytest.raises(sim.InputError) as caught:
        sim.sweep(
            BASE, {LIFE: [3, -4]}, ["gww", "p5(nonsense)", "p5(margn@2026Q4)"],
            draws=0, seed=-1, sampler="magic", threads=0, bad_draws="hide", set={LIFE: 3},
        )  # fmt: skip
    faults = {fault.key: fault.message for fault in caught.value.faults}
    assert {key for key in faults if key not in (LIFE,)} == {
        "draws", "seed", "sampler", "threads", "bad_draws", "gww", "p5(nonsense)",
        "p5(margn@2026Q4)",
    }  # fmt: skip
    assert "did you mean 'gw'?" in faults["gww"]
    messages = [fault.message for fault in caught.value.faults if fault.key == LIFE]
    assert messages == ["expected a number above 0, got -4", "is swept, and given by --set too"]
    with pytest.raises(sim.InputError, match="unknown lab 'openia'; did you mean 'openai'"):
        sim.sweep(BASE, {LIFE: [3, 4]}, ["p5(gw[openia]@2026Q4)"])
    with pytest.raises(sim.InputError, match="unbounded ratio, of which no mean need exist"):
        sim.sweep(BASE, {LIFE: [3, 4]}, ["mean(training_moic[openai])"])
    with pytest.raises(sim.InputError, match="'nobody' is not in the run"):
        sim.sweep(BASE, {LIFE: [3]}, ["p_both_named"], set={"model.named_labs": ["nobody"]})


def test_default_outputs_include_the_hurdle_if_it_is_one_number() -> None:
    def default_texts(over: dict[str, Any]) -> list[str]:
        return [expression.text for expression in make_plan(over, None).expressions]

    assert default_texts({LIFE: [3]}) == [MEDIAN, LOW, HURDLE]
    assert default_texts({"finance.hurdle_margin.value": [0.6]})[2].endswith(">= 0.6)")
    assert default_texts({"finance.hurdle_margin.value": [0.6, 0.7]}) == [MEDIAN, LOW]


def test_digest_depends_on_all_inputs_of_the_result() -> None:
    over = {LIFE: [3, 4]}
    first = make_plan(over).digest()
    assert make_plan({LIFE: "3:4:2"}).digest() == first
    others = [
        make_plan({LIFE: [3, 5]}), make_plan(over, [LOW]), make_plan(over, draws=301),
        make_plan(over, seed=4), make_plan(over, sampler="random"),
        make_plan(over, drop_questionable=True),
    ]  # fmt: skip
    assert len({first, *(plan.digest() for plan in others)}) == 7


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
def test_every_shape_of_grid_has_its_figures(
    over: dict[str, Any], outputs: list[str] | None, names: list[str], tmp_path: Path
) -> None:
    swept = sim.sweep(BASE, over, outputs, draws=256)
    pictures = figures.figure_groups(swept)
    assert len(pictures) == len(names)
    for name, parsed in pictures.items():
        figure = figures.draw(swept, parsed)
        plots.save(figure, tmp_path / f"{name}.png")
        shown = [axes for axes in figure.axes if axes.get_visible()]
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
    parsed = [expressions.parse(MEDIAN), expressions.parse(LOW)]
    (panel,) = figures.draw(line, parsed).axes
    plotted = [container.lines[0].get_ydata() for container in panel.containers]  # type: ignore[union-attr]
    for values, text in zip(plotted, (MEDIAN, LOW), strict=True):
        assert values == pytest.approx(100 * line[text].values)
    labels = [text.get_text() for text in panel.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["90 % of draws", "50 % of draws", "median", "5th percentile"]
    panel, bar = figures.draw(grid, parsed[:1]).axes
    assert bar.get_ylabel() == "Median (%)"
    low, high = bar.get_ylim()
    assert low <= 100 * float(grid[MEDIAN].min())
    assert high >= 100 * float(grid[MEDIAN].max())
    assert math.isclose(high - low, 100 * float(np.ptp(grid[MEDIAN].values)), rel_tol=0.5)


def test_command_prints_tables_with_errors_and_the_folder(invoke: Command, tmp_path: Path) -> None:
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
    document = json.loads(invoke(*arguments, "--json").stdout)
    assert document["from_disk"] == 3
    assert [point["at"][DUTY] for point in document["points"]] == [0.3, 0.45, 0.6]
    assert document["points"][1]["values"][LOW]["error"] > 0
    assert document["over"][DUTY]["units"] == "1"


def test_command_takes_the_sweep_of_the_file(invoke: Command, params: Path) -> None:
    over = params / "swept.toml"
    over.write_text(f'format = 1\nextends = "base.toml"\n[sweep]\n"{LIFE}" = [3, 4]\n')
    done = invoke(
        "sweep", str(over), "--draws", "64", "--quiet", "--no-figures", "--output", LOW,
        "--output", "gw",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("outputs/swept-sweep-")


def test_command_refuses_unknown_keys_and_writes_nothing(invoke: Command, tmp_path: Path) -> None:
    done = invoke(
        "sweep", BASE, "--over", "hardware.it_economic_live_years.median=3:6:4", "--draws", "0",
        "--output", "p5(gww@2026Q4)",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "--draws: expected a whole number of draws from 1 to 1e+12, got 0",
        "--output: p5(gww@2026Q4): unknown output or input 'gww'; did you mean 'gw'?",
        "--over: hardware.it_economic_live_years: unknown key;"
        " did you mean 'it_economic_life_years'?",
    ]
    assert runs_in(tmp_path) == []
