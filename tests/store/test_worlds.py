"""WORLD: what a name, a path or an object means to a command that reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from drawing import stored

import sim
from sim.store.run_names import describe_difference
from sim.store.worlds import World, find_world, open_world

PUE = "hardware.pue.median"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with parameters of few draws, and the runs of base.toml and of a changed bear."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(ROOT / "params", folder / "params")
    base = folder / "params" / "base.toml"
    base.write_text(base.read_text().replace("draws = 100_000", "draws = 160"))
    out = folder / "outputs"
    scenario = sim.load(base)
    assert scenario.run.draws == 160
    stored(scenario, out, figures=False)
    bear = sim.load(folder / "params" / "scenarios" / "bear.toml", set={PUE: 1.3})
    stored(bear, out, figures=False)
    return folder


@pytest.fixture
def notes(shop: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was noted; the current folder is the shop."""
    monkeypatch.chdir(shop)
    return []


def folder_of(scenario: str) -> Path:
    (folder,) = Path("outputs").glob(f"{scenario}-*")
    return folder


def test_a_file_and_its_name_are_answered_from_the_store(notes: list[str]) -> None:
    run = folder_of("base")
    for world in ("params/base.toml", Path("params/base.toml"), "base"):
        found = open_world(world, note=notes.append)
        assert (found.folder, found.options.draws, found.is_drawn) == (run, 160, False)
    for world in (run, run.name, str(run), "base-"):
        assert find_world(world, note=notes.append) == run
    assert notes == []
    assert open_world(None, note=notes.append).folder == run
    assert notes == ["no WORLD given: params/base.toml"]


def test_a_file_of_which_no_run_is_there_is_drawn_once_in_memory(notes: list[str]) -> None:
    before = sorted(Path().rglob("*"))
    asked = []
    world = open_world("params/base.toml", seed=5, progress=asked.append)
    assert (world.folder, world.is_drawn, world.options.seed) == (None, False, 5)
    expected = sim.simulate(sim.load("params/base.toml"), seed=5)
    np.testing.assert_array_equal(world.dataset().gw, expected.gw)
    assert world.dataset() is world.dataset()
    assert sum(asked) == 160
    assert sorted(Path().rglob("*")) == before
    changed = open_world("params/base.toml", set={PUE: 1.3})
    assert changed.folder is None
    assert changed.scenario.quantities["hardware.pue"].distribution.point == 1.3


def test_a_name_means_the_file_as_it_stands_and_says_what_else_is_stored(notes: list[str]) -> None:
    found = open_world("bear", note=notes.append)
    assert found.folder is None  # the run that is stored is of another pue
    (note,) = notes
    assert note == (
        "bear is params/scenarios/bear.toml as it stands, drawn in memory: 160 draws; a run of"
        f" other draws or parameters is stored ({folder_of('bear').name})"
    )


def test_latest_is_the_run_that_was_started_last_and_no_sweep(notes: list[str]) -> None:
    sweep = Path("outputs") / f"zoo-sweep-{'0' * 12}"
    from sim.store import manifest

    about = manifest.read(folder_of("bear")) | {"started": "2999-01-01T00:00:00+00:00"}
    sweep.mkdir()
    (sweep / manifest.SWEPT).write_bytes(b"")
    manifest.save(about | {"checksums": {manifest.SWEPT: {"bytes": 0, "sha256": ""}}}, sweep)
    started = {name: manifest.read(folder_of(name))["started"] for name in ("base", "bear")}
    last = max(started, key=lambda name: (started[name], name))
    assert find_world("latest") == folder_of(last)
    shutil.rmtree(sweep)
    with pytest.raises(sim.InputError, match="no runs in params/"):
        find_world("latest", "params")


def test_what_a_run_does_not_hold_is_drawn_again_and_is_that_of_the_file(notes: list[str]) -> None:
    names = ["arr", "gw", "pue", "factor.demand"]
    stored_world = open_world(folder_of("base"))
    found = stored_world.draws_of(names)
    drawn = sim.simulate(sim.load("params/base.toml"), keep=names[:3])
    for name in names[:3]:
        np.testing.assert_array_equal(found[name], drawn[name])
        assert found[name].dtype == np.float64
    assert found["factor.demand"].dims == ("draw",)
    np.testing.assert_array_equal(
        open_world(sim.load("params/base.toml")).draws_of(names)["factor.demand"],
        found["factor.demand"],
    )


def test_a_scenario_and_a_dataset_are_worlds(notes: list[str]) -> None:
    scenario = sim.load("params/base.toml")
    world = open_world(scenario, draws=64)
    assert isinstance(world, World)
    assert (world.label, world.dataset().sizes["draw"]) == ("base", 64)
    again = open_world(world.dataset())
    assert again.dataset() is world.dataset()
    assert again.options.draws == 64
    assert again.scenario.digest() == scenario.digest()


@pytest.mark.parametrize(
    ("world", "options", "message"),
    [
        ("baer", {}, "baer: no such file, and no such run in outputs/; did you mean 'bear'?"),
        ("lastest", {}, "did you mean 'latest'?"),
        ("params/baer.toml", {}, "no such file; did you mean 'params/scenarios/bear.toml'?"),
        ("base-", {"seed": 3}, "--seed: the run has seed 1: name its parameter file"),
        ("base-", {"set": {PUE: 1.3}}, "--set: a run is drawn already"),
        ("base", {"draws": 0}, "expected a whole number of draws"),
    ],
)
def test_a_world_that_is_not_there_or_cannot_be_so_is_refused(
    notes: list[str], world: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(sim.InputError) as error:
        open_world(world, **options)
    assert message in str(error.value)


def test_names_of_shipped_files_are_known_without_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notes: list[str] = []
    assert open_world("bear", note=notes.append).label == "bear"
    assert open_world(None, note=notes.append).label == "base"
    assert notes == [
        "no run and no file 'bear' here: the shipped bear.toml",
        "no WORLD given, and no params/base.toml here: the shipped base case",
    ]


def test_the_difference_of_a_run_from_its_file_is_said_in_words() -> None:
    changes = {"a.b": 1.5, "a.c": True, "a.d": "x", "a.e": 2}
    assert describe_difference(["p/bear.toml", "p/base.toml"], {"a.b": 1.5}) == (
        "bear.toml on base.toml, --set a.b=1.5"
    )
    assert describe_difference(["base.toml"], changes) == (
        "--set a.b=1.5, --set a.c=true, --set a.d=x, and 1 more"
    )
    assert describe_difference(["base.toml"], {}) == ""
