"""Private names of libraries are used in the modules listed here, and are there.

A name that a library does not publish may be gone with its next minor release, which is why
pyproject.toml bounds these libraries from above. Methods of objects that numba hands to an
intrinsic (`context.make_array`, `builder.load`) are not listed: numba documents them.
"""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
import pytest
from conftest import ROOT

# Library -> the modules that use its private names, and these.
PRIVATE: dict[str, dict[str, set[str]]] = {
    "numba": {
        "sim/kernels/numba_vectors/internals.py": {
            "numba.core.cgutils",
            "numba.core.options.DefaultOptions",
            "numba.core.typeconv.Conversion",
            "numba.np.arrayobj.populate_array",
        },
        "sim/kernels/numba_cache.py": {
            "numba.core.compiler.CompileResult",
            "numba.core.dispatcher.Dispatcher._cache",
            "numba.core.serialize.dumps",
        },
    },
    "llvmlite": {},  # `ir` and `binding` are public
    "scipy": {"sim/engine/sampling_plan.py": {"scipy.stats.qmc.Sobol._sv"}},
    "xarray": {
        "sim/store/netcdf.py": {
            "xarray.conventions.encode_cf_variable",
            "xarray.conventions.encode_dataset_coordinates",
            "xarray.core.indexing",
        },
    },
}
ALL_NAMES = set().union(*(names for modules in PRIVATE.values() for names in modules.values()))
# What is private of a library, as the beginning of a full name or an attribute of an object.
INTERNAL = {
    "numba": re.compile(r"numba\.(core|np|cpython|typed|misc)\b"),
    "llvmlite": re.compile(r"llvmlite\.(?!ir\b|binding\b|__version__)|llvmlite\.binding\.ffi\b"),
    "scipy": re.compile(r"scipy\.([\w.]+\.)?_\w+|_sv$"),
    "xarray": re.compile(r"xarray\.(core|conventions|coding|namedarray)\b|xarray\.([\w.]+\.)?_\w+"),
}
# Attributes of objects, which no import names.
ATTRIBUTES = {
    "_sv": "scipy.stats.qmc.Sobol._sv",
    "_cache": "numba.core.dispatcher.Dispatcher._cache",
}
MODULES = sorted((ROOT / "sim").rglob("*.py"))


def full_names(tree: ast.Module) -> set[str]:
    """Names that a module imports, or reads as attributes of what it imports, in full."""
    imported, attributes = set(), set()
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                imported.add(name.name)
                package = name.name.split(".")[0]
                aliases[name.asname or package] = name.name if name.asname else package
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                imported.add(f"{node.module}.{name.name}")
                aliases[name.asname or name.name] = f"{node.module}.{name.name}"
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    inner = {id(node.value) for node in nodes}
    for node in nodes:
        if node.attr in ATTRIBUTES:
            attributes.add(ATTRIBUTES[node.attr])
        if id(node) in inner:
            continue
        path, value = [node.attr], node.value
        while isinstance(value, ast.Attribute):
            path.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name) and value.id in aliases:
            attributes.add(".".join([aliases[value.id], *reversed(path)]))
    private = {name for name in imported if any(p.match(name) for p in INTERNAL.values())}
    of_private = {name for name in attributes if any(name.startswith(f"{p}.") for p in private)}
    return imported | attributes - of_private


def private_names(path: Path, library: str) -> set[str]:
    """The private names of a library that a module uses."""
    names = full_names(ast.parse(path.read_text(encoding="utf-8")))
    return {
        name for name in names if name.startswith(f"{library}.") and INTERNAL[library].match(name)
    }


@pytest.mark.parametrize("library", PRIVATE)
def test_private_names_are_used_in_the_modules_listed(library: str) -> None:
    used = {str(path.relative_to(ROOT)): private_names(path, library) for path in MODULES}
    assert {path: names for path, names in used.items() if names} == PRIVATE[library]


@pytest.mark.parametrize("name", sorted(ALL_NAMES))
def test_a_private_name_can_be_imported(name: str) -> None:
    parts = name.split(".")
    target: Any = import_module(parts[0])
    for i, part in enumerate(parts[1:], start=2):
        if part == "_sv":
            target = target(1, scramble=False)  # an attribute of objects
        elif part == "_cache":
            kind, target = target, numba.njit(full_names)
            assert isinstance(target, kind)
        elif not hasattr(target, part):
            import_module(".".join(parts[:i]))
        target = getattr(target, part)


@pytest.mark.parametrize(
    "code",
    [
        "import numba.core.cgutils",
        "from numba.core import types",
        "from numba import core",
        "import numba\nnumba.core.types",
        "from llvmlite.binding import ffi",
        "import xarray as xr\nxr.core.indexing",
        "from scipy.stats import _qmc",
        "sobol._sv",
        "dispatcher._cache = None",
    ],
)
def test_the_scan_finds_a_private_name(code: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(code)
    assert any(private_names(path, library) for library in PRIVATE)


@pytest.mark.parametrize("library", PRIVATE)
def test_libraries_with_private_names_are_bounded_by_the_next_minor_release(library: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (required,) = (line for line in project["dependencies"] if re.match(rf"{library}\W", line))
    pins = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8")
    major, minor = re.search(rf"^{library}==(\d+)\.(\d+)", pins, re.MULTILINE).groups()  # type: ignore[union-attr]
    assert required.endswith(f",<{major}.{int(minor) + 1}"), required
