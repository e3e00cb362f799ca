"""Histograms of draws as variables of a Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.engine.histograms import Histograms
from sim.model.catalogue import probability_dims
from sim.model.outputs import PROBABILITIES
from sim.model.record_layout import Variable

SUFFIXES = (
    "bin_edge", "bin_count", "replicate_bin_count", "replicate_end_sum", "replicate_special",
    "replicate_happens", "replicate_valid",
)  # fmt: skip


def variables(histograms: Histograms, drawn: Sequence[Variable]) -> dict[str, Any]:
    """A sketch as variables of a Dataset: name -> dims, values, attributes.

    `drawn` are the variables to which its columns belong, in their order. For each of them
    `<name>_bin_edge` (bin k lies between edges k and k + 1: the first edge is the smallest value,
    the last one the largest), `<name>_bin_count`, `<name>_replicate_bin_count`,
    `<name>_replicate_end_sum` (of as many bins as its attribute `bins` says) and
    `<name>_replicate_special`; of probabilities
    `<name>_replicate_happens` and `<name>_replicate_valid`.
    """
    edges = np.column_stack([histograms.lowest, histograms.edges, histograms.highest])
    made: dict[str, Any] = {}
    begin = 0
    for variable in drawn:
        part = slice(begin, begin + variable.columns.size)
        begin = part.stop
        unit, meaning = variable.declaration.unit, variable.declaration.meaning
        first = ("replicate",)
        by_column = (
            ("bin_edge", (), edges, "edge", unit, "ends of bins"),
            ("bin_count", (), histograms.counts, "bin", "1", "draws in each bin"),
            ("replicate_bin_count", first, histograms.coarse, "coarse_bin", "1",
             "draws by replicate"),
            ("replicate_end_sum", first, np.moveaxis(histograms.ends, 0, 1), "end", unit,
             "sum of the values at the ends"),
            ("replicate_special", first, histograms.special, "special", "1",
             "draws that are not finite"),
        )  # fmt: skip
        for suffix, lead, values, dim, units, what in by_column:
            of = values[part]
            if lead:
                of = np.moveaxis(of, 1, 0)
            shape = (*of.shape[: len(lead)], *variable.columns.shape, of.shape[-1])
            about: dict[str, Any] = {"units": units, "long_name": f"{meaning}: {what}"}
            if dim == "end":
                about["bins"] = histograms.grid.at_ends
            dims = (*lead, *variable.dims, dim)
            made[f"{variable.name}_{suffix}"] = dims, of.reshape(shape), about
    shapes = {variable.name: variable.columns.shape for variable in drawn}
    for name, chosen, shape in histograms.indicators.by_name(shapes):
        probability = PROBABILITIES[name]
        for suffix, counts, what in (
            ("happens", histograms.happens, "draws in which it happens"),
            ("valid", histograms.valid, "draws that can tell"),
        ):
            about = {"units": "1", "long_name": f"{probability.meaning}: {what}"}
            by_replicate = counts[chosen].T
            made[f"{name}_replicate_{suffix}"] = (
                ("replicate", *probability_dims(name)),
                by_replicate.reshape(len(by_replicate), *shape),
                about,
            )
    return made
