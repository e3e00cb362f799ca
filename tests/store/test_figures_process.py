"""Figures are drawn in a process of their own, to the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario
from sim.plots import FIGURES, gallery
from sim.store import figures_process
from sim.store.figures_process import SHARE, FiguresProcess


@pytest.fixture(scope="module")
def ds(base: Scenario) -> xr.Dataset:
    return sim.simulate(base, draws=64)


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_process, "available_threads", lambda: 2)


def _processes(artist: FiguresProcess) -> list[Any]:
    assert artist._pool is not None
    return list(artist._pool._processes.values())


@pytest.fixture
def artist() -> Iterator[FiguresProcess]:
    with FiguresProcess() as made:
        yield made


def test_both_processes_draw_their_share_and_no_byte_differs(
    artist: FiguresProcess, ds: xr.Dataset, tmp_path: Path
) -> None:
    assert 0 < SHARE < len(FIGURES)
    assert artist.draw(ds, tmp_path / "apart")() == {}
    assert gallery.draw(ds, tmp_path / "here") == {}
    for name in FIGURES:
        drawn = [(tmp_path / where / f"{name}.png").read_bytes() for where in ("apart", "here")]
        assert drawn[0] == drawn[1], name


def test_a_process_that_is_killed_loses_no_picture(
    artist: FiguresProcess, ds: xr.Dataset, tmp_path: Path
) -> None:
    (process,) = _processes(artist)
    process.kill()
    assert artist.draw(ds, tmp_path / "figures")() == {}
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == set(FIGURES)


def test_what_cannot_be_written_is_told_as_if_it_were_drawn_here(
    artist: FiguresProcess, ds: xr.Dataset, tmp_path: Path
) -> None:
    drawing = artist.draw(ds, tmp_path / "missing" / "figures")
    with pytest.raises(FileNotFoundError, match="missing"):
        drawing()


def test_a_picture_that_fails_there_is_told(
    artist: FiguresProcess, ds: xr.Dataset, tmp_path: Path
) -> None:
    undrawn = artist.draw(ds.drop_vars("inference_gross_margin"), tmp_path / "figures")()
    assert "margin" in undrawn
    assert "inference_gross_margin" in undrawn["margin"]


def test_the_process_ends_when_nothing_more_is_to_be_drawn() -> None:
    with FiguresProcess() as made:
        (process,) = _processes(made)
    assert process.exitcode is not None


def test_one_processor_draws_itself(
    monkeypatch: pytest.MonkeyPatch, ds: xr.Dataset, tmp_path: Path
) -> None:
    monkeypatch.setattr(figures_process, "available_threads", lambda: 1)
    with FiguresProcess() as made:
        assert made._pool is None
        assert made.draw(ds, tmp_path / "figures")() == {}
    assert len(list((tmp_path / "figures").iterdir())) == len(FIGURES)
