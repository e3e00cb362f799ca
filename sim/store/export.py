"""Export of the draws of a run as CSV, Parquet or Zarr."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.common.errors import Fault, InputError, Location
from sim.common.targets import replacing, target_fault
from sim.expressions import parse as expressions
from sim.expressions.names import without_table
from sim.expressions.parse import parse_value
from sim.expressions.tree import FACTOR, ExpressionError, Tree
from sim.model.catalogue import hint, quantities
from sim.model.dims import FACTORS
from sim.statistics.datasets import PRECISION
from sim.statistics.names import names_of
from sim.statistics.values import draw_value, names_needed

DRAWS_AT_ONCE = 8192  # a chunk of `run.nc`
DIMS = ("lab", "landlord", "regime", "layer", "quarter")
CSV_COLUMNS = ("column", "output", *DIMS, "unit", "meaning")


@dataclass(frozen=True, slots=True)
class Column:
    """Column of the wide table: an output at one set of labels."""

    name: str
    output: str
    unit: str
    meaning: str
    labels: dict[str, str] = field(default_factory=dict)  # by dim


def parse_outputs(texts: Sequence[str], faults: list[Fault]) -> dict[str, Tree | None]:
    """What is exported, by its text: None for all of a variable, else the tree of a value.

    Variables are outputs, inputs (`pue` or `hardware.pue`) and scores of factors; values are such
    as `gw[openai]@2027Q4 / 2`. Faults are added to `faults`.
    """
    known = {**quantities(), **dict.fromkeys(FACTOR + factor for factor in FACTORS)}
    parsed: dict[str, Tree | None] = {}
    for text in texts:
        name = without_table(text)
        if name in known:
            parsed[name] = None
        elif not set(text) & set("[@+-*/( "):
            message = f"no such output: '{text}'{hint(name, list(known))}"
            faults.append(Fault(Location("--output"), "", message))
        else:
            try:
                parsed[text] = parse_value(text, names=None)
            except ExpressionError as error:
                faults.append(Fault(Location("--output"), "", str(error)))
    return parsed


def variables_of(parsed: Mapping[str, Tree | None]) -> list[str]:
    """The variables of a Dataset that an export needs, each once."""
    whole = [name for name, tree in parsed.items() if tree is None]
    return list(dict.fromkeys([*whole, *names_needed(filter(None, parsed.values()))]))


def choose(ds: xr.Dataset, parsed: Mapping[str, Tree | None]) -> xr.Dataset:
    """The variables and values that are exported, each with draws, in the order asked for.

    Raises:
        InputError: For a lab or landlord that the run does not have.
    """
    chosen: dict[str, xr.Variable] = {}
    for text, tree in parsed.items():
        if tree is None:
            chosen[text] = ds.variables[text]
        else:
            try:
                tree = expressions.check(tree, names_of(ds, [tree]))
            except ExpressionError as error:
                raise InputError([Fault(Location("--output"), text, str(error))]) from None
            values = np.broadcast_to(draw_value(tree, ds).draws, ds.sizes["draw"])
            chosen[text] = xr.Variable("draw", values, {"long_name": text})
        if "draw" not in chosen[text].dims:  # an input that is the same in every draw
            same = chosen[text]
            values = np.broadcast_to(same.values, (ds.sizes["draw"], *same.shape))
            chosen[text] = xr.Variable(("draw", *same.dims), values, same.attrs)
    dims = {dim for variable in chosen.values() for dim in variable.dims}
    coords = {name: c for name, c in ds.coords.items() if set(c.dims) <= dims}
    attrs = dict(ds.attrs)
    if not any(PRECISION in variable.attrs for variable in chosen.values()):
        attrs.pop(PRECISION, None)
    return xr.Dataset(chosen, coords, attrs)


def columns(ds: xr.Dataset) -> list[Column]:
    """Columns of the wide table: `draw`, then `output[label,...]@quarter`."""
    number = Column("draw", "draw", "1", "Number of the draw")
    return [number, *itertools.chain.from_iterable(_columns_of(ds, name) for name in _names(ds))]


def _names(ds: xr.Dataset) -> list[str]:
    """Names of the variables with draws."""
    return [str(name) for name, variable in ds.data_vars.items() if "draw" in variable.dims]


def _columns_of(ds: xr.Dataset, name: str) -> Iterator[Column]:
    """Columns of one variable, in the order of its values."""
    variable = ds.variables[name]
    dims = [str(dim) for dim in variable.dims if dim != "draw"]
    for values in itertools.product(*(map(str, ds[dim].values) for dim in dims)):
        labels = dict(zip(dims, values, strict=True))
        inside = ",".join(label for dim, label in labels.items() if dim != "quarter")
        quarter = f"@{labels['quarter']}" if "quarter" in labels else ""
        unit, meaning = (str(variable.attrs.get(key, "")) for key in ("units", "long_name"))
        column = f"{name}[{inside}]{quarter}" if inside else f"{name}{quarter}"
        yield Column(column, name, unit, meaning, labels)


def _blocks(ds: xr.Dataset, size: int) -> Iterator[list[NDArray[Any]]]:
    """The values [draw] of all columns, in blocks of `size` draws."""
    for first in range(0, ds.sizes["draw"], size):
        part = slice(first, first + size)
        columns = [ds["draw"].values[part]]
        for name in _names(ds):
            values = ds.variables[name].isel(draw=part).transpose("draw", ...).values
            columns += list(values.reshape(len(values), -1).T)
        yield columns


def _write_csv(ds: xr.Dataset, summary: xr.Dataset, path: Path) -> None:
    """Write one row per draw, with all digits of the numbers."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in columns(ds)])
        for block in _blocks(ds, DRAWS_AT_ONCE):
            writer.writerows(zip(*(values.tolist() for values in block), strict=True))


def _write_units(ds: xr.Dataset, path: Path) -> None:
    """Write labels, units and meanings of the columns of a CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for column in columns(ds):
            labels = (column.labels.get(dim, "") for dim in DIMS)
            writer.writerow((column.name, column.output, *labels, column.unit, column.meaning))


def _write_parquet(ds: xr.Dataset, summary: xr.Dataset, path: Path) -> None:
    """Write one row per draw; units, meanings and attributes are metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    dtypes = [ds["draw"].dtype, *(ds.variables[c.output].dtype for c in columns(ds)[1:])]
    fields = [
        pa.field(
            c.name, pa.from_numpy_dtype(dtype), metadata={"unit": c.unit, "meaning": c.meaning}
        )
        for c, dtype in zip(columns(ds), dtypes, strict=True)
    ]
    attrs = {
        str(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in ds.attrs.items()
    }
    schema = pa.schema(fields, metadata=attrs)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for block in _blocks(ds, 4 * DRAWS_AT_ONCE):
            arrays = [pa.array(np.ascontiguousarray(values)) for values in block]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _write_zarr(ds: xr.Dataset, summary: xr.Dataset, path: Path) -> None:
    """Write the groups of `run.nc`: draws in the root, statistics in `summary`."""
    encoding = {}
    for name, variable in ds.variables.items():
        if "draw" in variable.dims:
            sizes = zip(variable.dims, variable.shape, strict=True)
            chunks = (min(n, DRAWS_AT_ONCE) if dim == "draw" else n for dim, n in sizes)
            encoding[name] = {"chunks": tuple(chunks)}
    # Zarr format 2: format 3 has no agreed way to store texts yet.
    ds.to_zarr(path, mode="w-", encoding=encoding, zarr_format=2)
    summary.to_zarr(path, group="summary", mode="a", zarr_format=2)


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its writer, and the optional library that it needs."""

    write: Callable[[xr.Dataset, xr.Dataset, Path], None]
    needs: str = ""


FORMATS = {
    "csv": Format(_write_csv),
    "parquet": Format(_write_parquet, "pyarrow"),
    "zarr": Format(_write_zarr, "zarr"),
}


def check(kind: str, target: Path, replace: bool, *, make_folder: bool = False) -> None:
    """Check that an export can be written, before the run is read.

    Args:
        kind: The format.
        target: The file to write.
        replace: Whether files that are there are replaced.
        make_folder: Whether the folder is made if it is missing.

    Raises:
        InputError: If a library is missing, or the target cannot be written or be replaced.
    """
    needed = FORMATS[kind].needs
    if needed:
        try:
            import_module(needed)
        except ImportError as error:
            message = f"{kind} needs {needed}: pip install {needed}"
            raise InputError([Fault(Location("--format"), "", message)]) from error
    faults = []
    for path in _targets(kind, target):
        if is_zarr(path):
            fault = "" if replace else f"{path}: is there already: --force replaces it"
        else:
            fault = target_fault(path, replace, make_folder=make_folder)
        faults += [Fault(Location("--to"), "", fault)] if fault else []
    if faults:
        raise InputError(faults)


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store, which an export may replace."""
    return any((path / name).is_file() for name in (".zgroup", "zarr.json"))


def _targets(kind: str, target: Path) -> list[Path]:
    """Files of an export; CSV has a second one with units."""
    return [target.with_name(f"{target.stem}.columns.csv"), target] if kind == "csv" else [target]


def write(ds: xr.Dataset, summary: xr.Dataset, kind: str, target: Path) -> list[Path]:
    """Write the draws of a run in a format; return the files.

    CSV and Parquet hold a wide table of the outputs with kept draws, one row per draw. Each file is
    written under a hidden name first, and then replaces an existing one.

    Raises:
        RunError: If it cannot be written.
    """
    paths = _targets(kind, target)
    with ExitStack() as stack:
        hidden = [stack.enter_context(replacing(path)) for path in paths]
        if kind == "csv":
            _write_units(ds, hidden[0])
        FORMATS[kind].write(ds, summary, hidden[-1])
    return paths
