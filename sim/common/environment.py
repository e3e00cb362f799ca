"""Processor, library versions and commit: what results depend on."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path


@cache
def versions() -> dict[str, str]:
    """The processor, and versions of Python, this package and numeric libraries.

    Returns:
        `processor`, `python` or the name of a package -> its description or version.
    """
    names = ("token-economics-sim", "numpy", "scipy", "numba", "llvmlite", "xarray")
    return {
        "processor": processor(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


@cache
def commit() -> str:
    """The commit of this checkout; `+` marks local changes, "" no checkout."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # not inside another checkout
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
    except (OSError, subprocess.SubprocessError):
        return ""


@cache
def processor() -> str:
    """Model name and architecture of the processor of this machine."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({platform.machine()})"
    return platform.processor() or platform.machine()
