"""Arrays in a file are read as they were written, or refused without taking memory."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.store.arrays import read_arrays, save_arrays


def test_arrays_read_back_equal(tmp_path: Path) -> None:
    arrays = {
        "text": np.array("word"),
        "numbers": np.arange(12.0).reshape(3, 4),
        "by column": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "none": np.zeros((0, 3)),
    }
    save_arrays(tmp_path / "file.npz", arrays)
    stored = read_arrays(tmp_path / "file.npz")
    for name, array in arrays.items():
        np.testing.assert_array_equal(stored[name], array)
        assert stored[name].dtype == array.dtype
    assert list(read_arrays(tmp_path / "file.npz", ["text"])) == ["text"]
    with pytest.raises(ValueError, match="Object arrays"):  # which could not be read back
        save_arrays(tmp_path / "file.npz", {"objects": np.array([{}])})
    with pytest.raises(ValueError, match="damaged: KeyError: 'absent'"):
        read_arrays(tmp_path / "file.npz", ["absent"])


def npy(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """A header of an array, with 64 bytes of data."""
    header = io.BytesIO()
    entries: Any = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, entries)
    return header.getvalue() + bytes(64)


@pytest.mark.parametrize(
    "content", [npy((10**12,)), npy((10**9, 10**9)), npy((7,)), npy((8,), "|O")]
)
def test_header_that_claims_other_bytes_is_refused_at_no_cost(
    tmp_path: Path, content: bytes
) -> None:
    with zipfile.ZipFile(tmp_path / "file.npz", "w") as archive:
        archive.writestr("values.npy", content)
    tracemalloc.start()
    with pytest.raises(ValueError, match="damaged: ValueError"):
        read_arrays(tmp_path / "file.npz")
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    """They may be a thousand times as large as their file."""
    with zipfile.ZipFile(tmp_path / "file.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("values.npy", npy((8,)))
    with pytest.raises(ValueError, match="not as it was written"):
        read_arrays(tmp_path / "file.npz")


def test_every_flipped_bit_is_found_or_changes_no_array(tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    expected = np.arange(5.0)
    save_arrays(path, {"values": expected})
    content = path.read_bytes()
    refused = 0
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :])
        try:
            stored = read_arrays(path, ["values"])["values"]
        except (OSError, ValueError):  # the former where it is sought beyond the file
            refused += 1
        else:
            np.testing.assert_array_equal(stored, expected)
    assert refused > 60
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="damaged"):
            read_arrays(path)
