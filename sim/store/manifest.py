"""The manifest of a run folder, against which its data are verified.

This module imports nothing that is slow.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sim.common.errors import Fault, InputError, Location
from sim.common.fingerprint import files_hash, source_hash

NAME = "manifest.json"
FORMAT = 1  # of a run folder; higher numbers are refused
_TYPES = {"scenario": str, "digest": str, "draws": int, "seed": int, "sampler": str}


def write(about: dict[str, Any], folder: Path, data: str) -> None:
    """Write the manifest of a folder with the file `data`.

    The format of the folder, fingerprints of the code, and size and SHA-256 of the data are added
    to `about`, so that the folder can be verified later.

    Raises:
        OSError: If it cannot be written.
    """
    with (folder / data).open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    size = (folder / data).stat().st_size
    verification = {
        "format": FORMAT,
        "source": source_hash(),
        "code": files_hash(),
        data: {"bytes": size, "sha256": checksum},
    }
    text = json.dumps(about | verification, indent=1, default=str) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Read `manifest.json` of a run folder.

    Raises:
        InputError: If it is missing, damaged, not the manifest of a run, or of a newer format.
    """
    path = folder / NAME
    try:
        about = json.loads(path.read_bytes())
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
    match about.get("run.nc"):
        case None | {"bytes": int(), "sha256": str()}:
            return about
    raise fault(path, "damaged: the checksum of run.nc is missing")


def _type_name(kind: type) -> str:
    """Name of a type for users."""
    return "text" if kind is str else "whole number"


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
