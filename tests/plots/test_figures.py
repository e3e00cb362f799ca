"""Every figure: what it says, its edges, and unusual runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import xarray as xr
from conftest import ROOT
from figure_marks import assert_inside, texts
from matplotlib.cbook import is_math_text
from nasty_names import NAME, shown

import sim
from sim.parameters.scenario import Scenario
from sim.plots import FIGURES, draw, save

NEEDED = {
    "waterfall": ["unit_cost", "revenue_per_mtok_served", "revenue_per_mtok_paid"],
    "lab_margin": ["lab_paid_margin"],
    "payback": ["payback_months"],
    "exposure": ["facility_gw"],
    "depreciation": ["depreciation_booked", "depreciation_economic", "depreciation_gap"],
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_and_names_its_run(name: str, ds: xr.Dataset, tmp_path: Path) -> None:
    figure = draw(name, ds)
    save(figure, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 20_000
    assert any(
        f"Scenario base ({ds.attrs['digest']}), 4,000 draws, seed 1, economic view, cost-plus rents"
        in text.replace("\n", " ")
        for text in texts(figure)
    )


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_of_a_single_draw_and_without_uncertainty(
    name: str, base: Scenario
) -> None:
    draw(name, sim.simulate(base, draws=1))
    draw(name, sim.simulate(base, draws=32, uncertainty=0.0))


@pytest.fixture(scope="module")
def not_finite() -> xr.Dataset:
    """Draws of which some are not finite, as far too wide a spread gives them."""
    wide = sim.load(ROOT / "params" / "base.toml", set={"model.uncertainty": 3})
    ds = sim.simulate(wide, draws=4_096, bad_draws="keep")
    assert ds.attrs["draws_not_finite"] > 0
    return ds


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_of_draws_that_are_not_finite(
    name: str, not_finite: xr.Dataset, tmp_path: Path
) -> None:
    save(draw(name, not_finite), tmp_path / "picture.png")


LABS = [
    NAME,
    "100 $ and $200 ^{",
    "北京 🚀",
    "[b]<i>\\$",
    *"$%&\\",
]  # 北 and 🚀 are in no shipped font


@pytest.fixture
def odd(ds: xr.Dataset) -> xr.Dataset:
    """Draws of a scenario, labs and landlords of the oddest names."""
    landlords = [f"{i} {NAME}" for i in range(ds.sizes["landlord"])]
    named = {"lab_name": ("lab", LABS), "landlord_name": ("landlord", landlords)}
    return ds.assign_coords(named).assign_attrs(scenario=f"{NAME} {'$' * 401} 深\U0001f680")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_names_as_they_are(name: str, odd: xr.Dataset, tmp_path: Path) -> None:
    """Without a warning, and also where it is drawn and saved by hand."""
    figure = draw(name, odd)
    save(figure, tmp_path / "picture.png")
    by_hand = FIGURES[name](odd)
    by_hand.savefig(tmp_path / "picture.svg")
    for drawn in (texts(figure), texts(by_hand)):
        assert not any(map(is_math_text, drawn))
        drawn = [text.replace(r"\$", "$") for text in drawn]
        (caption,) = [text for text in drawn if "Scenario" in text]
        scenario = rf"Scenario {shown(NAME)} {'$' * 401} \u6df1\U0001f680 ("
        assert re.sub(r"\s", "", caption).startswith(re.sub(r"\s", "", scenario))
        labels = "\n".join(drawn)
        if name not in ("margin", "waterfall"):
            label = f"0 {shown(NAME)}" if name == "depreciation" else shown(NAME)
            assert label[: 15 if name == "exposure" else 20] in labels
        if name in ("lab_margin", "gigawatts", "exposure"):
            assert all(
                f"\n{lab}\n" in f"\n{labels}\n" for lab in ("100 $ and $200 ^{", "[b]<i>\\$")
            )
            assert r"\u5317\u4eac \U0001f680" in labels


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_overlaps_no_panel(name: str, ds: xr.Dataset) -> None:
    figure = draw(name, ds)
    figure.draw_without_rendering()
    (caption,) = [text for text in figure.texts if "Scenario" in text.get_text()]
    top = caption.get_window_extent().y1
    assert all(axes.get_tightbbox().y0 > top for axes in figure.axes if axes.get_visible())


def test_a_figure_of_means_shows_all_draws_and_others_those_that_are_kept(base: Scenario) -> None:
    ds = sim.simulate(base, draws=20_000, kept_draws=8_192)
    for name in FIGURES:
        (caption,) = [text for text in texts(draw(name, ds)) if "Scenario" in text]
        of_kept = "the first 8,192 of 20,000 draws" in caption
        assert of_kept == (name not in ("waterfall", "depreciation")), name


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_leaves_a_figure(name: str, ds: xr.Dataset) -> None:
    assert_inside(draw(name, ds))


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("everything", [False, True])
def test_a_figure_needs_only_the_outputs_that_it_shows(
    name: str, everything: bool, base: Scenario
) -> None:
    """And shows the same of draws as of moments."""
    few = sim.simulate(base, draws=1_024, keep="all" if everything else NEEDED[name])
    of_few = [text for text in texts(draw(name, few)) if "Scenario" not in text]
    of_run = [
        text
        for text in texts(draw(name, sim.simulate(base, draws=1_024)))
        if "Scenario" not in text
    ]
    assert of_few == of_run


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
def test_a_figure_is_drawn_of_one_lab_and_of_labs_without_arr(
    name: str, labs: list[str], params: Path
) -> None:
    figure = draw(name, sim.simulate(fewer_labs(params, *labs), draws=64))
    assert_inside(figure)
    assert not [text for text in texts(figure) if re.search(r"\bnan\b|\binf\b", text)]
    if name in ("lab_margin", "payback"):
        assert any("ARR not reported" in text for text in texts(figure)) == (len(labs) == 2)


@pytest.mark.parametrize("name", [*NEEDED, "gigawatts"])
def test_a_figure_is_drawn_of_many_labs_and_landlords_with_long_names(
    name: str, params: Path
) -> None:
    for kind, model in (("labs", "anthropic"), ("labs", "xai"), ("landlords", "neocloud")):
        text = (params / kind / f"{model}.toml").read_text(encoding="utf-8")
        text = re.sub(r"rpo_share = .*", "rpo_share = 0", text)
        for i in range(2):
            name_line = f'name = "WWW Worldwide {model} Machine Intelligence {i}"'
            copy = params / kind / f"{model}_{i}.toml"
            copy.write_text(re.sub(r"^name = .*", name_line, text, count=1, flags=re.M))
    scenario = params / "a-scenario-whose-name-goes-on-and-on-and-on-until-the-caption-breaks.toml"
    scenario.write_text('format = 1\nextends = "base.toml"\n')
    figure = draw(name, sim.simulate(sim.load(scenario), draws=64))
    assert_inside(figure)
    figure.draw_without_rendering()
    for axes in figure.axes:  # no label of an axis stands on another
        for labels in (axes.get_yticklabels(), [] if name == "exposure" else axes.texts):
            boxes = [label.get_window_extent() for label in labels if label.get_text()]
            for i, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize("name", ["margin", "lab_margin", "payback", "gigawatts"])
def test_probabilities_without_uncertainty_are_0_or_100(name: str, base: Scenario) -> None:
    shown = " ".join(texts(draw(name, sim.simulate(base, draws=512, uncertainty=0.0))))
    assert re.search(r"\b(0|100) %", shown)
    assert not re.search(r"[<>] [\d.]+ %(?! are)|[\d.]+ ± [\d.]+ %", shown)
