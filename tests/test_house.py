"""The house itself: its contracts, its README, its shipped files."""

from __future__ import annotations

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grimp
import pytest
from conftest import ROOT

import sim

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_imports_run_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as f; f()"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_no_import_runs_in_a_circle() -> None:
    """Of modules, imports within functions and of a package by its own modules included."""
    graph = grimp.build_graph("sim", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)
    assert names["everything"].sizes["draw"] == 1_000
    assert names["ds"]["sales"].sizes["draw"] == 100_000


def test_the_correlation_group_of_the_readme_is_one(params: Path) -> None:
    _, group = blocks("toml")
    over = params / "tied.toml"
    over.write_text(f'format = 1\nextends = "base.toml"\n\n{group}')
    assert [one.name for one in sim.load(over).correlations] == ["facility"]


def test_the_commands_of_the_readme_run(params: Path, tmp_path: Path) -> None:
    """All but the two that set the project up, which continuous integration runs."""
    overlay, _ = blocks("toml")
    assert (params / "scenarios" / "cheap-power.toml").read_text() == overlay
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len([c for c in commands if "pip install" in c]) == 2
    ran = 0
    for line in commands:
        if "pip install" in line or ("--cluster" in line and not find_spec("distributed")):
            continue
        line = line.replace(
            ".venv/bin/sim run", f"{sys.executable} -m sim run --draws 500 --no-figures"
        )
        line = line.replace(".venv/bin/sim", f"{sys.executable} -m sim")
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, (line, done.stderr)
        ran += 1
    assert ran >= 4
    assert (params / "labs" / "newlab.toml").exists()


def test_the_readme_names_only_what_is_there() -> None:
    for path in re.findall(r"`((?:sim|params|tests|\.github)/[\w./-]*)`", README):
        assert (ROOT / path).exists() or path.endswith("cheap-power.toml"), path
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).exists(), picture


def test_no_module_hides_a_public_function() -> None:
    """`import sim.x` would put the module in the place of a function `sim.x`."""
    functions = [name for name, home in sim._HOMES.items() if home != f"sim.{name}"]
    assert not [name for name in functions if (ROOT / "sim" / f"{name}.py").exists()]
