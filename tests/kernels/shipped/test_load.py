"""Shipped kernels that are missing, damaged, of another source or LLVM: numba takes their place."""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from conftest import ROOT, Command
from kernel_bits import run

from sim.common.errors import InputError
from sim.common.fingerprint import kernels_hash
from sim.kernels import cache
from sim.kernels.shipped import build, entries, load
from sim.kernels.shipped.load import BITCODE, FOLDER, MANIFEST, NotUsableError


@pytest.fixture(scope="session")
def machine_code() -> bytes:
    """What is made of the shipped bitcode, once."""
    library = load.library()
    assert library is not None, load.numba_reason()
    cached = sorted(cache.cache_folder().glob("shipped-*.o"), key=lambda path: path.stat().st_mtime)
    return bytes(cache.read_file(cached[-1]) or b"")


@pytest.fixture
def folder(tmp_path: Path, machine_code: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is shipped, of which the machine code is at hand, and an empty cache."""
    shipped = load.read_bitcode(load.read_manifest())
    make = load.make_machine_code

    def make_once(bitcode: bytes, machine: Any) -> bytes:
        return machine_code if bitcode == shipped else make(bitcode, machine)

    monkeypatch.setattr(load, "make_machine_code", make_once)
    own = tmp_path / "cache"
    own.mkdir(mode=0o700)
    monkeypatch.setattr(load, "cache_folder", lambda: own)
    copied = tmp_path / "shipped"
    copied.mkdir()
    for name in (BITCODE, MANIFEST):
        shutil.copy(FOLDER / name, copied / name)
    return copied


def write_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))


def write_bitcode(folder: Path, content: bytes) -> None:
    """Bitcode that is whole, as its checksum says."""
    compressed = lzma.compress(content)
    (folder / BITCODE).write_bytes(compressed)
    write_manifest(folder, sha256=hashlib.sha256(compressed).hexdigest())


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no bitcode": (lambda f: (f / BITCODE).unlink(), "kernels.bc.xz cannot be read"),
    "no manifest": (lambda f: (f / MANIFEST).unlink(), "manifest.json cannot be read"),
    "cut bitcode": (
        lambda f: (f / BITCODE).write_bytes((f / BITCODE).read_bytes()[:-9]),
        "kernels.bc.xz is damaged",
    ),
    "a bit of bitcode": (lambda f: flip(f / BITCODE, 5000), "kernels.bc.xz is damaged"),
    "no JSON": (lambda f: (f / MANIFEST).write_text("{"), "manifest.json is damaged"),
    "no text": (lambda f: (f / MANIFEST).write_bytes(b"\xff"), "manifest.json is damaged"),
    "another JSON": (lambda f: (f / MANIFEST).write_text("[1]"), "manifest.json is damaged"),
    "no entries": (lambda f: write_manifest(f, entries=3), "manifest.json is damaged"),
    "other entries": (
        lambda f: write_manifest(f, entries={"run": {"arguments": [], "result": ""}}),
        "cannot read them",
    ),
    "another source": (lambda f: write_manifest(f, source="0"), "their source has changed"),
    "bitcode of another LLVM": (lambda f: write_bitcode(f, b"BC\xc0\xde" * 9), "cannot read them"),
    "no bitcode inside": (lambda f: write_bitcode(f, b""), "cannot read them"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_used_is_named_and_nothing_is_cached(folder: Path, fault: str) -> None:
    spoil, message = FAULTS[fault]
    spoil(folder)
    with pytest.raises(NotUsableError, match=message):
        load.load(folder)
    assert not any((folder.parent / "cache").iterdir())


def test_a_processor_without_a_target_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("No available targets are compatible with triple")

    monkeypatch.setattr(llvm.Target, "from_default_triple", fail)
    with pytest.raises(NotUsableError, match="no machine code for this processor: No available"):
        load.load(folder)


def test_machine_code_is_cached_and_damage_is_made_anew(folder: Path) -> None:
    load.load(folder)
    (cached,) = (folder.parent / "cache").iterdir()
    whole = cached.read_bytes()
    load.load(folder)
    assert cached.read_bytes() == whole
    for content in (b"", whole[:-1], whole[:40] + b"x" + whole[41:]):
        cached.write_bytes(content)
        cache._warn_once.cache_clear()
        with pytest.warns(RuntimeWarning, match="is damaged: what is so is compiled anew"):
            load.load(folder)
        assert cached.read_bytes() == whole


def test_two_releases_of_llvm_share_a_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load.load(folder)
    monkeypatch.setattr(llvm, "llvm_version_info", (99, 0, 0))
    load.load(folder)
    assert len([*(folder.parent / "cache").iterdir()]) == 2


def test_a_cache_that_cannot_be_written_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "cache_folder", lambda: folder.parent / "nowhere")
    cache._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="cannot be kept in"):
        assert load.load(folder).addresses


MACHINES = [
    ("aarch64-unknown-linux-gnu", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x01\x00\xb7\x00"),
    ("arm64-apple-darwin", b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01"),
    ("x86_64-apple-darwin", b"\xcf\xfa\xed\xfe\x07\x00\x00\x01"),
    ("x86_64-pc-windows-msvc", b"\x64\x86"),
]


@pytest.mark.parametrize(
    ("triple", "begin"),
    [MACHINES[0], *(pytest.param(*m, marks=pytest.mark.long) for m in MACHINES[1:])],
)
def test_other_processors_and_systems_take_the_same_file(triple: str, begin: bytes) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(opt=3, reloc="pic")
    code = load.make_machine_code(load.read_bitcode(load.read_manifest()), machine)
    assert code.startswith(begin)


def test_what_is_shipped_is_of_this_source_and_small() -> None:
    manifest = load.read_manifest()
    assert manifest["source"] == kernels_hash(), "run python -m sim.kernels.shipped build"
    assert (FOLDER / BITCODE).stat().st_size < 400_000
    assert set(manifest["entries"]) == set(entries.all_entries())


def test_kernels_are_shipped_by_the_oldest_libraries_that_the_package_allows() -> None:
    manifest = load.read_manifest()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in build.OLDEST.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, used = line.split("==")
        assert manifest[name] == used
        if name != "numpy":
            (allowed,) = (text for text in project["dependencies"] if text.startswith(name))
            assert f"{used}.".startswith(f"{allowed.split('>=')[1].split(',')[0]}.")


def test_an_argument_of_another_kind_is_refused() -> None:
    library = load.library()
    assert library is not None, load.numba_reason()
    draws = np.zeros((2, 64))
    by_block = entries.shipped_function(library, entries.sum_by_block)
    sums = np.zeros((2, 2))
    by_block(draws + 1.0, 0, np.zeros(2), sums)
    assert sums.tolist() == [[32.0, 32.0]] * 2
    for wrong in (draws.astype(np.float32), draws[0], draws[:, ::2], 1.0):
        with pytest.raises(TypeError, match=r"sum_by_block: expected <f8\[2\]C, integer.*; got "):
            by_block(wrong, 0, np.zeros(2), sums)
    with pytest.raises(TypeError, match="sum_by_block: expected"):
        by_block(draws, 0, np.zeros(2))


def test_numba_is_imported_by_no_run_sample_or_summary() -> None:
    code = """
import sys
import sim
base = sim.load("params/base.toml")
sim.summarise(sim.simulate(base, draws=9_000, kept_draws=8_192))
sim.sample({"x": {"family": "normal", "mean": 0, "sd": 1}}, draws=64)
print("numba" in sys.modules, "llvmlite" in sys.modules)
"""
    assert run(code) == ["False True"]


def test_the_environment_chooses_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, asked in (("", False), ("shipped", False), ("numba", True)):
        monkeypatch.setenv("SIM_KERNELS", value)
        assert load.asked_for_numba("SIM_KERNELS") is asked
    monkeypatch.setenv("SIM_KERNELS", "cuda\x1b")
    with pytest.raises(InputError, match="expected shipped or numba; got 'cuda"):
        load.asked_for_numba("SIM_KERNELS")


def test_an_unknown_choice_of_kernels_ends_a_command_with_2(command: Command) -> None:
    done = command(
        "run", str(ROOT / "params" / "base.toml"), "--draws", "64", SIM_KERNELS="fortran"
    )
    assert done.returncode == 2
    assert "SIM_KERNELS" in done.stderr
    assert "expected shipped or numba" in done.stderr
