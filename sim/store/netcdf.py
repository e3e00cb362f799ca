"""Reading and writing of Datasets as groups of netCDF-4 files.

This is several times as fast as xarray's own backends, which search the whole file for the dims of
each of some 400 variables: seconds, where the numbers take 0.1 s. The files follow netCDF-4, so
that any reader opens them.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from sim.common.threads import executor

DRAWS_PER_CHUNK = 8192
MOST_COMPRESSED = 1100  # times that deflate makes bytes fewer: 1,032 at most
MOST_UNWRITTEN = 1 << 28  # bytes of a variable that is NaN, of which nothing is written
SMALL = 2048  # bytes of a variable that are not worth compressing
_FILTERS = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
_TEXT, _REFERENCES = h5py.string_dtype(), h5py.vlen_dtype(h5py.ref_dtype)
_TEXT_TYPES, _REFERENCE_TYPES = (
    (h5py.h5t.py_create(dtype, logical=True), h5py.h5t.py_create(dtype))
    for dtype in (_TEXT, _REFERENCES)
)

# Attributes by which HDF5 and netCDF-4 store structure, which are none of the variable.
_STRUCTURAL = frozenset(
    {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS", "_NCProperties"}
    | {"_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"}
)


class _OnDisk(BackendArray):
    """Values of a variable, read from the file when they are used."""

    def __init__(self, data: h5py.Dataset) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER_1VECTOR
        return indexing.explicit_indexing_adapter(key, self.shape, support, self.data.__getitem__)


def dataset(group: h5py.Group) -> xr.Dataset:
    """Read a group as a Dataset; keep its file open meanwhile.

    Variables with the dim `draw` and others are read when they are used. Attributes are Python
    objects, texts have a fixed width, and there are no encodings: as before writing.
    """
    scales: dict[int, str] = {}  # address of a dimension scale -> dim
    for parent in (group.file, group):  # a group may use dims of the root
        scales |= {
            _address(item.id): name
            for name, item in parent.items()
            if isinstance(item, h5py.Dataset) and item.is_scale
        }
    variables = {}
    for name, item in group.items():
        if not isinstance(item, h5py.Dataset):
            continue
        attributes = dict(item.attrs)
        if b"not a netCDF variable" in attributes.get("NAME", b""):
            continue  # a dim without labels
        _check_size(item)
        references = attributes.get("DIMENSION_LIST")
        dims = (name,) * item.ndim
        if references is not None:
            scale_ids = (h5py.h5r.dereference(axis[0], group.file.id) for axis in references)
            dims = tuple(scales[_address(scale_id)] for scale_id in scale_ids)
        variables[name] = xr.Variable(dims, _values(item, dims), _decode_attributes(attributes))
    ds = xr.Dataset(variables, attrs=_decode_attributes(dict(group.attrs)))
    return xr.decode_cf(ds).drop_encoding()


def _check_size(item: h5py.Dataset) -> None:
    """Refuse a variable that claims to hold more than its bytes on disk can."""
    claimed, stored = item.size * item.dtype.itemsize, item.id.get_storage_size()
    if claimed > max(MOST_COMPRESSED * stored, MOST_UNWRITTEN):
        raise ValueError(f"{item.name} claims {claimed:,} bytes, and has {stored:,}")


def image(ds: xr.Dataset, threads: int | None = None, **groups: xr.Dataset) -> memoryview:
    """Bytes of a netCDF-4 file with a Dataset, and others in groups.

    They are made in memory, since the HDF5 library crashes the process where a disk is full. Draws
    are compressed in `threads` threads (None: all processors), each column by itself. NaN is stored
    as a value, with no `_FillValue`; chunks of NaN alone are not written, and read as NaN.
    """
    file = io.BytesIO()
    with (
        executor(threads) as pool,
        h5py.File(file, "w", track_order=True) as root,
    ):
        dims = _write(ds, root, 0, pool)
        for name, part in groups.items():
            dims = _write(part, root.create_group(name, track_order=True), dims, pool)
    return file.getbuffer()


def _write(ds: xr.Dataset, group: h5py.Group, dim_count: int, pool: Executor) -> int:
    """Write a Dataset to a group; return the file's number of dims.

    `dim_count` is that number before: netCDF-4 numbers dims throughout the file. Each dim is a
    dimension scale of HDF5, to which every variable refers. Chunks of draws are compressed in
    `pool` meanwhile.
    """
    decoded, attributes = xr.conventions.encode_dataset_coordinates(ds)
    variables = {name: _encode(variable, name) for name, variable in decoded.items()}
    # Compression takes most of the time, and releases the lock of the interpreter.
    compressed = {
        name: [(offset, pool.submit(_compress, chunk)) for offset, chunk in _chunks(variable)]
        for name, variable in variables.items()
        if "draw" in variable.dims
    }
    scales = {}
    for number, (dim, size) in enumerate(ds.sizes.items(), start=dim_count):
        if dim in variables:
            scale = _create(group, str(dim), variables[dim])
            scale.make_scale(str(dim))
            _write_chunks(scale, compressed.pop(dim, ()))
        else:
            scale = group.create_dataset(str(dim), (size,), ">f4")
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:10d}")
        scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        scales[dim] = scale
    references = {dim: np.array([scale.ref], h5py.ref_dtype) for dim, scale in scales.items()}
    for name, variable in variables.items():
        if name in scales:
            continue
        item = _create(group, str(name), variable)
        if variable.dims:
            dimension_list = np.empty(variable.ndim, _REFERENCES)
            dimension_list[:] = [references[dim] for dim in variable.dims]
            _write_attribute(item, "DIMENSION_LIST", dimension_list, _REFERENCE_TYPES)
        _write_chunks(item, compressed.pop(name, ()))
    _write_attributes(group, attributes)
    return dim_count + len(scales)


def _encode(variable: xr.Variable, name: Any) -> xr.Variable:
    """The variable as CF conventions have it: times as numbers; numbers are so already."""
    if variable.dtype.kind in "fiu":
        return variable
    variable.encoding = {"_FillValue": None}
    return xr.conventions.encode_cf_variable(variable, name=name)


def _create(group: h5py.Group, name: str, variable: xr.Variable) -> h5py.Dataset:
    """Create a variable with attributes, and values unless it has draws."""
    options: dict[str, Any] = {}
    if "draw" in variable.dims:
        options = {"shape": variable.shape, "dtype": variable.dtype, "chunks": _chunk(variable)}
        options |= _FILTERS
        if variable.dtype.kind == "f":
            options["fillvalue"] = np.nan
    else:
        values = np.asarray(variable.values)
        options = {"data": values}
        if values.nbytes > SMALL and values.dtype.kind in "fiu":
            options |= {"chunks": values.shape, **_FILTERS}
        if values.dtype.kind in "OU":
            options = {"data": values.astype(object), "dtype": h5py.string_dtype()}
    item = group.create_dataset(name, **options)
    _write_attributes(item, variable.attrs)
    return item


def _chunk(variable: xr.Variable) -> tuple[int, ...]:
    """Shape of the chunks that are compressed: draws of one column."""
    draws = min(variable.sizes["draw"], DRAWS_PER_CHUNK)
    return tuple(draws if dim == "draw" else 1 for dim in variable.dims)


def _chunks(variable: xr.Variable) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Offsets and draws [draw] of the chunks of a variable that are not NaN alone.

    An offset is the index of the first value by axis. All chunks have the same size: the last one
    of a column is padded with zeros.
    """
    values, axis = np.asarray(variable.values), variable.dims.index("draw")
    size = min(values.shape[axis], DRAWS_PER_CHUNK)
    columns = np.moveaxis(values, axis, -1)
    for column in np.ndindex(columns.shape[:-1]):
        for first in range(0, columns.shape[-1], size):
            draws = columns[column][first : first + size]
            if draws.dtype.kind == "f" and np.isnan(draws[0]) and np.isnan(draws).all():
                continue
            offset = (*column[:axis], first, *column[axis:])
            yield offset, draws if draws.size == size else np.pad(draws, (0, size - draws.size))


def _compress(draws: NDArray[Any]) -> bytes:
    """Compress a chunk so that HDF5's filters `shuffle` and `gzip` read it.

    Shuffled are the bytes: the first of all values, then the second, and so on. Each of these
    planes has a Huffman code of its own, which is where the gain lies: exponents are few, and the
    last bits of numbers are random. In floats to look for repetitions gains nothing but time.
    """
    strategy = zlib.Z_RLE if draws.dtype.kind == "f" else zlib.Z_DEFAULT_STRATEGY
    planes = np.ascontiguousarray(draws).view(np.uint8).reshape(-1, draws.itemsize).T
    code = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    parts = []
    for plane in planes:
        parts += [code.compress(plane.tobytes()), code.flush(zlib.Z_FULL_FLUSH)]
    return b"".join([*parts, code.flush()])


def _write_chunks(
    item: h5py.Dataset, compressed: Iterable[tuple[tuple[int, ...], Future[bytes]]]
) -> None:
    """Write compressed chunks at their offsets."""
    for offset, chunk in compressed:
        item.id.write_direct_chunk(offset, chunk.result())


def _write_attributes(item: h5py.Dataset | h5py.Group, attributes: Mapping[Any, Any]) -> None:
    """Write attributes as texts and one-dimensional arrays."""
    for name, value in attributes.items():
        if isinstance(value, str):
            _write_attribute(item, str(name), np.array(value, _TEXT), _TEXT_TYPES)
        else:
            values = np.atleast_1d(np.asarray(value))
            item.attrs[str(name)] = values.astype(object) if values.dtype.kind == "U" else values


def _write_attribute(
    item: h5py.Dataset | h5py.Group, name: str, value: NDArray[Any], types: tuple[Any, Any]
) -> None:
    """Write a new attribute, of types in the file and in memory.

    Takes half of the time of h5py's dictionary of attributes, which looks for an old one.
    """
    in_file, in_memory = types
    space = h5py.h5s.create_simple(value.shape)
    h5py.h5a.create(item.id, name.encode(), in_file, space).write(value, mtype=in_memory)


def _address(object_id: Any) -> int:
    """Address of an object in its file, which identifies it."""
    return int(h5py.h5o.get_info(object_id).addr)


def _values(item: h5py.Dataset, dims: tuple[str, ...]) -> Any:
    """Values of a variable; those of `draw` and other dims are lazy."""
    if h5py.check_string_dtype(item.dtype) is not None:
        return np.asarray(item.asstr()[()], dtype=str)
    if "draw" in dims and dims != ("draw",):
        return indexing.LazilyIndexedArray(_OnDisk(item))
    return item[()]


def _decode_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes as Python objects, without structural ones.

    Arrays of length one become scalars.
    """
    decoded = {}
    for name, value in attributes.items():
        if name not in _STRUCTURAL:
            values = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            decoded[name] = values[0] if isinstance(values, list) and len(values) == 1 else values
    return decoded
