"""Every figure of a run, drawn to a folder."""

from __future__ import annotations

from pathlib import Path

import xarray as xr


def draw(ds: xr.Dataset, folder: Path) -> dict[str, str]:
    """Draw every figure of a run.

    Returns:
        The figures that failed, each with its error; they do not keep the others from being drawn.

    Raises:
        OSError: If a file cannot be written.
    """
    from sim import plots

    folder.mkdir(exist_ok=True)
    undrawn = {}
    for name in plots.FIGURES:
        try:
            plots.save(plots.draw(name, ds), folder / f"{name}.png")
        except OSError:
            raise
        except Exception as error:  # a figure is not worth the run
            undrawn[name] = f"{type(error).__name__}: {error}"
    return undrawn
