from __future__ import annotations

import numpy as np
import xarray as xr

import sim
from sim.statistics.summary import without_value_at_risk
from sim.statistics.tidy import COLUMNS, tidy_rows


def test_tidy_rows_hold_every_value_of_a_summary_once(summary: xr.Dataset) -> None:
    stored = without_value_at_risk(summary)
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in tidy_rows(stored)]
    values = [variable for name, variable in stored.data_vars.items() if f"{name}_error" in stored]
    assert len(rows) == sum(variable.size for variable in values)
    keys = [name for name in COLUMNS if name not in ("value", "error", "unit", "worst_share")]
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)


def test_tidy_rows_have_labels_statistic_error_and_unit(summary: xr.Dataset) -> None:
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in tidy_rows(summary)]
    labels = {"lab": "openai", "landlord": "", "regime": "", "layer": "", "quarter": "2027Q4"}
    selection = {"lab": "openai", "quarter": "2027Q4"}
    for output, statistic, variable, level in (
        ("gw", "mean", "gw_mean", {}),
        ("gw", "p95", "gw_quantile", {"quantile": 0.95}),
        ("gw", "cvar5", "gw_cvar", {"tail": 0.05}),
        ("p_gw_above", "P(> 10 GW)", "p_gw_above", {"threshold": 10}),
    ):
        identity = {"output": output, "statistic": statistic, **labels}
        (row,) = [row for row in rows if identity.items() <= row.items()]
        assert float(row["value"]) == float(summary[variable].sel({**selection, **level}))
        assert float(row["error"]) == float(
            summary[f"{variable}_error"].sel({**selection, **level})
        )
        assert row["unit"] == summary[variable].attrs["units"]
    finite = {"output": "payback_months", "statistic": "P(finite)", "lab": "openai"}
    (row,) = [row for row in rows if finite.items() <= row.items()]
    assert float(row["value"]) == float(summary.payback_months_finite.sel(lab="openai"))


def test_tidy_rows_of_a_point_are_those_of_its_summary() -> None:
    draws = np.random.default_rng(1).normal(size=(2, 2_048))
    points = [sim.summarise(xr.Dataset({"loss": ("draw", row)})) for row in draws]
    joined = xr.concat(points, "point", combine_attrs="override")
    for index, point in enumerate(points):
        assert list(tidy_rows(joined, (index,))) == list(tidy_rows(point))
