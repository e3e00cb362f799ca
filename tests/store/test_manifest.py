from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from run_folders import DRAWS

from sim.common.fingerprint import source_hash
from sim.store import manifest as manifests
from sim.store import run as store_run


def test_manifest_holds_version_of_the_model_and_checksums_of_all_files(
    small_run: store_run.Run,
) -> None:
    manifest = json.loads((small_run.folder / "manifest.json").read_text())
    assert manifest["source"] == source_hash()
    assert manifest["format"] == 3  # stored runs stay readable: a new number needs a way to read 3
    files = {path.name for path in small_run.folder.iterdir()} - {"manifest.json"}
    assert manifest["checksums"].keys() == files
    for name, entry in manifest["checksums"].items():
        content = (small_run.folder / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_source_hash_does_not_import_numba() -> None:
    code = "import sys, sim.common.fingerprint as s; print(s.source_hash(), 'numba' in sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == [source_hash(), "False"]


def test_commit_is_that_of_this_project(tmp_path: Path) -> None:
    """Not that of a checkout in which the package lies as an ignored file."""
    shutil.copytree(ROOT / "sim", tmp_path / "lib" / "sim")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / ".gitignore").write_text("lib\n")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", ".gitignore"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "theirs"], check=True)
    code = "import sim.common.environment as e; print(repr(e.commit()), e.__file__)"
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "lib", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert process.stdout.startswith("'' ")
    assert str(tmp_path) in process.stdout


@pytest.mark.parametrize(("change", "draws"), [(0, DRAWS), (-1, 0), (1, 0)])
def test_draws_are_stored_where_the_data_have_the_size_of_the_manifest(
    folder: Path, change: int, draws: int
) -> None:
    data = folder / "run.nc"
    content = data.read_bytes()
    data.write_bytes(content[:-1] if change < 0 else content + b"x" * change)
    assert manifests.stored_draws(folder) == draws
    data.unlink()
    assert manifests.stored_draws(folder) == 0
