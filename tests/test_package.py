"""The package as others import it: public names, version, types, shipped files."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import ROOT
from drawing import stored

import sim
from sim.common.shipped import shipped_parameters
from sim.parameters.scenario import Scenario


def test_dir_shows_the_public_names_alone() -> None:
    assert dir(sim) == sorted(sim.__all__)
    assert all(getattr(sim, name) is not None for name in dir(sim))
    assert sim.__version__ == importlib.metadata.version("token-economics-sim")
    with pytest.raises(AttributeError, match="module 'sim' has no attribute 'nonsense'"):
        sim.nonsense  # noqa: B018


def test_importing_the_package_imports_nothing_slow() -> None:
    code = (
        "import sys, sim; slow = {'numba', 'numpy', 'xarray', 'matplotlib', 'scipy', 'pydantic'};"
        "assert not slow & set(sys.modules), slow & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_types_are_shipped() -> None:
    assert (ROOT / "sim" / "py.typed").exists()


def test_a_scenario_is_shown_in_five_lines(base: Scenario) -> None:
    lines = repr(base).splitlines()
    assert [line.split(":")[0].split(" (")[0].strip() for line in lines] == [
        "Scenario 'base'", "files", "labs", "landlords", "changes",
    ]  # fmt: skip
    bear = sim.load(ROOT / "params" / "scenarios" / "bear.toml")
    lines = repr(bear).splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("Scenario 'bear': What if")
    assert "model.rental_mode: cost_plus -> market" in lines[4]
    assert max(map(len, lines)) <= 100


def test_the_shipped_parameters_are_those_of_the_checkout() -> None:
    assert shipped_parameters() == ROOT / "params"


def test_one_thread_asked_for_is_one_thread(
    base: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    ds = sim.simulate(base, draws=20_000, kept_draws=8_192, threads=1)
    sim.summarise(ds, threads=1)
    sim.sample({"x": {"family": "normal", "mean": 0, "sd": 1}}, draws=20_000, threads=1)
    sim.sweep(
        ROOT / "params" / "base.toml", {"hardware.pue.median": [1.1, 1.2]}, draws=64, threads=1
    )
    stored(base, tmp_path, draws=64, threads=1, figures=False)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_statistic(base: Scenario, threads: int) -> None:
    ds = sim.simulate(base, draws=2_000)
    assert sim.summarise(ds, threads=threads).identical(sim.summarise(ds))
