"""Compile the kernels to portable bitcode, as they are shipped.

numba compiles every entry for the plainest 64-bit processor; its LLVM modules become one, in which
only the entries have names. It allocates nothing, and asks nothing of the outside but what C
libraries have to copy and fill memory.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sim.common.atomic import atomic_file
from sim.common.fingerprint import kernels_hash
from sim.common.memory import aligned
from sim.kernels.shipped.entries import Entry, all_entries, describe_argument
from sim.kernels.shipped.load import BITCODE, FOLDER, MANIFEST
from sim.model.blocks import BLOCK, GROUP, REPLICATES, TILE
from sim.model.declarations import record
from sim.model.evaluation_records import EvaluationPlan, make_workspace
from sim.model.event_records import Events
from sim.model.histogram_bins import BINS, COARSE_BINS
from sim.model.histogram_records import CELLS, Grid, Tiles
from sim.model.inputs import Host
from sim.model.record_layout import as_record, layout_of
from sim.model.sampling_records import FACTOR, QUANTITY, Sampling, Scores
from sim.model.sampling_records import GROUP as GROUP_RECORD

# Of what numba writes: for the plainest processor, loops not yet vectors of its few lanes; and the
# order of Python's sets.
ENVIRONMENT = {
    "NUMBA_CPU_NAME": "x86-64",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_OPT": "3",
    "NUMBA_LOOP_VECTORIZE": "0",
    "PYTHONHASHSEED": "0",
    "SIM_KERNELS": "numba",
}
OLDEST = Path(__file__).parents[3] / ".ci" / "oldest.txt"  # of a checkout
PLAIN_FUNCTIONS = {"memcpy", "memset", "memmove"}  # of every C library, or an intrinsic
EXAMPLE = layout_of(2, 2)


def example_arguments() -> dict[str, tuple[Any, ...]]:
    """Name -> arguments of every entry, of the types that the engine gives it."""
    floats, integers = np.zeros(1), np.zeros(1, np.int64)
    rows, flags = np.zeros((1, 1)), np.zeros(1, np.bool_)
    own, values = aligned(BLOCK), aligned(BLOCK)
    words = np.zeros(BLOCK, np.uint64)
    scores = Scores(
        own, own.view(np.uint64), words, words, values, values.view(np.uint64), rows, rows
    )
    factors, groups, quantities = (np.zeros(1, kind) for kind in (FACTOR, GROUP_RECORD, QUANTITY))
    sampling = Sampling(
        np.uint64(0), 0, 1.0, factors, groups, quantities, rows, rows, floats, floats,
        words.reshape(1, -1),
    )  # fmt: skip
    plan = EvaluationPlan(
        sampling, False, False, np.zeros(1, np.uint64), 1, np.zeros(1, np.int8), False, False
    )
    hosts = np.zeros((EXAMPLE.labs, EXAMPLE.landlords), as_record(record(Host)))
    template = np.zeros(EXAMPLE.width)
    space = make_workspace(plan, 1, EXAMPLE, template, hosts, scores, GROUP)
    tiles = Tiles(flags, False, integers, False)
    grid = Grid(
        np.zeros((1, BINS - 1)),
        np.zeros((1, BINS), np.int16),
        np.zeros((1, CELLS + 1), np.int16),
        floats,
        floats,
        integers,
        0,
    )
    events = Events(integers, integers, integers, integers, floats, flags)
    counts = np.zeros((1, BINS), np.int32)
    coarse = np.zeros((1, REPLICATES, COARSE_BINS), np.int32)
    special = np.zeros((1, REPLICATES, 3), np.int64)
    by_replicate = np.zeros((1, REPLICATES), np.int64)
    return {
        "run_blocks": (plan, space, 0, 0, rows, 0, integers, rows, rows, plan.rules),
        "sample_tiles": (sampling, scores, 0, 0, rows),
        "fold_moments": (integers, rows, rows, integers, rows, rows),
        "fold_blocks": (floats, floats, floats, integers, rows),
        "take_finite": (floats, tiles, floats),
        "choose_edges": (floats, integers, floats),
        "lay_out": (rows, grid),
        "add_to_bins": (
            rows, tiles, grid, counts, coarse, special, floats, floats, special.astype(float),
            flags, np.zeros(TILE, np.uint32), floats,
        ),
        "find_nan": (rows, flags),
        "add_events": (
            rows, 0, tiles, flags, events, integers, by_replicate, by_replicate, integers, integers,
        ),
        "sum_by_block": (rows, 0, floats, rows),
        "add_up": (rows, 0, floats, integers, integers, floats, floats),
        "add_squared_deviations": (rows, floats, integers, integers, floats, floats, floats),
        "take_between": (floats, floats, floats, integers, floats, integers),
    }  # fmt: skip


def check_versions() -> None:
    """Check that the versions of libraries are those with which kernels are shipped.

    They are the oldest that the package allows: LLVM reads bitcode of earlier releases, and not of
    later ones.

    Raises:
        RuntimeError: If they are others.
    """
    lines = OLDEST.read_text(encoding="utf-8").splitlines()
    needed = {line for line in lines if line and not line.startswith("#")}
    found = {f"{name}=={version(name)}" for name in ("llvmlite", "numba", "numpy")}
    if found != needed:
        raise RuntimeError(
            f"expected {', '.join(sorted(needed))}; found {', '.join(sorted(found))}."
            f" In an environment of its own: pip install -e . -c {OLDEST.parent.name}/{OLDEST.name}"
        )


def build(folder: Path = FOLDER) -> None:
    """Write bitcode and manifest to a folder, in a process with the environment for it."""
    command = [sys.executable, "-m", "sim.kernels.shipped", "write", str(folder)]
    with tempfile.TemporaryDirectory() as empty:  # numba shows no module of cached code
        environment = {**os.environ, **ENVIRONMENT, "NUMBA_CACHE_DIR": empty}
        subprocess.run(command, env=environment, check=True)


def write(folder: Path) -> None:
    """Write bitcode and manifest to a folder, in this process."""
    arguments = example_arguments()
    entries = all_entries()
    if set(arguments) != set(entries):
        raise ValueError(f"example_arguments: expected those of {sorted(entries)}")
    bitcode, results = compile_entries(entries, arguments)
    compressed = lzma.compress(bitcode, preset=9 | lzma.PRESET_EXTREME)
    import llvmlite
    import numba

    manifest = {
        "source": kernels_hash(),
        "sha256": hashlib.sha256(compressed).hexdigest(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": np.__version__,
        "entries": {
            name: {
                "arguments": [text for part in arguments[name] for text in _leaves(part)],
                "result": results[name],
            }
            for name in entries
        },
    }
    text = json.dumps(manifest, indent=1) + "\n"
    for name, content in ((BITCODE, compressed), (MANIFEST, text.encode())):
        with atomic_file(folder / name) as path:
            path.write_bytes(content)


def _leaves(value: Any) -> Iterator[str]:
    """The descriptions of an argument's numbers, one for each that is no tuple."""
    if isinstance(value, tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield describe_argument(value)


def compile_entries(
    entries: dict[str, Entry], arguments: dict[str, tuple[Any, ...]]
) -> tuple[bytes, dict[str, str]]:
    """Compile entries to one module of bitcode.

    Returns:
        The bitcode, and by name whether a function returns an integer, a float or nothing ("").

    Raises:
        RuntimeError: If something beyond `PLAIN_FUNCTIONS` is asked of the outside.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    whole, results = None, {}
    for name in entries:
        module, results[name] = _compile_entry(entries[name], arguments[name])
        if whole is None:
            whole = module
        else:
            whole.link_in(module)
    assert whole is not None
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, tuning)
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_merge_functions_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(whole, builder)
    asked = {
        function.name
        for function in whole.functions
        if function.is_declaration and not function.name.startswith("llvm.")
    }
    if asked - PLAIN_FUNCTIONS:
        raise RuntimeError(f"the kernels call {', '.join(sorted(asked - PLAIN_FUNCTIONS))}")
    _name_by_number(whole, set(entries))
    whole.verify()
    bitcode: bytes = whole.as_bitcode()
    return bitcode, results


def _compile_entry(entry: Entry, arguments: tuple[Any, ...]) -> tuple[Any, str]:
    """The module of one entry, which takes a block of numbers; and what it returns."""
    import llvmlite.binding as llvm
    import numba

    dispatcher: Any = entry.source()
    types = tuple(numba.typeof(argument) for argument in arguments)
    dispatcher.compile(types)
    module = llvm.parse_assembly(dispatcher.inspect_llvm(types))
    own = f"{dispatcher.py_func.__name__}B"
    compiled = [
        function
        for function in module.functions
        if not function.is_declaration
        and own in function.name
        and not re.search("cpython|cfunc", function.name)
        and function.linkage.name == "external"
    ]
    if len(compiled) != 1:
        raise RuntimeError(f"{entry.name}: expected one function, got {[f.name for f in compiled]}")
    kinds = [str(argument.type) for argument in compiled[0].arguments]
    returned = str(dispatcher.overloads[types].signature.return_type)
    result_kind = {"none": "", "int64": "integer", "float64": "float"}[returned]
    numbers = [slot for kind in types for slot in _slots(kind)]
    if len(kinds) != len(numbers) + 2:
        raise RuntimeError(f"{entry.name}: {len(kinds)} values for {len(numbers)} numbers")
    wrapper = _wrapper(entry.name, compiled[0].name, kinds[2:], numbers)
    for function in module.functions:
        if not function.is_declaration and function.name != compiled[0].name:
            function.linkage = "internal"
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    module.link_in(llvm.parse_assembly(wrapper))
    module.get_function(compiled[0].name).linkage = "internal"
    return module, result_kind


def _slots(kind: Any) -> Iterator[bool]:
    """Whether each of the values that numba makes of an argument is in the block.

    Those that keep an array's owner alive are not.
    """
    from numba import types

    if isinstance(kind, types.BaseTuple):
        for part in kind:
            yield from _slots(part)
    elif isinstance(kind, types.Array):
        yield from (False, False, *[True] * (3 + 2 * kind.ndim))
    else:
        yield True


def _wrapper(name: str, compiled: str, kinds: list[str], numbers: list[bool]) -> str:
    """A module with the function `name`, which calls another with the numbers of a block.

    `kinds` are the types of its values, `numbers` whether each is in the block.
    """
    lines, values, place = [], [], 1  # the first number is the result
    for i, (kind, in_block) in enumerate(zip(kinds, numbers, strict=True)):
        if not in_block:
            values.append(f"{kind} null")
            continue
        lines.append(f"%p{i} = getelementptr i64, ptr %block, i64 {place}")
        if kind in ("i1", "i8", "i32"):
            lines.append(f"%n{i} = load i64, ptr %p{i}")
            lines.append(f"%v{i} = trunc i64 %n{i} to {kind}")
        else:
            lines.append(f"%v{i} = load {kind}, ptr %p{i}")
        values.append(f"{kind} %v{i}")
        place += 1
    all_kinds, all_values = ", ".join(["ptr", "ptr", *kinds]), ", ".join(values)
    body = "\n  ".join(lines)
    return (
        f"declare i32 @{_quoted(compiled)}({all_kinds})\n"
        f"define i32 @{name}(ptr %block) {{\n  %error = alloca ptr\n  {body}\n"
        f"  %status = call i32 @{_quoted(compiled)}(ptr %block, ptr %error, {all_values})\n"
        "  ret i32 %status\n}\n"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _name_by_number(module: Any, kept: set[str]) -> None:
    """Name functions and variables by number, whatever numba calls them."""
    own = [function for function in module.functions if not function.is_declaration]
    for i, function in enumerate(f for f in own if f.name not in kept):
        function.name = f"f{i}"
    for i, variable in enumerate(module.global_variables):
        variable.name = f"v{i}"
