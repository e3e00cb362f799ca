"""Machine code of the shipped kernels, for the processor at hand.

llvmlite makes it of the bitcode in about two seconds, and the cache keeps it. Where that cannot be,
a warning says why, and numba compiles the kernels from their source.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import threading
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from sim.common.fingerprint import kernels_hash
from sim.kernels.cache import cache_folder, read_file, write_file

FOLDER = Path(__file__).parent
BITCODE, MANIFEST = "kernels.bc.xz", "manifest.json"
VARIABLE = "SIM_KERNELS"
_MOST_BYTES = 1 << 24  # of the bitcode
_lock = threading.Lock()
_found: tuple[Library | None, str] | None = None


class Library(NamedTuple):
    """The shipped functions in memory.

    `addresses` are by name, `descriptions` those of the arguments and of the result, "" for none.
    `tracker` keeps the code in memory.
    """

    addresses: dict[str, int]
    descriptions: dict[str, tuple[list[str], str]]
    tracker: Any


class NotUsableError(Exception):
    """Why the shipped kernels cannot be used."""


def library() -> Library | None:
    """The shipped functions; None where numba compiles them from source.

    That is so where the environment asks for it (`SIM_KERNELS=numba`), and where the bitcode is of
    another source, or cannot be used here; then a warning says why, once.
    """
    global _found
    with _lock:
        if _found is None:
            _found = _find()
        return _found[0]


def numba_reason() -> str:
    """Why numba compiles the kernels from source; "" where it does not."""
    library()
    assert _found is not None
    return _found[1]


def _find() -> tuple[Library | None, str]:
    """The shipped functions, or why there are none."""
    for variable in (VARIABLE, "NUMBA_DISABLE_JIT"):
        if asked_for_numba(variable):
            return None, f"{variable} is set"
    try:
        return load(), ""
    except NotUsableError as error:
        warnings.warn(
            f"the shipped kernels are not used: {error}; numba compiles them from source",
            RuntimeWarning,
            stacklevel=4,
        )
        return None, str(error)


def asked_for_numba(variable: str) -> bool:
    """Whether an environment variable asks for kernels that numba compiles or runs.

    Raises:
        InputError: If `SIM_KERNELS` is neither "shipped" nor "numba".
    """
    value = os.environ.get(variable, "")
    if variable != VARIABLE:
        return value not in ("", "0")
    if value in ("", "shipped", "numba"):
        return value == "numba"
    from sim.common.errors import Fault, InputError, Location
    from sim.common.text import shown

    message = f"expected shipped or numba; got {shown(value)}"
    raise InputError([Fault(Location(VARIABLE), "", message)])


def load(folder: Path = FOLDER) -> Library:
    """Load the shipped functions of a folder, from the cache where it has their machine code.

    Raises:
        NotUsableError: If they are of another source, damaged, or not for this llvmlite or machine.
    """
    manifest = read_manifest(folder)
    if manifest["source"] != kernels_hash():
        raise NotUsableError("their source has changed (python -m sim.kernels.shipped build)")
    machine = host_machine()
    import llvmlite.binding as llvm

    path = cache_folder() / f"shipped-{_key(llvm, machine, manifest)}.o"
    cached = read_file(path)
    try:
        if cached is None:
            code = make_machine_code(read_bitcode(manifest, folder), machine)
        else:
            code = bytes(cached)
        found = _link(code, machine, list(manifest["entries"]))
    except (RuntimeError, OSError, AttributeError) as error:
        version = ".".join(map(str, llvm.llvm_version_info))
        raise NotUsableError(f"LLVM {version} cannot read them: {error}") from None
    if cached is None:
        write_file(path, code)
    descriptions = {
        name: (entry["arguments"], entry["result"]) for name, entry in manifest["entries"].items()
    }
    return Library(found[0], descriptions, found[1])


def host_machine() -> Any:
    """The processor at hand, as llvmlite makes machine code for it.

    Raises:
        NotUsableError: If it cannot.
    """
    try:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=3,
            reloc="pic",
            codemodel="default",
        )
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise NotUsableError(f"no machine code for this processor: {error}") from None


def read_manifest(folder: Path = FOLDER) -> dict[str, Any]:
    """What is known of the bitcode of a folder.

    Raises:
        NotUsableError: If it is missing, cannot be read, or is not what was written.
    """
    content = _read(folder / MANIFEST)
    try:
        manifest: dict[str, Any] = json.loads(content)
        for entry in manifest["entries"].values():
            entry["arguments"], entry["result"]
        manifest["source"], manifest["sha256"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotUsableError(f"{MANIFEST} is damaged") from None
    return manifest


def read_bitcode(manifest: dict[str, Any], folder: Path = FOLDER) -> bytes:
    """The bitcode of a folder with this manifest.

    Raises:
        NotUsableError: If it is missing, cannot be read, or is not what was written.
    """
    compressed = _read(folder / BITCODE)
    if hashlib.sha256(compressed).hexdigest() != manifest["sha256"]:
        raise NotUsableError(f"{BITCODE} is damaged")
    return lzma.LZMADecompressor(memlimit=1 << 28).decompress(compressed, _MOST_BYTES)


def _read(path: Path) -> bytes:
    """A file that is shipped.

    Raises:
        NotUsableError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotUsableError(f"{path.name} cannot be read: {error.strerror}") from None


def make_machine_code(bitcode: bytes, machine: Any) -> bytes:
    """An object file for a machine of llvmlite's.

    Raises:
        RuntimeError: If this LLVM cannot read the bitcode.
    """
    import llvmlite.binding as llvm

    module = llvm.parse_bitcode(bitcode)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    # Loops are turned into vectors here, which have as many lanes as the processor likes.
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code


def _key(llvm: Any, machine: Any, manifest: dict[str, Any]) -> str:
    """The name of the machine code: what it depends on."""
    parts = (
        manifest["sha256"],
        Path(__file__).read_bytes(),  # how LLVM is asked
        llvm.llvm_version_info,
        machine.triple,
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _link(code: bytes, machine: Any, names: list[str]) -> tuple[dict[str, int], Any]:
    """Load an object file.

    Returns:
        The address of every function by name, and what keeps them in memory.
    """
    import llvmlite.binding as llvm

    compiler = llvm.create_lljit_compiler(machine)
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name in names:
        builder.export_symbol(name)
    tracker = builder.link(compiler, "kernels")
    return {name: tracker[name] for name in names}, (compiler, tracker)
