"""Helpers for tests that damage or compare stored runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import xarray as xr

DRAWS = 320


def change_manifest(folder: Path, **changes: Any) -> None:
    """Change keys of the manifest of a run; None removes one."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | changes
    path.write_text(
        json.dumps({key: value for key, value in manifest.items() if value is not None})
    )


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
