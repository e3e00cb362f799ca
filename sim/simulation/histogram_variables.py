"""Variables of a Dataset that hold the histograms of draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.histograms import Histograms
from sim.model.blocks import REPLICATES
from sim.model.catalogue import probability_dims
from sim.model.outputs import PROBABILITIES
from sim.model.record_layout import Variable
from sim.statistics.datasets import HAPPENS, VALID

Integers = NDArray[np.int64]

SUFFIXES = (
    "bin_edge", "bin_count", "replicate_bin_count", "replicate_end_sum", "replicate_special",
    "replicate_happens", "replicate_valid",
)  # fmt: skip


def variables(
    histograms: Histograms, kept: Sequence[Variable], others: Sequence[Variable] = ()
) -> dict[str, Any]:
    """Variables of a Dataset with histograms: name -> (dims, values, attributes).

    `kept` are those that the columns of the histograms belong to, in order; `others` are those of
    which there are counts of events alone. Each of `kept` has, with its own dims as `...` and its
    unit where values are meant:

    - `<name>_bin_edge` [..., edge]: bin k lies between edges k and k + 1; the first edge is the
      smallest value, the last one the largest,
    - `<name>_bin_count` [..., bin]: draws,
    - `<name>_replicate_bin_count` [replicate, ..., coarse_bin]: draws,
    - `<name>_replicate_end_sum` [replicate, ..., end]: sums of values over the outermost bins at
      either end, whose number is the attribute `bins`,
    - `<name>_replicate_special` [replicate, ..., special]: draws that are not finite.

    A probability has `<name>_replicate_happens` and `<name>_replicate_valid` [replicate, ...]:
    draws with its event, and valid draws.
    """
    edges = np.column_stack([histograms.lowest, histograms.edges, histograms.highest])
    data: dict[str, Any] = {}
    first = 0
    for variable in kept:
        columns = slice(first, first + variable.columns.size)
        first = columns.stop
        unit, meaning = variable.declaration.unit, variable.declaration.meaning
        replicate = ("replicate",)
        parts = (
            ("bin_edge", (), edges, "edge", unit, "ends of bins"),
            ("bin_count", (), histograms.counts, "bin", "1", "draws in each bin"),
            ("replicate_bin_count", replicate, histograms.coarse, "coarse_bin", "1",
             "draws by replicate"),
            ("replicate_end_sum", replicate, np.moveaxis(histograms.ends, 0, 1), "end", unit,
             "sum of the values at the ends"),
            ("replicate_special", replicate, histograms.special, "special", "1",
             "draws that are not finite"),
        )  # fmt: skip
        for suffix, lead, by_column, dim, units, content in parts:
            values = by_column[columns]  # [column, lead, dim]
            if lead:
                values = np.moveaxis(values, 1, 0)
            shape = (*values.shape[: len(lead)], *variable.columns.shape, values.shape[-1])
            attrs: dict[str, Any] = {"units": units, "long_name": f"{meaning}: {content}"}
            if dim == "end":
                attrs["bins"] = histograms.grid.at_ends
            dims = (*lead, *variable.dims, dim)
            data[f"{variable.name}_{suffix}"] = dims, values.reshape(shape), attrs
    shapes = {variable.name: variable.columns.shape for variable in (*kept, *others)}
    for name, chosen, shape in histograms.indicators.by_name(shapes):
        happens, valid = (
            counts[chosen].reshape(*shape, REPLICATES)
            for counts in (histograms.happens, histograms.valid)
        )
        data |= event_counts(name, happens, valid)
    return data


def event_counts(name: str, happens: Integers, valid: Integers) -> dict[str, Any]:
    """The variables `<name>_replicate_happens` and `<name>_replicate_valid` of a probability.

    `happens` and `valid` are [..., replicate].
    """
    dims = ("replicate", *probability_dims(name))
    data: dict[str, Any] = {}
    for suffix, counts, content in (
        (HAPPENS, happens, "draws in which it happens"),
        (VALID, valid, "draws that can tell"),
    ):
        attrs = {"units": "1", "long_name": f"{PROBABILITIES[name].meaning}: {content}"}
        data[name + suffix] = dims, np.ascontiguousarray(np.moveaxis(counts, -1, 0)), attrs
    return data
