"""Many machines: draws evaluated by the workers of a Dask cluster, to the same bits.

A task depends on what is drawn and on the numbers of its draws, and on nothing else: where a worker
dies, Dask has another one do it again. `distributed` is imported where an address is given.
"""

from __future__ import annotations

import logging
import math
import pickle
import zlib
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

import numpy as np

from sim.common.environment import processor
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.fingerprint import package_hash
from sim.common.text import shown
from sim.engine.histograms import HistogramPart
from sim.engine.loop import Piece, tiles_of
from sim.engine.state import Prepared, SimulationState, Tile
from sim.model.blocks import CHUNK, TILE

MOST_LOCAL = 256


# A task's part of the sketch is as large as the tiles of some 10,000 draws: draws beyond those that
# are kept go in tasks of many chunks. The others carry their values.
CHUNKS_BEYOND = 8
PATIENCE = 600.0  # seconds without a worker after which nobody is waited for
_GLANCE = 10.0  # seconds between two looks at whether there are workers
_LIBRARIES = ("numpy", "scipy", "numba", "llvmlite")


# A terminal interrupts all processes of a command, and this one tells the others when to end.
_UNINTERRUPTED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


class Code(NamedTuple):
    """What the bits of a result depend on: the package's code, libraries, the processor."""

    package: str
    libraries: dict[str, str]
    processor: str

    def differs(self, own: Code) -> str:
        """How it differs from what this process runs, in words; "" where bits are the same."""
        parts = [
            f"{name} {self.libraries[name]} rather than {own.libraries[name]}"
            for name in _LIBRARIES
            if self.libraries[name] != own.libraries[name]
        ]
        if self.package != own.package:
            parts.insert(0, f"other code of this package ({self.package}, here {own.package})")
        return ", ".join(parts)


def code() -> Code:
    """That of this process."""
    return Code(package_hash(), {name: version(name) for name in _LIBRARIES}, processor())


@dataclass(frozen=True)
class Cluster:
    """The workers of a Dask cluster, which evaluate draws as `loop.Elsewhere` says."""

    client: Any
    remark: str = ""  # on what may differ

    @property
    def threads(self) -> int:
        """How many tasks are done side by side, as of now: workers come and go."""
        return int(sum(self.client.nthreads().values()))

    def __call__(
        self, state: SimulationState, begin: int, end: int, part: HistogramPart | None
    ) -> Generator[Piece, None, None]:
        """Evaluate draws of a state; see `loop.Elsewhere`.

        Raises:
            RunError: If a worker fails or has other code, workers die again and again over one
                task, or none is left. What came before that is good.
        """
        import dask
        from distributed import CancelledError, KilledWorker

        tiles = math.ceil((end - begin) / TILE)
        share = max(1, tiles // (4 * max(1, self.threads)))  # so that no worker waits long
        most = CHUNK if part is None else CHUNKS_BEYOND * CHUNK
        size = min(most, share * TILE)
        starts = iter(range(begin, end, size))
        packed = _pack(state.prepared, part)
        own = code()
        # What all tasks have in common is itself the result of a task: workers pass it on among
        # themselves, and none of it is lost with them.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TiB"}):
            shared = self.client.submit(bytes, packed, pure=False)
        waiting: deque[Any] = deque()
        try:
            while True:
                # Results wait with the workers until their turn comes, so few are in memory here.
                room = 2 * max(1, self.threads) + 2 - len(waiting)
                for _, first in zip(range(room), starts, strict=False):
                    last = min(first + size, end)
                    waiting.append(
                        self.client.submit(evaluate, shared, own, first, last, pure=False)
                    )
                if not waiting:
                    return
                yield self._result(waiting.popleft())
        except KilledWorker as error:
            message = f"cluster: workers died again and again over the same draws: {_line(error)}"
            raise RunError(message) from error
        except (CancelledError, OSError) as error:
            raise RunError(f"cluster: the connection to it is lost: {_line(error)}") from error
        finally:
            self.client.cancel([*waiting, shared])

    def _result(self, future: Any) -> Piece:
        waited = 0.0
        while True:
            try:
                found: Piece = future.result(timeout=_GLANCE)
                return found
            except TimeoutError:
                waited = 0.0 if self.threads else waited + _GLANCE
            except OSError as error:
                if future.status != "error":
                    raise
                raise RunError(f"cluster: a worker failed: {_line(error)}") from error
            if waited >= PATIENCE:
                raise RunError(f"cluster: there has been no worker for {waited:.0f} s")


def evaluate(packed: bytes, expected: Code, first: int, last: int) -> Piece:
    """Evaluate draws `first` ... `last - 1` on a worker.

    Raises:
        RunError: If this process would not give the bits of the one that asks.
    """
    if different := code().differs(expected):
        raise RunError(f"cluster: a worker has {different}")
    prepared, empty = _unpack(packed)
    part = deepcopy(empty)
    plan = prepared.evaluation if part is None else prepared.evaluation_beyond
    space = prepared.workspace()
    kept = plan.columns.size - prepared.evaluation.moments
    values = np.empty((kept, min(last - first, CHUNK)))
    tiles: list[Tile] = []
    for begin in range(first, last, CHUNK):  # one, where values are kept
        status = np.empty(min(last - begin, CHUNK), np.int8)
        tiles += tiles_of(plan, space, begin, values, 0, status, part)
    if part is None:
        return Piece(tiles, values, None)
    grid = part.grid  # the process that merges parts has it
    bare = grid._replace(edges=grid.edges[:0], bins=grid.bins[:0], guide=grid.guide[:0])
    return Piece(tiles, None, replace(part, grid=bare))


def _pack(prepared: Prepared, part: HistogramPart | None) -> bytes:
    """What all tasks of a run have in common: its plans, and empty histograms."""
    return zlib.compress(pickle.dumps((prepared, part), protocol=5), level=1)


@lru_cache(maxsize=2)
def _unpack(packed: bytes) -> tuple[Prepared, HistogramPart | None]:
    """What `_pack` has packed, once in each worker; it is not to be changed."""
    unpacked: tuple[Prepared, HistogramPart | None] = pickle.loads(zlib.decompress(packed))
    return unpacked


def address_fault(address: Any) -> str | None:
    """What is wrong with the address of a cluster, in words."""
    message = (
        "expected tcp://host:port, tls://host:port, or local:N for N processes of this machine"
        f" (1 to {MOST_LOCAL}); got {shown(address)}"
    )
    if not isinstance(address, str):
        return message
    kind, _, rest = address.partition(":")
    if kind == "local":
        number = int(rest) if rest.isdecimal() and len(rest) < 5 else 0
        return None if 1 <= number <= MOST_LOCAL else message
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:
        return message
    return None if whole and parts.netloc == address.partition("://")[2] else message


@contextmanager
def connected(address: str | None, caller: str = "--cluster") -> Iterator[Cluster | None]:
    """The cluster of an address, while it is used; None without an address.

    Workers are seen to have the code and the libraries of this process before anything is drawn.

    Raises:
        InputError: If the address is none, nothing answers there in the time that Dask's
            configuration gives (`distributed.comm.timeouts.connect`, 30 s), there is no worker, or
            one that would give other bits; or where `distributed` is missing.
    """
    if address is None:
        yield None
        return

    def refuse(message: str) -> NoReturn:
        key = "" if caller.startswith("--") else "cluster"
        raise InputError([Fault(Location(caller), key, message)])

    if message := address_fault(address):
        refuse(message)
    try:
        import dask
        import distributed
    except ImportError as error:
        refuse(f"a cluster needs distributed: pip install distributed ({error})")
    kind, _, rest = address.partition(":")
    patience = dask.utils.parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))
    with ExitStack() as stack:
        # Dask would tell of all that it tries; what comes of it is said here.
        stack.enter_context(distributed.utils.silence_logging_cmgr(logging.CRITICAL))
        try:
            if kind == "local":
                place = distributed.LocalCluster(
                    n_workers=int(rest), threads_per_worker=1, processes=True, memory_limit=0,
                    dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
                    preload=[_UNINTERRUPTED],
                )  # fmt: skip
                address = stack.enter_context(place).scheduler_address
            # Not the default one: with that, xarray would ask the cluster for leave to write files.
            client = stack.enter_context(
                distributed.Client(address, timeout=patience, set_as_default=False)
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            refuse(f"{address}: unreachable within {patience:g} s: {_line(error)}")
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            refuse(f"{address}: there is no worker within {patience:g} s")
        told = dict(client.run(code, on_error="return"))
        if kind != "local":  # the scheduler looks at tasks, too
            told["the scheduler"] = _of_scheduler(client)
        if different := [f"{who} has {what}" for who, what in _differences(told).items()]:
            rest = f"; and {len(different) - 1} more" if len(different) > 1 else ""
            refuse(f"{address}: {different[0]}{rest}: install there what is here")
        client.direct_to_workers = _reached(client)
        kinds = sorted({one.processor for one in told.values()} - {processor()})
        remark = f"workers have other processors: last bits may differ ({', '.join(kinds)})"
        yield Cluster(client, remark if kinds else "")


def _of_scheduler(client: Any) -> Code | Exception:
    try:
        found: Code = client.run_on_scheduler(code)
        return found
    except Exception as error:  # whatever importing the package there raises
        return error


def _differences(told: Mapping[str, Code | Exception]) -> dict[str, str]:
    """Who would not give the bits of this process, and why not."""
    own = code()
    found = {
        who: what.differs(own) if isinstance(what, Code) else f"not this package ({what})"
        for who, what in told.items()
    }
    return {who: what for who, what in found.items() if what}


def _reached(client: Any) -> bool:
    """Whether results can be had of workers themselves, rather than through the scheduler."""
    from distributed.comm import connect

    async def reach(worker: str) -> None:
        (await connect(worker, timeout=2, **client.connection_args)).abort()

    try:
        for worker in [*client.nthreads()][:1]:
            client.sync(reach, worker)
    except OSError:
        return False
    return True


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
