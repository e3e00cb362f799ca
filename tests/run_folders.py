"""Helpers for tests that damage or compare stored runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xarray as xr

from sim.store import manifest

DRAWS = 320


def change_manifest(folder: Path, **changes: Any) -> None:
    """Change keys of the manifest of a run, and of its files; None removes one.

    The manifest has the right checksum of its own afterwards, as if it had been written so.
    """
    about = json.loads((folder / "manifest.json").read_text())
    for key, value in changes.items():
        entries = about["checksums"] if key in about["checksums"] else about
        entries[key] = value
        if value is None:
            entries.pop(key)
    manifest.save(about, folder)


def read_files(folder: Path) -> dict[str, bytes]:
    """Contents of all files in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same(actual: xr.Dataset, expected: xr.Dataset) -> None:
    """Datasets are identical, also in dtypes and types of attributes, without encodings."""
    xr.testing.assert_identical(actual, expected)
    for name, variable in expected.variables.items():
        assert actual.variables[name].dtype == variable.dtype, name
        assert not actual.variables[name].encoding, name
    kinds = [{name: type(value) for name, value in ds.attrs.items()} for ds in (actual, expected)]
    assert kinds[0] == kinds[1]
