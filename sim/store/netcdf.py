"""Datasets as groups of netCDF-4 files, several times as fast as by way of xarray's own backends.

Those look up the dims of each of some 400 variables by searching the whole file: seconds, where
the numbers take a tenth of one. Files are as netCDF-4 has them: any reader opens them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from sim.common.threads import executor

try:  # Intel's ISA-L: 2.3 times as fast for the same size (the extra `fast`)
    from isal import isal_zlib as deflate
except ImportError:
    import zlib as deflate  # type: ignore[no-redef]

DRAWS_PER_CHUNK = 8192
COMPRESSION = 1  # of gzip: other levels take several times as long for a few percent less


# What netCDF-4 and HDF5 say of a variable that is no attribute of it.
_HIDDEN = frozenset(
    {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS", "_NCProperties"}
    | {"_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"}
)


class _OnDisk(BackendArray):
    """Values that are read where they are used."""

    def __init__(self, data: h5py.Dataset) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.OUTER_1VECTOR
        return indexing.explicit_indexing_adapter(key, self.shape, support, self.data.__getitem__)


def dataset(group: h5py.Group) -> xr.Dataset:
    """A group as a Dataset; what has the dim `draw` is read where it is used, so keep it open.

    Attributes are as Python has them, texts are fixed in width, and there are no encodings: all as
    before the Dataset was written.
    """
    scales: dict[int, str] = {}
    for holder in (group.file, group):  # dims of a group may be those of the root
        scales |= {
            _address(item.id): name
            for name, item in holder.items()
            if isinstance(item, h5py.Dataset) and item.is_scale
        }
    variables = {}
    for name, item in group.items():
        if not isinstance(item, h5py.Dataset):
            continue
        attributes = dict(item.attrs)
        if b"not a netCDF variable" in attributes.get("NAME", b""):
            continue  # a dim without labels
        scaled = attributes.get("DIMENSION_LIST")
        dims = (name,) * item.ndim
        if scaled is not None:
            found = (h5py.h5r.dereference(of[0], group.file.id) for of in scaled)
            dims = tuple(scales[_address(one)] for one in found)
        variables[name] = xr.Variable(dims, _values(item, dims), _attributes(attributes))
    return xr.decode_cf(xr.Dataset(variables, attrs=_attributes(dict(group.attrs)))).drop_encoding()


def image(ds: xr.Dataset, threads: int | None = None, **groups: xr.Dataset) -> memoryview:
    """A netCDF-4 file of a Dataset, and of others in groups of that name.

    It is made in memory: the HDF5 library crashes the process where a disk is full. Draws are
    compressed, in this number of threads (None: all processors). NaN is a value, and no sign of
    missing ones.
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


def _write(ds: xr.Dataset, group: h5py.Group, dims_before: int, pool: Executor) -> int:
    """Write a Dataset to a group; so many dims are in the file before, and after comes back."""
    variables, attributes = xr.conventions.encode_dataset_coordinates(ds)
    for variable in variables.values():
        variable.encoding = {"_FillValue": None}
    variables, attributes = xr.conventions.cf_encoder(variables, attributes)
    # Compressing takes most of the time, and leaves Python free to write what is around it.
    packed = {
        name: [(place, pool.submit(_packed, piece)) for place, piece in _pieces(variable)]
        for name, variable in variables.items()
        if "draw" in variable.dims
    }
    scales = {}
    for number, (dim, size) in enumerate(ds.sizes.items(), start=dims_before):
        if dim in variables:
            scale = _created(group, str(dim), variables[dim])
            scale.make_scale(str(dim))
            _fill(scale, packed.pop(dim, ()))
        else:
            scale = group.create_dataset(str(dim), (size,), ">f4")
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:10d}")
        scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        scales[dim] = scale
    references = {dim: np.array([scale.ref], h5py.ref_dtype) for dim, scale in scales.items()}
    for name, variable in variables.items():
        if name in scales:
            continue
        made = _created(group, str(name), variable)
        if variable.dims:
            of = np.empty(variable.ndim, object)
            of[:] = [references[dim] for dim in variable.dims]
            made.attrs.create("DIMENSION_LIST", of, dtype=h5py.vlen_dtype(h5py.ref_dtype))
        _fill(made, packed.pop(name, ()))
    for name, said in attributes.items():
        group.attrs[str(name)] = _attribute(said)
    return dims_before + len(scales)


def _created(group: h5py.Group, name: str, variable: xr.Variable) -> h5py.Dataset:
    """A variable with its attributes; without its values where they are draws."""
    how: dict[str, Any] = {}
    if "draw" in variable.dims:
        how = {"shape": variable.shape, "dtype": variable.dtype, "chunks": _chunk(variable)}
        how |= {"compression": "gzip", "compression_opts": COMPRESSION, "shuffle": True}
    else:
        values = np.asarray(variable.values)
        how = {"data": values}
        if values.dtype.kind in "OU":
            how = {"data": values.astype(object), "dtype": h5py.string_dtype()}
    made = group.create_dataset(name, **how)
    for key, said in variable.attrs.items():
        made.attrs[str(key)] = _attribute(said)
    return made


def _chunk(variable: xr.Variable) -> tuple[int, ...]:
    """The shape of what is compressed at a time."""
    sizes = variable.sizes.items()
    return tuple(min(size, DRAWS_PER_CHUNK) if dim == "draw" else size for dim, size in sizes)


def _pieces(variable: xr.Variable) -> Iterable[tuple[tuple[int, ...], NDArray[Any]]]:
    """The chunks of a variable with the place of their first values, the last one filled up."""
    values, chunk = np.asarray(variable.values), _chunk(variable)
    axis = variable.dims.index("draw")
    for first in range(0, values.shape[axis], chunk[axis]):
        place = tuple(first if i == axis else 0 for i in range(values.ndim))
        piece = values[tuple(slice(at, at + n) for at, n in zip(place, chunk, strict=True))]
        missing = [(0, n - there) for n, there in zip(chunk, piece.shape, strict=True)]
        yield place, np.pad(piece, missing) if piece.shape != chunk else piece


def _packed(piece: NDArray[Any]) -> bytes:
    """A chunk as HDF5's filters `shuffle` and `gzip` make it: first bytes of values, second ones...

    By Intel's library, which takes less than half as long as zlib, for as much.
    """
    each = np.ascontiguousarray(piece).reshape(-1).view(np.uint8).reshape(-1, piece.itemsize)
    return deflate.compress(each.T.tobytes(), COMPRESSION)


def _fill(made: h5py.Dataset, packed: Iterable[tuple[tuple[int, ...], Future[bytes]]]) -> None:
    for place, compressed in packed:
        made.id.write_direct_chunk(place, compressed.result())


def _attribute(said: Any) -> Any:
    """An attribute as netCDF has them: a text, or a row of texts or numbers."""
    if isinstance(said, str):
        return said
    values = np.atleast_1d(np.asarray(said))
    return values.astype(object) if values.dtype.kind == "U" else values


def _address(found: Any) -> int:
    """What tells objects of a file from one another."""
    return int(h5py.h5o.get_info(found).addr)


def _values(item: h5py.Dataset, dims: tuple[str, ...]) -> Any:
    if h5py.check_string_dtype(item.dtype) is not None:
        return np.asarray(item.asstr()[()], dtype=str)
    if "draw" in dims and dims != ("draw",):
        return indexing.LazilyIndexedArray(_OnDisk(item))
    return item[()]


def _attributes(said: dict[str, Any]) -> dict[str, Any]:
    plain = {}
    for name, what in said.items():
        if name not in _HIDDEN:
            values = what.tolist() if isinstance(what, np.ndarray | np.generic) else what
            plain[name] = values[0] if isinstance(values, list) and len(values) == 1 else values
    return plain
