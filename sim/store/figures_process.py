"""A process of its own that draws pictures of runs, while files and others are made here.

It is started before there is anything to draw, so that matplotlib, which takes half as long to
import as a short run takes, is there when it is needed.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sim.common.threads import available_threads

if TYPE_CHECKING:
    import xarray as xr
SHARE = 5  # of the seven pictures; the others are drawn here once files are written


# The paths of this process, or another version of this package might be found.
_START = "import sys; sys.path[:] = {path!r}; from sim.store.figures_process import serve; serve()"


class Pictures:
    """What draws pictures, to be closed in the end; a process of its own on two processors."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._talk = ThreadPoolExecutor(1)
        if available_threads() > 1:
            command = [sys.executable, "-c", _START.format(path=sys.path)]
            pipe = subprocess.PIPE
            with suppress(OSError):  # not allowed, or no room for another process
                self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe)

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *raised: object) -> None:
        """End the process; what it has not drawn is not waited for."""
        if self._process is not None:
            self._process.kill()
        self._talk.shutdown()
        if self._process is not None:
            with suppress(BrokenPipeError):  # what it has not read
                self._process.communicate()

    def draw(self, ds: xr.Dataset, folder: Path) -> Callable[[], dict[str, str]]:
        """Begin to draw every picture in a folder that is not there yet.

        Returns:
            What ends when all are drawn, with the pictures that could not be and why. It raises an
            OSError if one cannot be written.
        """
        process = self._process
        if process is None:
            return lambda: _drawn(ds, folder)
        first = self._talk.submit(self._asked, process, ds, folder)

        def rest() -> dict[str, str]:
            undrawn = _drawn(ds, folder, slice(SHARE, None))
            answer = first.result()
            if isinstance(answer, OSError):
                raise answer
            if answer is None:
                answer = _drawn(ds, folder, slice(SHARE))
            return answer | undrawn

        return rest

    def _asked(
        self, process: subprocess.Popen[bytes], ds: xr.Dataset, folder: Path
    ) -> dict[str, str] | OSError | None:
        """What the process answers when it has drawn its share; None if it is no more."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _tell(process.stdin, (ds, folder.absolute()))
            answer: dict[str, str] | OSError = pickle.load(process.stdout)
        except (OSError, EOFError):  # it was killed: the system was short of memory
            return None
        return answer


def _drawn(ds: xr.Dataset, folder: Path, which: slice = slice(None)) -> dict[str, str]:
    from sim.plots.gallery import draw  # which imports xarray: the process is started first

    return draw(ds, folder, which)


def _tell(pipe: IO[bytes], what: Any) -> None:
    pickle.dump(what, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def serve() -> None:
    """Draw what is asked for on standard input, until that ends with the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process that asks
    from sim import plots  # noqa: F401 - while there is nothing to draw

    out, sys.stdout = sys.stdout.buffer, sys.stderr
    with suppress(EOFError, BrokenPipeError, pickle.UnpicklingError):
        while True:
            ds, folder = pickle.load(sys.stdin.buffer)
            try:
                answer: dict[str, str] | OSError = _drawn(ds, folder, slice(SHARE))
            except OSError as error:
                answer = error
            _tell(out, answer)
