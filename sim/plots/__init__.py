"""Figures of a run: a file and a function for each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

from sim.common.errors import InputError
from sim.plots.depreciation import depreciation, depreciation_estimates
from sim.plots.exposure import exposure, exposure_estimates
from sim.plots.gigawatts import gigawatts, gigawatts_estimates
from sim.plots.lab_margin import lab_margin, lab_margin_estimates
from sim.plots.margin import margin, margin_estimates
from sim.plots.payback import payback, payback_estimates
from sim.plots.style import RC_PARAMS, Estimates
from sim.plots.waterfall import waterfall, waterfall_estimates
from sim.statistics.datasets import PRECISION

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

FIGURES = {
    "margin": margin,
    "waterfall": waterfall,
    "lab_margin": lab_margin,
    "payback": payback,
    "gigawatts": gigawatts,
    "exposure": exposure,
    "depreciation": depreciation,
}
# The numbers with errors that each figure writes.
ESTIMATES: dict[str, Callable[[xr.Dataset], Estimates]] = {
    "margin": margin_estimates,
    "waterfall": waterfall_estimates,
    "lab_margin": lab_margin_estimates,
    "payback": payback_estimates,
    "gigawatts": gigawatts_estimates,
    "exposure": exposure_estimates,
    "depreciation": depreciation_estimates,
}
__all__ = [
    "ESTIMATES",
    "FIGURES",
    "depreciation",
    "draw",
    "exposure",
    "gigawatts",
    "lab_margin",
    "margin",
    "payback",
    "save",
    "waterfall",
]


def draw(name: str, ds: xr.Dataset) -> Figure:
    """Draw the figure of that name.

    Rounded draws of a stored run are made again, unless another version of the model made it.

    Raises:
        KeyError: If there is none.
    """
    if PRECISION in ds.attrs:
        from sim.simulation.redraw import redraw  # numba is slow to import

        with suppress(InputError):
            ds = redraw(ds)
    with matplotlib.rc_context(RC_PARAMS):
        return FIGURES[name](ds)


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the file's ending.

    PNG has 150 dots per inch.
    """
    png: dict[str, Any] = {"pil_kwargs": {"compress_level": 3}} if path.suffix == ".png" else {}
    with matplotlib.rc_context(RC_PARAMS):
        figure.savefig(path, dpi=150, **png)
