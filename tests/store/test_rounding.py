"""What is read back is the float32 of what was drawn, bit for bit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from run_folders import as_stored, assert_same

from sim.store import netcdf, rounding
from sim.store.run_files import write_netcdf

SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1 / 3, -1e30, 1e-30)


def read(path: Path) -> xr.Dataset:
    with h5py.File(path) as file:
        return rounding.with_copies(netcdf.dataset(file)).load()


def bits(values: NDArray[Any]) -> NDArray[Any]:
    """Bits of floats, in which NaN is one number: a sign of it means nothing."""
    values = np.where(np.isnan(values), np.float32(math.nan), values)
    return np.ascontiguousarray(values).view(np.uint32)


@st.composite
def datasets(draw: st.DrawFn) -> xr.Dataset:
    """Draws of a few columns: any, NaN, constant, or copies, in any order of the dims."""
    count = draw(st.sampled_from([1, 2, 63, 64, 65, 8_192, 8_193, 20_000]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns: list[NDArray[np.float64]] = []
    kinds = st.sampled_from(["any", "special", "nan", "constant", "copy", "whole"])
    for kind in draw(st.lists(kinds, min_size=6, max_size=6)):
        values = random.lognormal(0.0, 2.0, count)
        if kind == "special":
            values = random.choice(SPECIAL, count)
        elif kind == "nan":
            values = np.full(count, math.nan)
        elif kind == "constant":
            values = np.full(count, draw(st.sampled_from(SPECIAL)))
        elif kind == "copy" and columns:
            values = columns[draw(st.integers(0, len(columns) - 1))]
        elif kind == "whole":
            values = random.integers(0, 3, count).astype(float)
        columns.append(values)
    table = np.array(columns[:4]).reshape(2, 2, count)
    dims = draw(st.permutations(["draw", "lab", "quarter"]))
    variables = {
        "table": xr.Variable(["lab", "quarter", "draw"], table, {"units": "GW"}).transpose(*dims),
        "one": xr.Variable(["draw"], columns[4]),
        "other": xr.Variable(["draw"], columns[5]),
        "flag": xr.Variable(["draw"], random.integers(0, 2, count).astype(np.int8)),
        "fixed": xr.Variable(["lab"], [0.1, math.nan]),
    }
    return xr.Dataset(variables, {"draw": np.arange(count), "lab": ["a", "b"]})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ds=datasets())
def test_what_is_read_back_is_the_float32_of_what_was_drawn(
    tmp_path_factory: pytest.TempPathFactory, ds: xr.Dataset
) -> None:
    path = tmp_path_factory.mktemp("data") / "run.nc"
    write_netcdf(ds, path)
    found = read(path)
    for name in ("table", "one", "other"):
        assert found[name].dims == ds[name].dims
        np.testing.assert_array_equal(
            bits(found[name].values), bits(ds[name].values.astype(np.float32)), err_msg=name
        )
    assert_same(found, as_stored(ds))
    with xr.open_dataset(path, engine="h5netcdf") as plain:  # NaN in columns that are copies
        for name in ("table", "one", "other"):
            values = plain[name].values
            copied = np.isnan(values) & ~np.isnan(ds[name].values)
            assert rounding.COPIES in plain[name].attrs or not copied.any()
            expected = bits(np.where(copied, np.nan, ds[name].values.astype(np.float32)))
            np.testing.assert_array_equal(bits(values), expected)


@pytest.mark.parametrize("size", [1e39, -1e300, 1e-39, 5e-324])
def test_numbers_beyond_float32_keep_their_variable_as_it_is(tmp_path: Path, size: float) -> None:
    ds = xr.Dataset({"large": ("draw", [1.0, size, 0.0, math.inf]), "usual": ("draw", np.ones(4))})
    ds = ds.assign_coords(draw=np.arange(4))
    write_netcdf(ds, tmp_path / "run.nc")
    found = read(tmp_path / "run.nc")
    xr.testing.assert_identical(found["large"], ds["large"])
    assert found["usual"].dtype == np.float32
    assert "precision" in found["usual"].attrs


def test_columns_that_are_copies_or_nan_take_no_space(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    draws = random.lognormal(size=(20_000, 1))
    sizes = []
    others = [np.full((20_000, 39), value) for value in (math.nan, 2.5)]
    for columns in (draws, *(np.hstack([draws, other]) for other in others), draws + np.zeros(40)):
        ds = xr.Dataset({"x": (("draw", "lab"), columns)}, {"draw": np.arange(20_000)})
        write_netcdf(ds, tmp_path / "run.nc")
        sizes.append((tmp_path / "run.nc").stat().st_size)
        assert_same(read(tmp_path / "run.nc"), as_stored(ds))
    one, *more = sizes
    assert one < 20_000 * 3.4 + 20_000  # float32 takes 4 bytes, of which most of one is no news
    assert max(more) < one + 39 * 1_000


def test_chunks_are_read_by_hdf5_whatever_their_dtype(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for dtype in ("f4", "f8", "i1", "i8", "u2"):
        values = (random.random((9_000, 3)) * 100).astype(dtype)
        ds = xr.Dataset({"x": (("draw", "lab"), values)}, {"draw": np.arange(9_000)})
        (tmp_path / "data.nc").write_bytes(netcdf.image(ds, 1))
        with h5py.File(tmp_path / "data.nc") as file:
            np.testing.assert_array_equal(file["x"][()], values)
        for engine in ("h5netcdf", "netcdf4"):
            with xr.open_dataset(tmp_path / "data.nc", engine=engine) as plain:
                np.testing.assert_array_equal(plain["x"].values, values)
