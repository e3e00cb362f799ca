"""Which runs are old."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import runs_in

from sim.store import manifest
from sim.store.old_runs import old_runs, parse_age

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Five runs of the last days, one of which has a name; the digest says how many days ago."""
    for days in (0, 1, 3, 8, 20):
        folder = tmp_path / f"base-{days:012}"
        folder.mkdir()
        started = (NOW - timedelta(days=days, minutes=1)).isoformat()
        about = {"scenario": "base", "digest": "0", "draws": 1, "seed": 1, "sampler": "sobol"}
        name = {"name": "mine"} if days == 8 else {}
        (folder / manifest.DATA).touch()
        manifest.save(
            about
            | name
            | {
                "started": started,
                "checksums": {manifest.DATA: {"bytes": 0, "sha256": ""}},
                "format": manifest.FORMAT,
            },
            folder,
        )
    return tmp_path


def days(paths: list[Path]) -> list[int]:
    return [int(path.name.rpartition("-")[2]) for path in paths]


@pytest.mark.parametrize(
    ("age", "keep_last", "expected"),
    [
        (None, 2, [20, 3]),
        (None, 0, [20, 3, 1, 0]),
        (None, 9, []),
        ("2d", 0, [20, 3]),
        ("1w", 0, [20]),
        ("24h", 4, [20]),
        ("0h", 3, [20]),
        ("0.5d", 0, [20, 3, 1]),
    ],
)
def test_old_runs_are_older_than_a_time_and_not_among_the_last(
    out: Path, age: str | None, keep_last: int, expected: list[int]
) -> None:
    older_than = None if age is None else parse_age(age)
    found, named = old_runs(out, older_than, keep_last, NOW)
    assert days(found) == expected
    assert named == (["mine"] if 20 in expected and (age, keep_last) != ("24h", 4) else [])
    assert len(runs_in(out)) == 5


def test_a_run_without_a_manifest_is_as_old_as_its_folder(out: Path) -> None:
    broken = out / "base-000000000020"
    (broken / manifest.NAME).unlink()
    os.utime(broken, ((NOW - timedelta(days=2)).timestamp(),) * 2)
    assert days(old_runs(out, timedelta(days=1), 0, NOW)[0]) == [3, 20, 1]


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-1d", "1y", "7 days", "1e3d", "nan d", "9" * 400 + "d"]
)
def test_other_texts_are_no_time(text: str) -> None:
    assert parse_age(text) is None
