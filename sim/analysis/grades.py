"""On what sources a spread rests: shares by grade and by year."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sim.analysis.regression import jackknife_error
from sim.simulation.scores import CAUSES
from sim.statistics.datasets import json_attribute

SHARED, UNKNOWN = "shared", "no source"  # in place of the grade of a source


def add_grades(result: xr.Dataset, ds: xr.Dataset, names: Sequence[str]) -> None:
    """Add kind, grade and year of the source of each cause, and shares by grade and by year."""
    quantities = json_attribute(ds, "parameters", {}).get("quantities", {})
    sources = json_attribute(ds, "sources", {})
    grades, years, kinds = [], [], []
    for name in names:
        entry = quantities.get(name)
        is_input = entry is not None or (CAUSES in ds.attrs and name in ds.variables)
        kinds.append("input" if is_input else "shared")
        source = entry.get("source", "") if entry else ""
        grade = sources.get(source, {}).get("grade", source) if entry else ""
        grades.append(grade or (UNKNOWN if is_input else SHARED))
        date = entry.get("as_of") or sources.get(source, {}).get("date") if entry else None
        years.append(str(date or "")[:4] or ("undated" if is_input else SHARED))
    result.coords["kind"] = ("cause", kinds)
    result.coords["grade"] = ("cause", grades)
    result.coords["year"] = ("cause", years)
    for key, labels in (("grade", grades), ("year", years)):
        known = sorted(set(labels), key=lambda label: (label == SHARED, label))
        chosen = np.array([[label == of for label in labels] for of in known], float)
        shares = np.tensordot(chosen, result["share"].values, 1)
        without = np.einsum("kc,gct->gkt", chosen, result["share_without"].values)
        result.coords[f"by_{key}"] = known
        result[f"share_by_{key}"] = (
            (f"by_{key}", "target"),
            shares,
            {"long_name": "Share", "units": "1"},
        )
        result[f"share_by_{key}_error"] = ((f"by_{key}", "target"), jackknife_error(without))
