"""Bitcode made anew from the source: the same bytes by the same versions, the same bits by others.

With the versions of `.ci/oldest.txt` the bytes are compared; CI does both.
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest
from kernel_bits import DRAWS, run

from sim.kernels.shipped import build
from sim.kernels.shipped.entries import all_entries
from sim.kernels.shipped.load import BITCODE, FOLDER, MANIFEST

pytestmark = [
    pytest.mark.long,  # numba compiles the kernels
    pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled"),
]


def test_bitcode_made_anew_is_what_is_shipped(tmp_path: Path) -> None:
    build.build(tmp_path)
    made, shipped = (json.loads((f / MANIFEST).read_text()) for f in (tmp_path, FOLDER))
    assert made["source"] == shipped["source"]
    assert made["entries"] == shipped["entries"]
    versions = {name: version(name) for name in ("numba", "llvmlite", "numpy")}
    assert {name: made[name] for name in versions} == versions
    if versions == {name: shipped[name] for name in versions}:
        assert (tmp_path / BITCODE).read_bytes() == (FOLDER / BITCODE).read_bytes()
        return
    patch = f"""
from pathlib import Path
from sim.kernels.shipped import load
load._found = load.load(Path({str(tmp_path)!r})), ""
"""
    assert run(patch + DRAWS) == run(DRAWS)


def test_numba_gives_the_bits_of_what_is_shipped() -> None:
    assert run(DRAWS, SIM_KERNELS="numba") == run(DRAWS)


def test_every_entry_has_example_arguments() -> None:
    assert set(build.example_arguments()) == set(all_entries())
