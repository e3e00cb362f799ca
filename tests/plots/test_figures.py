from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

import sim
from sim.model.dims import LAYERS
from sim.parameters.scenario import Scenario
from sim.plots import FIGURES, draw, save
from sim.plots.style import Estimate, format_equation, format_number, format_probability


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]  # type: ignore[attr-defined]


def inside(figure: Figure) -> None:
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


def marked(axes: Axes, marker: str) -> list[tuple[float, float]]:
    """The points that a marker stands at."""
    return [
        (x, y)
        for line in axes.lines
        if line.get_marker() == marker
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)  # type: ignore[call-overload]
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_and_says_what_it_shows(
    name: str, ds: xr.Dataset, tmp_path: Path
) -> None:
    figure = draw(name, ds)
    save(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 20_000
    assert any(
        f"Scenario base ({ds.attrs['digest']}), 4,000 draws, seed 1" in text
        for text in texts(figure)
    )


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_stands_a_single_draw_and_no_uncertainty(name: str, base: Scenario) -> None:
    draw(name, sim.simulate(base, draws=1))
    draw(name, sim.simulate(base, draws=32, uncertainty=0.0))


@pytest.fixture(scope="module")
def broken() -> xr.Dataset:
    """Draws of which some are not finite, as far too wide a spread gives them."""
    wide = sim.load(ROOT / "params" / "base.toml", set={"model.uncertainty": 3})
    ds = sim.simulate(wide, draws=4_096, bad_draws="keep")
    assert ds.attrs["draws_not_finite"] > 0
    return ds


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_stands_draws_that_are_not_finite(
    name: str, broken: xr.Dataset, tmp_path: Path
) -> None:
    save(draw(name, broken), tmp_path / "picture.png")


@pytest.mark.parametrize("name", FIGURES)
def test_names_may_hold_any_sign(name: str, ds: xr.Dataset, tmp_path: Path) -> None:
    odd = ds.assign_coords(
        lab_name=("lab", [f"x$A_{{$I {i}" for i in range(ds.sizes["lab"])]),
        landlord_name=("landlord", [f"^{i}$%&\\" for i in range(ds.sizes["landlord"])]),
    )
    save(draw(name, odd), tmp_path / "picture.png")


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_leaves_the_picture(name: str, ds: xr.Dataset) -> None:
    inside(draw(name, ds))


def test_probabilities_stand_inside_their_panels(base: Scenario) -> None:
    """Also with as many digits as the default number of draws gives them."""
    figure = draw("gigawatts", sim.simulate(base, draws=60_000, keep=["gw"]))
    figure.draw_without_rendering()
    for axes in figure.axes:
        for text in axes.texts:
            assert text.get_window_extent().x1 <= axes.get_window_extent().x1, text.get_text()
            assert "±" in text.get_text() or "<" in text.get_text()


def test_margins_have_a_panel_each_with_the_hurdle(ds: xr.Dataset) -> None:
    figure = draw("margin", ds)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        hurdle = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in hurdle] == [0.7]  # type: ignore[index]
    assert "hurdle 70 %" in "".join(texts(figure))


def test_fans_show_quantiles_the_published_points_and_the_line(ds: xr.Dataset) -> None:
    figure = draw("gigawatts", ds)
    openai = figure.axes[0]
    assert openai.get_title(loc="left") == "OpenAI"
    median = next(line for line in openai.lines if len(line.get_xdata()) == 8)  # type: ignore[arg-type]
    np.testing.assert_allclose(median.get_ydata(), ds.gw.sel(lab="openai").median("draw"))  # type: ignore[arg-type]
    points = [
        line
        for line in openai.lines
        if line.get_marker() == "D" and line.get_markerfacecolor() == "black"
    ]
    assert [(list(p.get_xdata()), list(p.get_ydata())) for p in points] == [([3], [7.0])]  # type: ignore[arg-type]
    assert any(line.get_ydata()[0] == 10 for line in openai.lines)  # type: ignore[index]


NEEDED = {
    "waterfall": ["unit_cost", "revenue_per_mtok_served", "revenue_per_mtok_paid"],
    "lab_margin": ["lab_paid_margin"],
    "payback": ["payback_months"],
    "exposure": ["gw"],
    "depreciation": ["depreciation_booked", "depreciation_economic", "depreciation_gap"],
}


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("everything", [False, True])
def test_figures_need_no_more_than_what_they_show(
    name: str, everything: bool, base: Scenario
) -> None:
    """And say the same of draws as of moments."""
    few = sim.simulate(base, draws=1_024, keep="all" if everything else NEEDED[name])
    said = [text for text in texts(draw(name, few)) if "Scenario" not in text]
    whole = [
        text
        for text in texts(draw(name, sim.simulate(base, draws=1_024)))
        if "Scenario" not in text
    ]
    assert said == whole


def fewer_labs(params: Path, *labs: str) -> Scenario:
    for file in (params / "labs").glob("*.toml"):
        if file.stem not in labs:
            file.unlink()
    (params / "published.toml").write_text("format = 1\n")
    base = params / "base.toml"
    named = f"named_labs = {list(labs)}".replace("'", '"')
    base.write_text(re.sub(r"named_labs = .*", named, base.read_text(encoding="utf-8")))
    return sim.load(base)


@pytest.mark.parametrize("labs", [["xai"], ["meta", "deepseek"]])
@pytest.mark.parametrize("name", NEEDED)
def test_figures_stand_one_lab_and_labs_without_arr(
    name: str, labs: list[str], params: Path
) -> None:
    figure = draw(name, sim.simulate(fewer_labs(params, *labs), draws=64))
    inside(figure)
    assert not [text for text in texts(figure) if re.search(r"\bnan\b|\binf\b", text)]
    if name in ("lab_margin", "payback"):
        assert any("ARR not reported" in text for text in texts(figure)) == (len(labs) == 2)


@pytest.mark.parametrize("name", NEEDED)
def test_figures_stand_many_labs_and_landlords_with_long_names(name: str, params: Path) -> None:
    for kind, model in (("labs", "anthropic"), ("labs", "xai"), ("landlords", "neocloud")):
        text = (params / kind / f"{model}.toml").read_text(encoding="utf-8")
        text = re.sub(r"rpo_share = .*", "rpo_share = 0", text)
        for i in range(2):
            called = f'name = "WWW Worldwide {model} Machine Intelligence {i}"'
            copy = params / kind / f"{model}_{i}.toml"
            copy.write_text(re.sub(r"^name = .*", called, text, count=1, flags=re.M))
    scenario = params / "a-scenario-whose-name-goes-on-and-on-and-on-until-the-caption-breaks.toml"
    scenario.write_text('format = 1\nextends = "base.toml"\n')
    figure = draw(name, sim.simulate(sim.load(scenario), draws=64))
    inside(figure)
    figure.draw_without_rendering()
    for axes in figure.axes:  # no label of an axis stands on another
        for labels in (axes.get_yticklabels(), [] if name == "exposure" else axes.texts):
            boxes = [label.get_window_extent() for label in labels if label.get_text()]
            for i, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[:i])


def test_the_waterfall_adds_up_to_the_means(ds: xr.Dataset, summary: xr.Dataset) -> None:
    axes = draw("waterfall", ds).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[4] == "HBM depreciation"
    bars = dict(zip(labels, [p for p in axes.patches if isinstance(p, Rectangle)], strict=True))
    said = dict(zip(labels, [text.get_text() for text in axes.texts], strict=True))
    at: dict[str, Any] = {"quarter": "2026Q4", "regime": "online_inference"}
    layers, errors = summary.unit_cost_mean.sel(at), summary.unit_cost_mean_error.sel(at)
    compute, total = layers[:11].sum(), layers.sum()
    assert float(compute) == pytest.approx(float(summary.compute_cost_mean.sel(at)))
    of_layers = [label for label in labels if not re.search("cost$|[Rr]evenue per|^left", label)]
    assert len(of_layers) == len(LAYERS)
    before = 0.0
    for label, layer, error in zip(of_layers, layers.values, errors.values, strict=True):
        assert bars[label].get_x() == pytest.approx(100 * before)
        assert bars[label].get_width() == pytest.approx(100 * layer)
        assert said[label] == format_number(100 * layer, 100 * error)
        before += layer
    served, paid = (
        summary[f"revenue_per_mtok_{of}_mean"].sel(quarter="2026Q4") for of in ("served", "paid")
    )
    for label, start, end in (
        ("Compute cost", 0.0, compute),
        ("Total cost", 0.0, total),
        ("Revenue per served Mtok", 0.0, served),
        ("left after total cost", total, served),
        ("Revenue per paid Mtok", 0.0, paid),
        ("left after compute cost", compute, paid),
    ):
        assert bars[label].get_x() == pytest.approx(100 * float(start))
        assert bars[label].get_width() == pytest.approx(100 * float(end - start))
        value, error = said[label].split(" ± ")
        assert float(value) == pytest.approx(100 * float(end - start), abs=float(error))
    assert axes.get_xlabel() == "US cents per million blended tokens"
    assert any("not the mean margin" in text.replace("\n", " ") for text in texts(axes.figure))


def test_the_waterfall_shows_a_loss_and_dollars(params: Path) -> None:
    price = {f"prices.price_{of}_usd_per_mtok.median": 0.1 for of in ("input", "output")}
    figure = draw("waterfall", sim.simulate(sim.load(params / "base.toml", price), draws=1_000))
    assert sum(text.startswith("−") for text in texts(figure)) >= 2
    price = dict.fromkeys(price, 50.0)
    figure = draw("waterfall", sim.simulate(sim.load(params / "base.toml", price), draws=1_000))
    assert figure.axes[0].get_xlabel() == "USD per million blended tokens"


def test_lab_margins_stand_against_the_hurdle(ds: xr.Dataset) -> None:
    axes = draw("lab_margin", ds).axes[0]
    reporting = ["openai", "anthropic", "xai"]
    medians = ds.lab_paid_margin.sel(lab=reporting, quarter=["2026Q4", "2027Q4"]).median("draw")
    np.testing.assert_allclose([x for x, _ in marked(axes, "o")], medians.values.ravel())
    assert [x for line in axes.lines if line.get_linestyle() == "--" for x in line.get_xdata()] == [  # type: ignore[union-attr]
        0.7,
        0.7,
    ]
    said = [text.get_text() for text in axes.texts]
    exceedance = sim.summarise(ds, ["lab_paid_margin"], at_least=[0.7, -0.6])
    for lab in reporting:
        for quarter in ("2026Q4", "2027Q4"):
            values, errors = (
                exceedance[f"lab_paid_margin_exceedance{end}"].sel(lab=lab, quarter=quarter).values
                for end in ("", "_error")
            )
            share = format_probability(Estimate(values[0], errors[0]), ds)
            assert f"{quarter}:  {share}" in said
            below = format_equation(Estimate(1 - values[1], errors[1]), ds)
            p5 = ds.lab_paid_margin.sel(lab=lab, quarter=quarter).quantile(0.05)
            assert (f"◂ P(< −60 %) {below}" in said) == (p5 < -0.6) == (lab == "xai")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == list(ds.lab_name.values)
    assert said.count("ARR not reported") == 5


def test_payback_curves_end_at_the_share_that_ever_pays_back(
    ds: xr.Dataset, summary: xr.Dataset
) -> None:
    axes = draw("payback", ds).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]  # type: ignore[arg-type]
    said = " ".join(text.get_text() for text in axes.texts)
    for lab, curve in zip(["openai", "anthropic", "xai"], curves, strict=True):
        draws = ds.payback_months.sel(lab=lab).values
        months = np.asarray(curve.get_xdata())
        np.testing.assert_allclose(curve.get_ydata(), (draws[:, None] <= months).mean(axis=0))  # type: ignore[arg-type]
        value, error = (summary[f"payback_months_finite{end}"] for end in ("", "_error"))
        share = format_probability(
            Estimate(float(value.sel(lab=lab)), float(error.sel(lab=lab))), ds
        )
        assert f"pays back in {share} of draws, else never" in said
    median = summary.payback_months_quantile.sel(quantile=0.5, lab="anthropic")
    error = summary.payback_months_quantile_error.sel(quantile=0.5, lab="anthropic")
    assert marked(axes, "o") == [(pytest.approx(float(median)), 0.5)]
    assert f"median {format_number(float(median), float(error))} months" in said
    assert said.count("median") == 1
    caption = next(text for text in texts(axes.figure) if "Scenario" in text).replace("\n", " ")
    assert "ARR not reported: Google DeepMind, Meta, Alibaba Qwen" in caption


def test_exposure_shows_hosted_gigawatts_and_obligations(ds: xr.Dataset, base: Scenario) -> None:
    some = sim.simulate(base, draws=1_024, keep=["gw", "hosted_gw"])
    hosted, owed = draw("exposure", some).axes
    mean = some.hosted_gw.sel(quarter="2026Q4").mean("draw").values
    shown = np.ma.filled(hosted.collections[0].get_array(), 0.0)
    np.testing.assert_allclose(shown, mean / mean.max(), atol=1e-12)
    rpo = (some.rpo_lab_share * some.rpo_busd).transpose("lab", "landlord").values
    shown = np.ma.filled(owed.collections[0].get_array(), 0.0)
    np.testing.assert_allclose(shown, rpo / rpo.max(), atol=1e-12)
    for axes, values, rows in ((hosted, mean, 1), (owed, rpo, 2)):
        written = {text.get_position(): text.get_text() for text in axes.texts}
        inner = [(k, i) for i, k in np.argwhere(values)]
        assert sorted(place for place in written if place[0] < 9 and place[1] < 8) == sorted(inner)
        for k, i in inner:
            assert float(written[k, i].split("\n")[0]) == pytest.approx(values[i, k], rel=0.06)
        frames = [p.get_xy() for p in axes.patches]
        assert len(frames) == (some.captive.values[values > 0]).sum()
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == [*some.lab_name.values, "All labs", "All customers"][: 8 + rows]
        assert [label.get_text() for label in axes.get_xticklabels()] == [
            *some.landlord_name.values,
            "Sum",
        ]
    total = hosted.texts[-1].get_text()
    assert total.split("\n")[0] == f"{mean.sum():.2f}"
    assert len(draw("exposure", ds.drop_vars("gw")).axes) == 1


def test_depreciation_is_shown_as_booked_and_as_lost(ds: xr.Dataset, summary: xr.Dataset) -> None:
    figure = draw("depreciation", ds)
    for axes, quarter in zip(figure.axes, ("2026Q4", "2027Q4"), strict=True):
        at = summary.sel(quarter=quarter)
        assert axes.get_title(loc="left") == quarter
        for marker, name in (("o", "depreciation_booked"), ("s", "depreciation_economic")):
            np.testing.assert_allclose(
                marked(axes, marker), list(zip(at[f"{name}_mean"].values, range(9), strict=True))
            )
        gaps = zip(
            at.depreciation_gap_mean.values, at.depreciation_gap_mean_error.values, strict=True
        )
        assert [text.get_text() for text in axes.texts] == [format_number(*gap) for gap in gaps]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(
        ds.landlord_name.values
    )
    assert figure.axes[0].get_xlabel() == "USD bn per quarter"


@pytest.mark.parametrize("name", ["margin", "lab_margin", "payback", "gigawatts"])
def test_probabilities_without_uncertainty_are_0_or_100(name: str, base: Scenario) -> None:
    shown = " ".join(texts(draw(name, sim.simulate(base, draws=512, uncertainty=0.0))))
    assert re.search(r"\b(0|100) %", shown)
    assert not re.search(r"[<>] [\d.]+ %(?! are)|[\d.]+ ± [\d.]+ %", shown)
