"""Names of runs that several share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.store.manifest import DATA, FORMAT, save
from sim.store.run_names import several_runs, source_file

CHANGES = [
    {"key": f"factors.{name}", "before": None, "after": i, "by": "--set"}
    for i, name in enumerate(("demand", "power", "capital", "supply", "rates"))
]


def make_run(folder: Path, **about: Any) -> Path:
    """A run folder that holds a manifest alone, unless that is to be missing."""
    folder.mkdir()
    manifest = {"scenario": "base", "digest": "0", "draws": 2_000, "seed": 1, "sampler": "sobol"}
    if about.pop("is_whole", True):
        bound = {"checksums": {DATA: {"bytes": 0, "sha256": ""}}, "format": FORMAT}
        save(manifest | bound | about, folder)
    return folder


def test_runs_of_one_name_are_listed_with_what_tells_them_apart(tmp_path: Path) -> None:
    runs = [
        make_run(
            tmp_path / "base-0aa000000000", started="2026-11-30T22:10:05+00:00",
            files=["params/base.toml", "north/base.toml", "params/labs/base.toml"],
            overrides=CHANGES[:1],
        ),
        make_run(tmp_path / "base-0ab000000000", overrides=CHANGES),
        make_run(tmp_path / "base-1aa000000000", is_whole=False),
    ]  # fmt: skip
    assert str(several_runs("base", runs[::-1])).splitlines() == [
        "base: 3 runs are called so: give the name of one, or enough of it, as in base-0aa",
        "base-0aa000000000: 2,000 draws, seed 1, sobol, started 2026-11-30 22:10,"
        " of north/base.toml, factors.demand = 0",
        "base-0ab000000000: 2,000 draws, seed 1, sobol, factors.demand = 0, factors.power = 1,"
        " factors.capital = 2, and 2 other changes",
        "base-1aa000000000: is damaged",
    ]


def test_at_most_twelve_runs_of_one_name_are_listed(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"base-{i:012}") for i in range(14)]
    lines = str(several_runs("base", runs)).splitlines()
    assert len(lines) == 14
    assert lines[-1] == "base-000000000011, ...: and 2 more: sim list names all"


def test_a_manifest_without_files_names_no_file() -> None:
    for files in (None, "base.toml", [1], [], ["params/labs/base.toml"], ["other.toml"]):
        assert source_file({"scenario": "base", "files": files}) == ""
