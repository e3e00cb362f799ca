"""Figures are drawn in a second process, to the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import sim
from sim.parameters.scenario import Scenario
from sim.plots import FIGURES, gallery
from sim.store import figures_process
from sim.store.figures_process import FiguresProcess


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
    with FiguresProcess() as process:
        yield process


@pytest.mark.parametrize("threads", [1, 2])
def test_the_process_draws_to_the_same_bytes_whether_copied_or_new(
    monkeypatch: pytest.MonkeyPatch, ds: xr.Dataset, tmp_path: Path, threads: int
) -> None:
    monkeypatch.setattr("threading.active_count", lambda: threads)
    with FiguresProcess() as artist:
        (process,) = _processes(artist)
        is_copy = threads == 1 and sys.platform == "linux"
        assert type(process).__name__ == ("ForkProcess" if is_copy else "SpawnProcess")
        assert artist.draw(ds, tmp_path / "two processes")() == {}
    assert gallery.draw(ds, tmp_path / "one process") == {}
    for name in FIGURES:
        files = [tmp_path / folder / f"{name}.png" for folder in ("one process", "two processes")]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_killed_process_loses_no_figure(
    artist: FiguresProcess, ds: xr.Dataset, tmp_path: Path
) -> None:
    (process,) = _processes(artist)
    process.kill()
    assert artist.draw(ds, tmp_path / "figures")() == {}
    assert all(path.suffix == ".png" for path in (tmp_path / "figures").iterdir())
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == set(FIGURES)


def test_write_error_of_the_process_is_raised_by_the_caller(
    artist: FiguresProcess, ds: xr.Dataset, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        artist.draw(ds, tmp_path / "missing" / "figures")()


def test_figure_that_fails_in_the_process_is_reported(
    artist: FiguresProcess, ds: xr.Dataset, tmp_path: Path
) -> None:
    undrawn = artist.draw(ds.drop_vars("inference_gross_margin"), tmp_path / "figures")()
    assert "margin" in undrawn
    assert "inference_gross_margin" in undrawn["margin"]


def test_process_ends_when_it_is_closed() -> None:
    with FiguresProcess() as artist:
        (process,) = _processes(artist)
    assert process.exitcode is not None


def test_single_processor_draws_without_a_second_process(
    monkeypatch: pytest.MonkeyPatch, ds: xr.Dataset, tmp_path: Path
) -> None:
    monkeypatch.setattr(figures_process, "available_threads", lambda: 1)
    with FiguresProcess() as artist:
        assert artist._pool is None
        assert artist.draw(ds, tmp_path / "figures")() == {}
    assert len(list((tmp_path / "figures").iterdir())) == len(FIGURES)
