"""A second process that draws figures of runs, while this one summarises and writes files.

It is a copy of this process (`fork`), with the libraries that this one has imported; where that is
not safe, a new one. It is started before there is anything to draw, and imports matplotlib
meanwhile.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from sim.common.threads import available_threads

if TYPE_CHECKING:
    import xarray as xr

_PICKLE = ".draws.pickle"  # in the folder of figures, until the other process has read it


class FiguresProcess:
    """Draws figures until it is closed; with one thread in this process."""

    def __init__(self, threads: int | None = None) -> None:
        self._pool: ProcessPoolExecutor | None = None
        if (threads or available_threads()) > 1:
            # A copy of other threads' locks would be locked for ever; other systems' own libraries
            # do not bear copies at all.
            is_safe = sys.platform == "linux" and threading.active_count() == 1
            context = multiprocessing.get_context("fork" if is_safe else "spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_begin)
            try:
                self._pool.submit(_import_plots)
            except OSError:  # not allowed, or no room for another process
                self._pool = None

    def __enter__(self) -> FiguresProcess:
        return self

    def __exit__(self, *raised: object) -> None:
        """End the process without waiting for its figures."""
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)

    def draw(self, ds: xr.Dataset, folder: Path) -> Callable[[], dict[str, str]]:
        """Begin to draw all figures in a new folder.

        Returns:
            A function that waits until all are drawn, and returns the figures that failed, each
            with the reason. It raises an OSError if one cannot be written.

        Raises:
            OSError: If the folder cannot be written to.
        """
        if self._pool is None:
            return lambda: _draw(ds, folder)
        folder.mkdir(exist_ok=True)
        pickled = folder.absolute() / _PICKLE
        try:
            # The pool would hold a copy of all draws while it sends them; a file is a stream.
            with pickled.open("wb") as file:
                pickle.dump(ds, file, protocol=pickle.HIGHEST_PROTOCOL)
            drawing = self._pool.submit(_draw_pickled, pickled)
        except BrokenProcessPool:
            pickled.unlink()
            return lambda: _draw(ds, folder)

        def wait() -> dict[str, str]:
            try:
                return drawing.result()
            except BrokenProcessPool:  # it was killed: the system was short of memory, say
                pickled.unlink(missing_ok=True)
                return _draw(ds, folder)

        return wait


def _draw_pickled(pickled: Path) -> dict[str, str]:
    """Draw all figures in the folder of a pickled Dataset, which is removed."""
    with pickled.open("rb") as file:
        ds = pickle.load(file)
    pickled.unlink()
    return _draw(ds, pickled.parent)


def _draw(ds: xr.Dataset, folder: Path) -> dict[str, str]:
    """Draw all figures; those that failed, each with the reason."""
    from sim.plots import gallery  # which imports matplotlib: the process is started first

    return gallery.draw(ds, folder)


def _begin() -> None:
    """Ignore interrupts, and end with the parent process however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _import_plots() -> None:
    from sim.plots import gallery  # noqa: F401
