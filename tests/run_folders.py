"""Helpers for tests that damage or compare stored runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
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


def as_stored(ds: xr.Dataset) -> xr.Dataset:
    """What is read back of a Dataset: draws as float32, which attributes say."""
    rounded = {}
    for name, variable in ds.data_vars.items():
        if "draw" in variable.dims and variable.dtype == np.float64:
            attrs = {**variable.attrs, "precision": "float32 of the float64 that was drawn"}
            rounded[str(name)] = (variable.dims, variable.values.astype(np.float32), attrs)
    about = "draws are the float32 of the float64 that was drawn; statistics are of the float64"
    return ds.assign(rounded).assign_attrs(precision=about)


def assert_same(actual: xr.Dataset, expected: xr.Dataset) -> None:
    """Datasets are identical, also in dtypes and types of attributes, without encodings."""
    xr.testing.assert_identical(actual, expected)
    for name, variable in expected.variables.items():
        assert actual.variables[name].dtype == variable.dtype, name
        assert not actual.variables[name].encoding, name
    kinds = [{name: type(value) for name, value in ds.attrs.items()} for ds in (actual, expected)]
    assert kinds[0] == kinds[1]
