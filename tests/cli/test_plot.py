"""`sim plot`: figures of a stored run."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr
from conftest import runs_in
from stored_runs import Sim

from sim import plots
from sim.store import manifest

PNG = b"\x89PNG"


def test_plot_redraws_named_figures(run_sim: Sim) -> None:
    (folder,) = runs_in(Path("outputs"))
    code, out, errors = run_sim("plot", "base", "margin")
    assert (code, out, errors) == (0, f"{folder}/figures/margin.png\n", "")
    assert (folder / "figures" / "margin.png").read_bytes().startswith(PNG)
    assert run_sim("plot", "base", "margin", "--to", "margin.pdf")[1] == "margin.pdf\n"
    assert Path("margin.pdf").read_bytes().startswith(b"%PDF")
    assert run_sim("plot", "base", "margin", "payback", "--to", "pictures")[0] == 0
    there = run_sim("plot", "base", "margin", "--to", "pictures")[2]
    assert there == "--to: pictures/margin.png: is there already: --force replaces it\n"
    assert run_sim("plot", "base", "margin", "--to", "pictures", "--force")[0] == 0
    assert run_sim("plot", "base", "margin")[0] == 0  # those of the run are its own
    names = sorted(path.name for path in Path("pictures").iterdir())
    assert names == ["margin.png", "payback.png"]


def test_plot_refuses_unknown_figures_and_unwritable_files(
    run_sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, errors = run_sim("plot", "base", "margn", "--to", "/dev/null/b.png")
    assert (code, out) == (2, "")
    assert errors.splitlines() == [
        "--to: /dev/null: is no folder",
        "FIGURE: no such figure: 'margn'; did you mean 'margin'?",
    ]
    assert "one file, and 7 figures" in run_sim("plot", "base", "--to", "all.png")[2]

    def fails(ds: xr.Dataset) -> None:
        raise ValueError("no limits")

    monkeypatch.setattr(plots, "FIGURES", {"margin": fails, "payback": plots.FIGURES["payback"]})
    code, out, errors = run_sim("plot", "base", "--to", "pictures")
    assert (code, out) == (1, "pictures/payback.png\n")
    assert errors == "margin could not be drawn: ValueError: no limits\n"


def test_plot_into_the_run_keeps_it_whole(run_sim: Sim) -> None:
    """Its manifest describes the new figure, beside the files that were there."""
    (folder,) = runs_in(Path("outputs"))
    before = manifest.read(folder)["checksums"]
    assert run_sim("plot", "base", "margin")[:2] == (0, f"{folder}/figures/margin.png\n")
    about = manifest.read(folder)
    assert about["checksums"].keys() == before.keys() | {"figures/margin.png"}
    assert manifest.damage(folder, about) == {}
    assert runs_in(Path("outputs")) == [folder]
