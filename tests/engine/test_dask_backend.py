from __future__ import annotations

import asyncio
import http.client
import os
import signal
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from conftest import ROOT, Command
from drawing import stored

import sim
from sim.engine import dask_backend, loop
from sim.engine.dask_backend import Cluster, connected
from sim.engine.prepare import prepare
from sim.engine.state import SimulationState
from sim.model.blocks import SPAN
from sim.parameters.options import RunOptions, run_options
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset
from sim.simulation.simulate import run_engine
from sim.store import checkpoint

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")  # which distributed needs


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two worker processes of this machine."""
    with connected("local:2") as connection:
        assert connection is not None
        yield connection


@pytest.fixture
def certificates(cluster: Cluster) -> Iterator[None]:
    """Dask's configuration with the certificates of that cluster."""
    own = cluster.client.security
    names = {"ca-file": own.tls_ca_file, "client.cert": own.tls_client_cert}
    names["client.key"] = own.tls_client_key
    with dask.config.set({f"distributed.comm.tls.{name}": pem for name, pem in names.items()}):
        yield


def address(cluster: Cluster) -> str:
    return str(cluster.client.scheduler.address)


def beyond(base: Scenario, draws: int, **others: Any) -> RunOptions:
    """Options of a run that keeps 8,192 of its draws."""
    return run_options(base, draws, kept_draws=8192, **others)


def dataset_of_threads(base: Scenario, options: RunOptions) -> xr.Dataset:
    return make_dataset(run_engine(base, options))


@pytest.mark.parametrize(
    "changes",
    [{}, {"sampler": "sobol", "keep": ["gw", "wh_per_token"], "drop_questionable": True}],
    ids=["headline", "sobol"],
)
def test_two_workers_give_the_bits_of_threads(
    base: Scenario, cluster: Cluster, changes: dict[str, Any]
) -> None:
    draws = 8192 + 2 * SPAN + 1_300
    options = beyond(base, draws, **changes)
    progress: list[int] = []
    state = run_engine(base, options, progress=progress.append, elsewhere=cluster)
    ds = make_dataset(state)
    xr.testing.assert_identical(ds, dataset_of_threads(base, options))
    assert sum(progress) == draws
    assert progress.count(SPAN) == 2


def test_files_of_a_run_on_a_cluster_are_those_of_threads(
    base: Scenario, cluster: Cluster, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"draws": 12_000, "kept_draws": 8192, "figures": False}
    local = stored(base, tmp_path / "local", **options)
    remote = stored(base, tmp_path / "remote", **options, elsewhere=cluster)
    for name in ("run.nc", "summary.csv", "parameters.toml"):
        assert (remote.folder / name).read_bytes() == (local.folder / name).read_bytes(), name


def test_a_killed_worker_changes_no_bit(base: Scenario, cluster: Cluster) -> None:
    victim = sorted(cluster.client.run(os.getpid).values())[0]
    options = beyond(base, 8192 + 3 * SPAN + 1_300)
    progress: list[int] = []

    def kill(draws: int) -> None:
        """Kill a worker while draws that are not kept are evaluated."""
        progress.append(draws)
        if draws == SPAN and SPAN not in progress[:-1]:
            os.kill(victim, signal.SIGKILL)

    state = run_engine(base, options, progress=kill, elsewhere=cluster)
    assert progress.count(SPAN) == 3
    assert victim not in cluster.client.run(os.getpid).values()
    xr.testing.assert_identical(make_dataset(state), dataset_of_threads(base, options))


@pytest.mark.parametrize("begins_on_cluster", [True, False], ids=["from", "to"])
def test_a_run_can_move_from_a_cluster_to_threads_and_back(
    base: Scenario, cluster: Cluster, tmp_path: Path, begins_on_cluster: bool
) -> None:
    first, extended = beyond(base, 12_000), beyond(base, 8192 + SPAN + 2_000)
    saved: list[int] = []

    def save(state: SimulationState) -> None:
        checkpoint.save(state, tmp_path / "first")
        saved.append(state.completed.draws)

    run_engine(base, first, finished=save, elsewhere=cluster if begins_on_cluster else None)
    prepared = prepare(base, extended)
    totals = checkpoint.restore(prepared, tmp_path / "first")
    assert totals is not None
    assert totals.draws == saved[-1] == 11_264  # complete tiles
    restored = loop.rebuild(prepared, totals)
    elsewhere = None if begins_on_cluster else cluster
    state = run_engine(base, extended, after=restored, elsewhere=elsewhere)
    xr.testing.assert_identical(make_dataset(state), dataset_of_threads(base, extended))


@pytest.mark.usefixtures("certificates")
def test_simulate_takes_the_address_of_a_cluster(base: Scenario, cluster: Cluster) -> None:
    options: dict[str, Any] = {"draws": 12_000, "kept_draws": 8192}
    ds = sim.simulate(base, **options, cluster=address(cluster))
    xr.testing.assert_identical(ds, sim.simulate(base, **options))


def ports_of(cluster: Cluster) -> set[int]:
    """The ports on which processes of a local cluster listen."""
    processes = [os.getpid(), *cluster.client.run(os.getpid).values()]
    connections = [each for pid in processes for each in psutil.Process(pid).net_connections()]
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}


def test_a_local_cluster_serves_nobody_without_its_certificates(cluster: Cluster) -> None:
    ports = ports_of(cluster)
    assert {int(address(cluster).rpartition(":")[2])} < ports
    assert len(ports) >= 6  # scheduler and two workers, each with a web server
    pages = ("", "health", "status", "metrics", "info/main/workers.html", "json/counts.json")
    web = {port for port in ports if status_of(port, "") is not None}
    assert {status_of(port, page) for port in web for page in pages} == {404}
    assert len(ports - web) >= 3
    for port in ports - web:
        with pytest.raises(OSError):  # noqa: PT011 # of several kinds
            cluster.client.sync(ask, f"tcp://127.0.0.1:{port}")
    with pytest.raises(OSError):  # noqa: PT011
        cluster.client.sync(ask, address(cluster), ssl_context=without_certificate())
    with pytest.raises(sim.InputError, match="no certificates in Dask's configuration"):
        connected(address(cluster)).__enter__()


def status_of(port: int, page: str) -> int | None:
    """The status with which a web server answers; None where there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, http.client.HTTPException):
        return None


async def ask(address: str, **arguments: Any) -> Any:
    """What a scheduler or worker answers to who connects to it."""
    comm = await distributed.comm.connect(address, timeout=2, **arguments)
    try:
        await comm.write({"op": "identity", "reply": True})
        return await asyncio.wait_for(comm.read(), timeout=5)
    finally:
        comm.abort()


def test_a_client_with_the_certificates_of_a_local_cluster_is_answered(cluster: Cluster) -> None:
    arguments = cluster.client.connection_args
    assert cluster.client.sync(ask, address(cluster), **arguments)["type"] == "Scheduler"


def without_certificate() -> ssl.SSLContext:
    """What a client that trusts anyone connects with."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.usefixtures("certificates")
def test_workers_with_other_code_are_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_backend, "package_hash", lambda: "of-this-process")
    difference = r"other code of this package \(\w+, here of-this-process\)"
    with (
        pytest.raises(
            sim.InputError, match=difference + ".*; and 1 more: install there what is here"
        ),
        connected(address(cluster)),
    ):
        pass
    # A worker that joins later refuses its tasks.
    expected = dask_backend.own_fingerprint()
    task = cluster.client.submit(dask_backend.evaluate, b"", expected, 0, 32)
    with pytest.raises(sim.RunError, match="a worker has " + difference):
        task.result()


@pytest.mark.parametrize(
    "value",
    ["local:0", "local:x", "local:1000", "tcp://host", "tcp://host:1/path", "host:80", "", 5],
)
def test_an_invalid_address_is_refused(base: Scenario, value: Any) -> None:
    with pytest.raises(sim.InputError) as caught:
        sim.simulate(base, draws=32, cluster=value)
    message = str(caught.value)
    assert message.startswith("simulate: cluster: expected tcp://host:port, tls://host:port, or")
    assert message.endswith(f"got {value!r}")


def test_the_run_command_refuses_an_unusable_cluster_and_writes_nothing(
    command: Command, tmp_path: Path
) -> None:
    file = str(ROOT / "params" / "base.toml")
    short_timeout = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "500ms"}
    done = command("run", file, "--cluster", "tcp://127.0.0.1:1", **short_timeout)
    assert done.returncode == 2
    assert done.stderr.startswith("--cluster: tcp://127.0.0.1:1: unreachable within 0.5 s: ")
    assert len(done.stderr.splitlines()) == 1
    done = command("run", file, "--cluster", "local:0", "--threads", "2")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "--cluster: expected tcp://host:port, tls://host:port, or local:N for N processes of this"
        " machine (1 to 256); got 'local:0'",
        "--threads: has no effect with --cluster, whose workers have threads of their own",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["distributed", "cryptography"])
def test_a_cluster_without_a_package_is_refused_with_what_to_install(
    base: Scenario, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(sim.InputError, match="needs distributed and cryptography: pip inst"):
        sim.simulate(base, draws=32, cluster="local:2")
