from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from conftest import ROOT, Command
from drawing import stored

import sim
from sim.engine import dask_backend
from sim.engine.dask_backend import Cluster, connected
from sim.engine.prepare import prepare
from sim.engine.state import SimulationState
from sim.parameters.options import RunOptions, run_options
from sim.parameters.scenario import Scenario
from sim.simulation.dataset import make_dataset
from sim.simulation.simulate import run_engine
from sim.store import checkpoint

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def two() -> Iterator[Cluster]:
    """Two worker processes of this machine."""
    with connected("local:2") as found:
        assert found is not None
        yield found


def address(of: Cluster) -> str:
    return str(of.client.scheduler.address)


def beyond(base: Scenario, draws: int, **others: Any) -> RunOptions:
    """Draws of which only 8,192 are kept."""
    return run_options(base, draws, kept_draws=8192, **others)


def of_threads(base: Scenario, wanted: RunOptions) -> xr.Dataset:
    return make_dataset(run_engine(base, wanted))


@pytest.mark.parametrize(
    "options",
    [{}, {"sampler": "sobol", "keep": ["gw", "wh_per_token"], "drop_questionable": True}],
    ids=["headline", "sobol"],
)
def test_two_workers_give_the_bits_of_threads(
    base: Scenario, two: Cluster, options: dict[str, Any]
) -> None:
    wanted = beyond(base, 20_000, **options)
    told: list[int] = []
    done = run_engine(base, wanted, progress=told.append, elsewhere=two)
    ds = make_dataset(done)
    xr.testing.assert_identical(ds, of_threads(base, wanted))
    assert sum(told) == 20_000
    assert len(told) > 2


def test_the_files_of_a_run_are_those_of_threads(
    base: Scenario, two: Cluster, tmp_path: Path
) -> None:
    own = stored(base, tmp_path / "own", draws=2_000, figures=False)
    far = stored(base, tmp_path / "far", draws=2_000, figures=False, elsewhere=two)
    for name in ("run.nc", "summary.csv", "parameters.toml"):
        assert (far.folder / name).read_bytes() == (own.folder / name).read_bytes(), name


def test_a_worker_that_is_killed_loses_nothing(base: Scenario, two: Cluster) -> None:
    victim = sorted(two.client.run(os.getpid).values())[0]
    wanted = beyond(base, 30_000)
    killed: list[int] = []

    def kill(draws: int) -> None:
        """In the midst: draws that are not kept are under way, and some are done."""
        killed.append(draws)
        if len(killed) == 10:
            os.kill(victim, signal.SIGKILL)

    done = run_engine(base, wanted, progress=kill, elsewhere=two)
    assert len(killed) > 10
    assert victim not in two.client.run(os.getpid).values()
    xr.testing.assert_identical(make_dataset(done), of_threads(base, wanted))


@pytest.mark.parametrize("first_far", [True, False], ids=["from", "to"])
def test_a_run_goes_on_from_a_cluster_and_to_one(
    base: Scenario, two: Cluster, tmp_path: Path, first_far: bool
) -> None:
    begun, wanted = beyond(base, 12_000), beyond(base, 18_000)
    saved: list[int] = []

    def save(state: SimulationState) -> None:
        checkpoint.save(state, tmp_path / "begun")
        saved.append(state.completed.draws)

    run_engine(base, begun, finished=save, elsewhere=two if first_far else None)
    before = checkpoint.restore(prepare(base, wanted), tmp_path / "begun", 18_000)
    assert before is not None
    assert before.completed.draws == saved[-1] == 11_264  # whole tiles
    done = run_engine(base, wanted, after=before, elsewhere=None if first_far else two)
    xr.testing.assert_identical(make_dataset(done), of_threads(base, wanted))


def test_simulate_takes_the_address_of_a_cluster(base: Scenario, two: Cluster) -> None:
    ds = sim.simulate(base, draws=3_000, cluster=address(two))
    xr.testing.assert_identical(ds, sim.simulate(base, draws=3_000))


def test_workers_with_other_code_are_refused(
    base: Scenario, two: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = dask_backend._pack(prepare(base, beyond(base, 32)), None)
    monkeypatch.setattr(dask_backend, "package_hash", lambda: "of-this-process")
    told = r"other code of this package \(\w+, here of-this-process\)"
    with (
        pytest.raises(sim.InputError, match=told + ".*; and 1 more: install there what is here"),
        connected(address(two)),
    ):
        pass
    # One that comes later refuses by itself.
    later = two.client.submit(dask_backend.evaluate, question, dask_backend.code(), 0, 32)
    with pytest.raises(sim.RunError, match="a worker has " + told):
        later.result()


@pytest.mark.parametrize(
    "given",
    ["local:0", "local:x", "local:1000", "tcp://host", "tcp://host:1/path", "host:80", "", 5],
)
def test_an_address_that_is_none_is_refused(base: Scenario, given: Any) -> None:
    with pytest.raises(sim.InputError) as caught:
        sim.simulate(base, draws=32, cluster=given)
    message = str(caught.value)
    assert message.startswith("simulate: cluster: expected tcp://host:port, tls://host:port, or")
    assert message.endswith(f"got {given!r}")


def test_the_command_names_an_unusable_cluster_and_writes_nothing(
    command: Command, tmp_path: Path
) -> None:
    file = str(ROOT / "params" / "base.toml")
    soon = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "500ms"}
    done = command("run", file, "--cluster", "tcp://127.0.0.1:1", **soon)
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


def test_without_distributed_it_is_told_what_to_install(
    base: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(sim.InputError, match="a cluster needs distributed: pip install distribut"):
        sim.simulate(base, draws=32, cluster="local:2")
