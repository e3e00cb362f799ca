"""Whatever call fails or is the last one, a run is the old one or the new one, and whole.

The next command then ends in the same bytes as if nothing had happened, and nothing is left lying.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr
from conftest import ROOT, runs_in
from drawing import stored
from faults_at_calls import CRASHED, FAULTS, INTERRUPTED, NOT_REACHED, REFUSED, run_with_fault
from long_runs import KEPT
from sweep_plans import LIFE, make_plan

import sim
from sim.plots import gallery
from sim.simulation.sweep import SweepPlan
from sim.store import folders, locks, manifest
from sim.store import run as store_run
from sim.store import sweep as store_sweep

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
ACTIONS = ("run", "extend", "figures", "sweep", "rm")
OLD, NEW = KEPT + 1_100, KEPT + 2_100  # draws, more than are kept: there are checkpoints


@dataclass(frozen=True)
class Case:
    """What is done in a folder: where it begins, and what it ends in."""

    act: Callable[[Path], object]
    before: Path | None  # a folder of runs; None: there is none
    after: Path | None  # likewise

    @property
    def results(self) -> list[dict[str, bytes]]:
        """Files of the run before and after, as they may be found."""
        return [files_of(out) for out in (self.before, self.after) if out is not None]


def files_of(out: Path) -> dict[str, bytes]:
    """Files of the only run in a folder, without the manifest, which holds times."""
    (folder,) = runs_in(out)
    names = manifest.files_of(folder)
    return {f"{folder.name}/{name}": (folder / name).read_bytes() for name in names}


def draw(ds: xr.Dataset, folder: Path, *_: object) -> dict[str, str]:
    """Make a small picture in a new folder."""
    folder.mkdir()
    (folder / "margin.png").write_bytes(str(ds.attrs["digest"]).encode())
    return {}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """Every action, with the folders of runs before and after it."""
    scenario = sim.load(ROOT / "params" / "base.toml")
    plan = make_plan({LIFE: [3, 5]}, ["p50(gw[openai]@2027Q4)"], draws=64, threads=1)
    points = [plan.point(number) for number in range(2)]

    def run(draws: int, figures: bool = True) -> Callable[[Path], object]:
        def act(out: Path) -> object:
            options = {"keep": ("tps_decode",), "kept_draws": KEPT, "threads": 1}
            return stored(scenario, out, draws=draws, figures=figures, **options)

        return act

    def rm(out: Path) -> None:
        try:
            folder = folders.find("base", out)
        except sim.InputError:  # it is removed
            return
        folders.remove(folder)

    def sweep(out: Path) -> object:
        return store_sweep.run(plan, out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_run, "STORED_EVERY", 0.0)  # a checkpoint after each round
        patch.setattr(gallery, "draw", draw)
        patch.setattr(store_sweep, "_draw_figures", draw)
        patch.setattr(SweepPlan, "point", lambda plan, number, progress: points[number])

        def done(act: Callable[[Path], object], before: Path | None = None) -> Path:
            """A folder of runs after an action that nothing disturbs."""
            out = tmp_path_factory.mktemp("outputs")
            if before is not None:
                shutil.copytree(before, out, dirs_exist_ok=True)
            act(out)
            return out

        old, plain = done(run(OLD)), done(run(OLD, figures=False))
        yield {
            "run": Case(run(OLD), None, old),
            "extend": Case(run(NEW), old, done(run(NEW), old)),
            "figures": Case(run(OLD), plain, old),
            "sweep": Case(sweep, None, done(sweep)),
            "rm": Case(rm, old, None),
        }


def check(case: Case, out: Path, number: int, fault: str) -> bool:
    """Whether the call of this number was reached; its fault did no harm."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if case.before is not None:
        shutil.copytree(case.before, out, dirs_exist_ok=True)

    def action() -> None:
        case.act(out)

    action.__name__ = case.act.__name__
    code, text = run_with_fault(action, out, number, fault)
    about = f"{fault} at call {number}: {text}"
    if code == NOT_REACHED:
        return False
    assert code not in (CRASHED, REFUSED), about
    assert fault != "interrupt" or code == INTERRUPTED, about
    assert fault != "kill" or code == -9, about
    # What is there is whole, for this command and for those that read.
    rows = folders.listed(out)
    whole = [row for row in rows if row["state"] == "whole"]
    assert all(row["why"].startswith(("broken off", "a sweep")) for row in rows if row not in whole)
    for row in whole:
        folder = Path(row["folder"])
        assert manifest.damage(folder, manifest.read(folder)) == {}, about
        files = {f"{folder.name}/{n}": (folder / n).read_bytes() for n in manifest.files_of(folder)}
        assert files in case.results, about
    assert whole or case.before is None or case.after is None, about
    # The next command ends as if nothing had happened.
    case.act(out)
    assert runs_in(out) == (
        [] if case.after is None else [out / p.name for p in runs_in(case.after)]
    )
    if case.after is not None:
        assert files_of(out) == files_of(case.after), about
        (folder,) = runs_in(out)
        names = {path.name for path in folder.iterdir()}
        assert names == {path.name for path in runs_in(case.after)[0].iterdir()}, about
    assert all(path.suffix == ".lock" for path in (out / locks.LOCKS).iterdir())
    return True


@pytest.mark.parametrize("action", ACTIONS)
def test_fault_at_some_calls_leaves_the_old_run_or_the_new_one(
    cases: dict[str, Case], tmp_path: Path, action: str
) -> None:
    """Every eleventh call, with another fault each time."""
    reached = 0
    for i, number in enumerate(itertools.count(1 + ACTIONS.index(action), 11)):
        if not check(cases[action], tmp_path / "outputs", number, FAULTS[i % len(FAULTS)]):
            break
        reached += 1
    assert reached > 0


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ACTIONS)
def test_fault_at_any_call_leaves_the_old_run_or_the_new_one(
    cases: dict[str, Case], tmp_path: Path, action: str, fault: str
) -> None:
    numbers = itertools.count(1)
    calls = sum(
        1 for _ in itertools.takewhile(
            lambda number: check(cases[action], tmp_path / "outputs", number, fault), numbers
        )
    )  # fmt: skip
    print(f"{action}, {fault}: {calls} calls")
    assert calls > 5
