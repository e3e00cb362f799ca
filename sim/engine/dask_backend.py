"""Draws evaluated by the workers of a Dask cluster.

Results have the bits of a run in threads.

A task depends on the plans of the run and on the numbers of its draws alone. After a worker dies,
Dask repeats its tasks on another one. `distributed` is imported only where an address is given.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from sim.common.environment import processor
from sim.common.errors import Fault, InputError, Location, RunError
from sim.common.fingerprint import package_hash
from sim.common.text import shown
from sim.engine import tasks
from sim.engine.loop import EvaluatedDraws
from sim.engine.state import SimulationState

MOST_LOCAL = 256  # processes of `local:N`
NO_WORKER_TIMEOUT = 600.0  # seconds without any worker after which a run fails
_POLL_INTERVAL = 10.0  # seconds between checks that there are workers
_LIBRARIES = ("numpy", "scipy", "numba", "llvmlite")
# An interrupt from the terminal reaches all processes of a command; only this one handles it.
_UNINTERRUPTED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
# Without a dashboard, Dask's web servers still listen, and workers record a hundred times a second
# what they do, which takes a tenth of their time.
_LOCAL_CONFIG: dict[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
}


class Fingerprint(NamedTuple):
    """Code of the package, library versions and processor: they determine the bits.

    `package` is the hash of all its code, `libraries` maps a name to a version.
    """

    package: str
    libraries: dict[str, str]
    processor: str

    def describe_difference(self, own: Fingerprint) -> str:
        """The differences from `own` as a text; "" where code and libraries agree."""
        parts = [
            f"{name} {self.libraries[name]} rather than {own.libraries[name]}"
            for name in _LIBRARIES
            if self.libraries[name] != own.libraries[name]
        ]
        if self.package != own.package:
            parts.insert(0, f"other code of this package ({self.package}, here {own.package})")
        return ", ".join(parts)


def own_fingerprint() -> Fingerprint:
    """The fingerprint of this process."""
    return Fingerprint(package_hash(), {name: version(name) for name in _LIBRARIES}, processor())


@dataclass(frozen=True)
class Cluster:
    """The workers of a Dask cluster, a `loop.Elsewhere`."""

    client: Any
    remark: str = ""  # a warning that last bits may differ

    @property
    def threads(self) -> int:
        """The number of threads of all workers, as of now."""
        return int(sum(self.client.nthreads().values()))

    def __call__(self, state: SimulationState, end: int) -> Generator[EvaluatedDraws, None, None]:
        """Evaluate the next draws of a state, those before `end`; see `loop.Elsewhere`.

        Raises:
            RunError: If a worker fails or has other code, workers die repeatedly over one task, or
                none is left. Earlier results are valid.
        """
        import dask
        from distributed import CancelledError, KilledWorker

        totals, kept = state.completed, state.prepared.options.kept_draws
        ranges = tasks.cut(totals.draws, end, kept, self.threads)
        assert totals.histograms is not None
        packed = tasks.share_out(totals, state.prepared)
        empty = totals.histograms.empty_part()
        own = own_fingerprint()
        # The input that all tasks share is itself the result of a task: workers send it to one
        # another, and Dask makes it again where it is lost.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TiB"}):
            shared = self.client.submit(bytes, packed, pure=False)
        waiting: deque[Any] = deque()
        try:
            while True:
                # Workers hold results until their turn comes, so that few are in memory here.
                free_slots = 2 * max(1, self.threads) + 2 - len(waiting)
                for _, (first, last) in zip(range(free_slots), ranges, strict=False):
                    waiting.append(
                        self.client.submit(evaluate, shared, own, first, last, pure=False)
                    )
                if not waiting:
                    return
                yield self._result(waiting.popleft()).unpack(empty)
        except KilledWorker as error:
            message = (
                f"cluster: workers died again and again over the same draws: {_first_line(error)}"
            )
            raise RunError(message) from error
        except (CancelledError, OSError) as error:
            raise RunError(
                f"cluster: the connection to it is lost: {_first_line(error)}"
            ) from error
        finally:
            self.client.cancel([*waiting, shared])

    def _result(self, future: Any) -> tasks.Result:
        """Wait for the result of a task.

        Raises:
            RunError: If the task failed, or there was no worker for NO_WORKER_TIMEOUT.
            OSError: If the connection to the cluster is lost.
        """
        waited = 0.0
        while True:
            try:
                result: tasks.Result = future.result(timeout=_POLL_INTERVAL)
                return result
            except TimeoutError:
                waited = 0.0 if self.threads else waited + _POLL_INTERVAL
            except OSError as error:
                if future.status != "error":
                    raise
                raise RunError(f"cluster: a worker failed: {_first_line(error)}") from error
            if waited >= NO_WORKER_TIMEOUT:
                raise RunError(f"cluster: there has been no worker for {waited:.0f} s")


def evaluate(packed: bytes, expected: Fingerprint, first: int, last: int) -> tasks.Result:
    """Evaluate draws `first` ... `last - 1` on a worker; see `tasks.evaluate`.

    Raises:
        RunError: If code or libraries of this process differ from those of the run.
    """
    if different := own_fingerprint().describe_difference(expected):
        raise RunError(f"cluster: a worker has {different}")
    return tasks.evaluate(packed, first, last)


def address_fault(address: Any) -> str | None:
    """The fault of a cluster's address as a message, or None."""
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
        complete = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:
        return message
    return None if complete and parts.netloc == address.partition("://")[2] else message


@contextmanager
def connected(address: str | None, caller: str = "--cluster") -> Iterator[Cluster | None]:
    """Connect to the cluster of an address; None without an address.

    Workers are checked to have the code and the libraries of this process. `caller` is the function
    or option that messages name.

    Raises:
        InputError: If the address is invalid, nothing answers within the timeout of Dask's
            configuration (`distributed.comm.timeouts.connect`, 30 s), there is no worker, a worker
            has other code or libraries, or `distributed` is missing.
    """
    if address is None:
        yield None
        return

    def refuse(message: str) -> NoReturn:
        key = "" if caller.startswith("--") else "cluster"
        raise InputError([Fault(Location(caller), key, message)])

    if message := address_fault(address):
        refuse(message)
    kind, _, rest = address.partition(":")
    try:
        import dask
        import distributed

        # Temporary certificates, which only the processes of a local cluster have: without them
        # every user of the machine could have code run. Others are those of Dask's configuration.
        security = distributed.Security.temporary() if kind == "local" else distributed.Security()
    except ImportError as error:
        needed = "distributed and cryptography: pip install distributed cryptography"
        refuse(f"a cluster needs {needed} ({error})")
    if kind == "tls" and not security.get_connection_args("client").get("ssl_context"):
        refuse(f"{address}: no certificates in Dask's configuration (distributed.comm.tls)")
    connect_timeout = dask.utils.parse_timedelta(
        dask.config.get("distributed.comm.timeouts.connect")
    )
    with ExitStack() as stack:
        # Dask would log every attempt; the outcome is reported below.
        stack.enter_context(distributed.utils.silence_logging_cmgr(logging.CRITICAL))
        try:
            if kind == "local":
                # While connected, so that workers that are started again have it, too.
                stack.enter_context(dask.config.set(_LOCAL_CONFIG))
                local_cluster = distributed.LocalCluster(
                    n_workers=int(rest), threads_per_worker=1, processes=True, memory_limit=0,
                    security=security, dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False}, silence_logs=logging.CRITICAL,
                    preload=[_UNINTERRUPTED],
                )  # fmt: skip
                address = stack.enter_context(local_cluster).scheduler_address
            # Not the default client: with that, xarray would use locks of the cluster for files.
            client = stack.enter_context(
                distributed.Client(
                    address, timeout=connect_timeout, security=security, set_as_default=False
                )
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            refuse(f"{address}: unreachable within {connect_timeout:g} s: {_first_line(error)}")
        try:
            client.wait_for_workers(1, timeout=connect_timeout)
        except TimeoutError:
            refuse(f"{address}: there is no worker within {connect_timeout:g} s")
        fingerprints = dict(client.run(own_fingerprint, on_error="return"))
        if kind != "local":  # the scheduler unpickles tasks, too
            fingerprints["the scheduler"] = _scheduler_fingerprint(client)
        differing = [f"{name} has {text}" for name, text in _differing(fingerprints).items()]
        if differing:
            more = f"; and {len(differing) - 1} more" if len(differing) > 1 else ""
            refuse(f"{address}: {differing[0]}{more}: install there what is here")
        client.direct_to_workers = _reaches_workers(client)
        processors = {fingerprint.processor for fingerprint in fingerprints.values()}
        others = sorted(processors - {processor()})
        remark = f"workers have other processors: last bits may differ ({', '.join(others)})"
        yield Cluster(client, remark if others else "")


def _scheduler_fingerprint(client: Any) -> Fingerprint | Exception:
    """The fingerprint of the scheduler, or the exception that it raised."""
    try:
        fingerprint: Fingerprint = client.run_on_scheduler(own_fingerprint)
        return fingerprint
    except Exception as error:  # of any kind: importing the package there may fail
        return error


def _differing(fingerprints: Mapping[str, Fingerprint | Exception]) -> dict[str, str]:
    """Name -> difference, of workers that would give other bits."""
    own = own_fingerprint()
    differences = {
        name: fingerprint.describe_difference(own)
        if isinstance(fingerprint, Fingerprint)
        else f"not this package ({fingerprint})"
        for name, fingerprint in fingerprints.items()
    }
    return {name: text for name, text in differences.items() if text}


def _reaches_workers(client: Any) -> bool:
    """Whether this process can connect to workers, not only to the scheduler."""
    from distributed.comm import connect

    async def reach(worker: str) -> None:
        (await connect(worker, timeout=2, **client.connection_args)).abort()

    try:
        for worker in [*client.nthreads()][:1]:
            client.sync(reach, worker)
    except OSError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its class."""
    return (str(error) or type(error).__name__).splitlines()[0]
