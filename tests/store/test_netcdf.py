from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from run_folders import as_stored

from sim.store import run as store_run
from sim.store.run_files import write_netcdf


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_run_nc_opens_in_plain_xarray_without_this_package(
    small_run: store_run.Run, engine: str
) -> None:
    if engine == "netcdf4":
        pytest.importorskip("netCDF4", exc_type=ImportError)
    code = (
        "import sys; sys.modules['sim'] = None\n"
        "import xarray as xr\n"
        "ds = xr.open_dataset(sys.argv[1], engine=sys.argv[2])\n"
        "summary = xr.open_dataset(sys.argv[1], engine=sys.argv[2], group='summary')\n"
        "gw = ds.gw.sel(lab='openai', quarter='2027Q4')\n"
        "print(repr(float(gw.mean())), gw.units, summary.gw_quantile.sizes['quantile'])\n"
        "print(ds.time.dt.year.values[-1], ds.attrs['digest'], dict(ds.sizes)['draw'])\n"
    )
    arguments = [sys.executable, "-c", code, str(small_run.folder / "run.nc"), engine]
    out = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    gw = small_run.ds.gw.sel(lab="openai", quarter="2027Q4")
    assert float(out[0]) == pytest.approx(float(gw.mean()), rel=1e-6)  # of float32
    assert out[1:] == ["GW", "5", "2027", small_run.ds.attrs["digest"], str(len(gw))]


def test_written_dataset_and_summary_read_back_equal_in_xarray(
    ds: xr.Dataset, summary: xr.Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "run.nc"
    write_netcdf(ds, path, summary=summary)
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        xr.testing.assert_equal(
            opened.load().drop_vars("gross_margin"), as_stored(ds).drop_vars("gross_margin")
        )
        assert opened.gw.attrs["units"] == "GW"
        assert opened.attrs["draws"] == 4_000
    with xr.open_dataset(path, engine="h5netcdf", group="summary") as opened:
        xr.testing.assert_equal(opened.load(), summary)
