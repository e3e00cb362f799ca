"""Figures of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT
from figure_marks import assert_inside, texts
from matplotlib.cbook import is_math_text
from nasty_names import NAME, shown

import sim
from sim.plots import save
from sim.plots.sweep import draw, figure_groups

KINDS = [
    "p95(inference_gross_margin@2026Q4) - p5(inference_gross_margin@2026Q4)",
    "P(inference_gross_margin@2026Q4 >= 0.7 and gw[openai]@2026Q4 > 2)",
    "P(pue > 1.2)",
    "p50(gw[openai]@2027Q4 / gw[xai]@2027Q4)",
    "mean(pue)",
    "p50(landlord_capex_busd[oracle]@2026Q4)",
    "p50(gw_2026q4[openai])",
    "sd(pue)",
    "cvar5(log(tps_decode))",
    "P(inference_gross_margin@2026Q4 >= hurdle_margin) / P(gw[openai]@2026Q4 > 2)",
]


def test_titles_of_a_sweep_are_inside_their_figures() -> None:
    swept = sim.sweep(
        ROOT / "params" / "base.toml",
        over={"hardware.pue.median": [1.1, 1.2]},
        outputs=["p50(inference_gross_margin@2026Q4)", "p5(inference_gross_margin@2026Q4)"],
        draws=256,
    )
    (expressions,) = figure_groups(swept).values()
    assert len(expressions) == 2
    swept.attrs["digest"] = "0"
    assert_inside(draw(swept, expressions))


def test_the_figures_of_a_sweep_show_words_as_they_are(tmp_path: Path) -> None:
    swept = sim.sweep(
        ROOT / "params" / "base.toml",
        over={"model.view": ["economic", "accounting"], "hardware.pue.median": [1.1, 1.2]},
        outputs=["p50(gw[openai]@2027Q4)"],
        draws=256,
    )
    swept = swept.assign_coords({"model.view": [f"{NAME} 1", f"{NAME} 深"]})
    swept["lab_name"] = ("lab", [NAME] * swept.sizes["lab"])
    swept.attrs["scenario"] = NAME
    for part in (swept, swept.isel({"hardware.pue.median": [0]})):  # lines; words on the axis
        for expressions in figure_groups(part).values():
            figure = draw(part, expressions)
            save(figure, tmp_path / "picture.png")
            assert not any(map(is_math_text, texts(figure)))
            drawn = [text.replace(r"\$", "$") for text in texts(figure)]
            assert {f"{shown(NAME)} 1", rf"{shown(NAME)} \u6df1"} <= set(drawn)
            title = figure.texts[0].get_text().replace(r"\$", "$")
            assert shown(NAME) in title.replace("\n", " ")


@pytest.mark.parametrize("keys", [1, 2, 3])
def test_every_kind_of_statistic_has_a_figure_over_keys(keys: int) -> None:
    over = {
        "hardware.pue.median": [1.1, 1.2],
        "utilisation.duty_cycle_online_inference.median": [0.3, 0.4],
        "model.view": ["economic", "accounting"],
    }
    swept = sim.sweep(
        ROOT / "params" / "base.toml",
        over=dict(list(over.items())[:keys]),
        outputs=KINDS,
        draws=64,
    )
    swept.attrs["digest"] = "0"
    groups = figure_groups(swept)
    assert len(groups) == len(KINDS)
    for name, expressions in groups.items():
        assert name
        assert_inside(draw(swept, expressions))
