"""Files of which scenarios are made, looked at again and again: whether one of them has changed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sim.common.regular_files import read_regular
from sim.parameters.document import MOST_BYTES
from sim.parameters.loading import find_chain, find_files_beside

SETTLED = 0.02  # seconds without a change, after which a save is over
GONE = 0.3  # seconds, after which a missing file is one that was deleted, and not being replaced
MOST_UNSETTLED = 1.0  # seconds, after which files that never rest are read all the same
Signature = tuple[tuple[str, int, int, int], ...]


class WatchedFiles:
    """Parameter files with all that is read with them: chains, labs, landlords, files beside.

    Changes show in time, size and identity (an editor may replace a file by another); whether a
    change is one, in the contents.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.paths = list(dict.fromkeys(paths))
        self._sleep, self._clock = sleep, clock
        self._chains = {path: [path] for path in self.paths}
        self._signature: Signature = ()

    def read(self) -> dict[Path, str]:
        """A hash of the contents of all files of each path.

        What changes from now on is a change. Of a chain that cannot be read to its end the files of
        before are watched, too.
        """
        for path in self.paths:
            chain, is_complete = find_chain(path)
            before = [] if is_complete else self._chains[path]
            self._chains[path] = list(dict.fromkeys([*chain, *before]))
        self._signature = self._look()
        return {path: self.hash(path) for path in self.paths}

    def root(self, path: Path) -> Path:
        """The root of the chain of a path, as it was last read."""
        return self._chains[path][-1]

    def has_changed(self) -> bool:
        """Whether a file is another since they were read; returns when a change is over.

        A burst of saves is one change. An editor may write a file in steps, or remove it and write
        it anew.
        """
        found = self._look()
        if found == self._signature:
            return False
        begin = rested = self._clock()
        while True:
            missing = not all(path.is_file() for path in self.paths)
            now = self._clock()
            if now - rested >= (GONE if missing else SETTLED) or now - begin >= MOST_UNSETTLED:
                return True
            self._sleep(SETTLED)
            again = self._look()
            if again != found:
                found, rested = again, self._clock()

    def hash(self, path: Path) -> str:
        """A hash of the contents of all files of a path."""
        hashed = hashlib.blake2b(digest_size=16)
        for file in self._files(self._chains.get(path) or find_chain(path)[0]):
            try:
                contents = read_regular(file, MOST_BYTES)
            except (OSError, ValueError) as error:
                contents = str(error).encode()
            hashed.update(f"{file}\0{len(contents)}\0".encode())
            hashed.update(contents)
        return hashed.hexdigest()

    @staticmethod
    def _files(chain: Sequence[Path]) -> list[Path]:
        """All files of a chain, whether they are there or not."""
        return [*chain, *find_files_beside(chain[-1])]

    def _look(self) -> Signature:
        """Time, size and identity of each file that is there."""
        entries = []
        for file in {file: None for chain in self._chains.values() for file in self._files(chain)}:
            try:
                status = file.stat()
            except (OSError, ValueError):
                continue
            entries.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(entries)
