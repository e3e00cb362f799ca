"""The manifest of a run folder, which binds every file of the run.

It says of which scenario, digest and seed they are, and holds size and SHA-256 of each; its last
line is the checksum of the manifest itself. This module imports nothing that is slow.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from sim.common.atomic import atomic_file
from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import files_hash, source_hash
from sim.common.regular_files import open_regular, read_regular

NAME = "manifest.json"
DATA, SWEPT = "run.nc", "sweep.nc"  # of a run, of a sweep
FIGURES = "figures"
STATE = "state.npz"  # of a run and of its checkpoint
TABLES = "tables.json"  # what is printed of a run
FORMAT = 3  # of a run folder; higher numbers are refused
FILES = frozenset(
    {DATA, NAME, "summary.csv", "parameters.toml", FIGURES, STATE, TABLES, SWEPT, "sweep.csv"}
)
MOST_BYTES = 1 << 25  # of a manifest; usual ones have 0.1 MB
_TYPES = {"scenario": str, "digest": str, "draws": int, "seed": int, "sampler": str}
_CHECKSUM = ',\n "sha256": "{}"\n}}\n'  # the last entry
_CHECKSUM_LENGTH = len(_CHECKSUM.format("0" * 64))


def write(about: dict[str, Any], folder: Path) -> None:
    """Write the manifest of a folder, which binds all files of the run that are there.

    The format of the folder and fingerprints of the code are added to `about`.

    Raises:
        OSError: If it cannot be written.
    """
    files = {name: describe(folder / name) for name in files_of(folder)}
    version = {"format": FORMAT, "source": source_hash(), "code": files_hash()}
    save(about | version | {"checksums": files}, folder)


def bind_figures(about: dict[str, Any], folder: Path) -> None:
    """Write the manifest of a folder again, with the figures that are there now.

    Raises:
        OSError: If it cannot be written.
    """
    files = {name: entry for name, entry in about["checksums"].items() if not is_figure(name)}
    files |= {name: describe(folder / name) for name in files_of(folder) if is_figure(name)}
    save(about | {"checksums": files}, folder)


def save(about: dict[str, Any], folder: Path) -> None:
    """Write a manifest with its own checksum at the end.

    Raises:
        OSError: If it cannot be written.
    """
    entries = {key: value for key, value in about.items() if key != "sha256"}
    body = json.dumps(entries, indent=1, default=str).removesuffix("\n}")
    checksum = hashlib.sha256(body.encode()).hexdigest()
    with atomic_file(folder / NAME) as temporary:
        temporary.write_text(body + _CHECKSUM.format(checksum), encoding="utf-8", newline="\n")


def describe(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a regular file, as manifests hold them.

    Raises:
        OSError: If it cannot be read.
    """
    with open_regular(path) as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": checksum}


def files_of(folder: Path) -> Iterator[str]:
    """Names of the files of a run, and of its figures as "figures/NAME".

    The manifest and files that others put into the folder are not among them.
    """
    for path in sorted(folder.iterdir()):
        if path.name == FIGURES and path.is_dir():
            yield from (f"{FIGURES}/{figure.name}" for figure in sorted(path.iterdir()))
        elif path.name in FILES - {NAME}:
            yield path.name


def is_figure(name: str) -> bool:
    """Whether the name of a file is that of a figure."""
    return name.startswith(f"{FIGURES}/")


def read(folder: Path) -> dict[str, Any]:
    """Read `manifest.json` of a run folder; `checksums` are there in every format.

    Raises:
        InputError: If it is missing, damaged, not the manifest of a run, or of a newer format.
    """
    path = folder / NAME
    try:
        content = read_regular(path, MOST_BYTES)
        about = json.loads(content)
    except FileNotFoundError as error:
        raise fault(path, "missing: the run is not whole") from error
    except OSError as error:
        raise fault(path, f"cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise fault(path, f"damaged: {error.msg}", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise fault(path, f"damaged: {type(error).__name__}") from error
    if not isinstance(about, dict):
        raise fault(path, "not the manifest of a run")
    for key, kind in _TYPES.items():
        if not isinstance(about.get(key), kind):
            raise fault(
                path, f"not the manifest of a run: {key} is missing or no {_type_name(kind)}"
            )
    number = about.get("format", FORMAT)
    if not isinstance(number, int) or number > FORMAT:
        message = f"format {number} is newer than this version of sim reads ({FORMAT})"
        raise fault(path, message)
    if number == 1:  # which bound the data alone
        about["checksums"] = {name: about[name] for name in (DATA, SWEPT) if about.get(name)}
    elif not _is_as_written(content):
        raise fault(path, "damaged, or changed since it was written: it has another checksum")
    for name, entry in _dictionary(about.get("checksums")).items():
        match entry:
            case {"bytes": int(), "sha256": str()}:
                continue
        raise fault(path, f"damaged: the checksum of {name} is missing")
    if not {DATA, SWEPT} & _dictionary(about.get("checksums")).keys():
        raise fault(path, f"damaged: the checksum of {DATA} is missing")
    return about


def _is_as_written(content: bytes) -> bool:
    """Whether the bytes of a manifest end in the checksum of the others."""
    body, end = content[:-_CHECKSUM_LENGTH], content[-_CHECKSUM_LENGTH:]
    return end == _CHECKSUM.format(hashlib.sha256(body).hexdigest()).encode()


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _type_name(kind: type) -> str:
    """Name of a type for users."""
    return "text" if kind is str else "whole number"


def stored_draws(folder: Path) -> int:
    """Number of draws of a stored run, by its manifest and the size of its data; 0 without one."""
    try:
        about = read(folder)
        complete = about["checksums"][DATA]["bytes"] == (folder / DATA).stat().st_size
        return int(about["draws"]) if complete else 0
    except (OSError, InputError, KeyError):
        return 0


def damage(folder: Path, about: dict[str, Any], leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    """Files of a run that are not those of its manifest, each with the reason.

    Files in `leave_out` are not read.
    """
    recorded = {name: entry for name, entry in about["checksums"].items() if name not in leave_out}
    reasons = {name: damage_of(folder / name, entry) for name, entry in recorded.items()}
    for name in files_of(folder):
        if name not in about["checksums"]:
            reasons[name] = f"{NAME} does not have it"
    return {name: reason for name, reason in reasons.items() if reason}


def damage_of(path: Path, recorded: dict[str, Any] | None) -> str:
    """Message if a file is missing or differs from its manifest entry, or ""."""
    try:
        with open_regular(path) as file:
            return damage_of_open(file, recorded)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def damage_of_open(file: BufferedReader, recorded: dict[str, Any] | None) -> str:
    """Message if an open file differs from its manifest entry, or ""."""
    if recorded is None:
        return f"{NAME} has no checksum of it"
    size = os.fstat(file.fileno()).st_size
    if size != recorded["bytes"]:
        what = "truncated" if size < recorded["bytes"] else "damaged"
        return f"{what}: it has {size:,} bytes, and was written with {recorded['bytes']:,}"
    if hashlib.file_digest(file, "sha256").hexdigest() != recorded["sha256"]:
        return f"damaged, or changed since it was written: {NAME} has another checksum"
    return ""


def other_version(manifest: dict[str, Any]) -> str:
    """Note on a run of another model version, or ""."""
    if manifest.get("source") == source_hash():
        return ""
    versions = manifest.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    names = [name for name in ("token-economics-sim", "numba") if name in versions]
    details = [f"{name} {versions[name]}" for name in names]
    if commit := str(manifest.get("commit") or ""):
        details.append(f"commit {commit[:12]}{'+' if commit.endswith('+') else ''}")
    suffix = f" ({', '.join(details)})" if details else ""
    return f"made by another version of the model{suffix}: not to be mixed with runs of this one"


def fault(path: Path, message: str, line: int = 0) -> InputError:
    """Error about a file of a run."""
    return InputError([Fault(Location(str(path), line), "", message)])
