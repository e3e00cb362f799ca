"""`sim list`: stored runs and their damage."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import change_manifest
from stored_runs import Sim, StoredRun

from sim.cli import list as list_command


def test_list_fits_80_columns_and_names_damage(run_sim: Sim, stored: StoredRun) -> None:
    outputs = Path("outputs")
    big = shutil.copytree(stored.folder, outputs / f"a-scenario-of-a-very-long-name-{'0' * 12}")
    change_manifest(
        big, draws=10_000_000, seed=2**63, source="0", scenario="a-scenario-of-a-very-long-name"
    )
    shutil.copytree(stored.folder, outputs / f"bad-{'1' * 12}")
    (outputs / f"bad-{'1' * 12}" / "run.nc").unlink()
    code, out, errors = run_sim("list")
    assert (code, errors) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(
        rf" 1,100 +7  stratified  20\d\d-\d\d-\d\d \d\d:\d\d +\d\.\d MB\s+{stored.folder.name}\n",
        out,
    )
    for words in (
        "from another version of the model",
        "broken: run.nc: missing",
        "3 runs in outputs/, ",
    ):
        assert words in out
    rows = json.loads(run_sim("list", "--json")[1])
    assert {row["state"] for row in rows} == {"whole", "broken"}
    assert [row["draws"] for row in rows if row["run"] == big.name] == [10_000_000]


def test_list_of_an_empty_and_of_a_missing_folder(run_sim: Sim) -> None:
    Path("empty").mkdir()
    assert run_sim("list", "--out", "empty")[:2] == (0, "no runs in empty/, 0 B\n")
    code, out, errors = run_sim("list", "--out", "nowhere")
    assert (code, out) == (2, "")
    assert errors == "nowhere: no such folder: expected the folder in which runs are\n"


def test_list_imports_no_heavy_libraries(stored: StoredRun) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['sim', 'list', '--out', {str(stored.folder.parent)!r}]\n"
        "try:\n    runpy.run_module('sim', run_name='__main__')\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'matplotlib', 'xarray', 'scipy', 'h5py', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert stored.folder.name in out.stdout


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (1_000, "1.0 kB"), (9_949, "9.9 kB"),
        (9_950, "10 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (999_499_999, "999 MB"),
        (999_500_000, "1.0 GB"), (999_500_000_000, "1.0 TB"), (12_345_678_901_234, "12 TB"),
    ],
)  # fmt: skip
def test_sizes_have_two_or_three_digits_and_the_unit_that_they_are_rounded_to(
    number: int, text: str
) -> None:
    assert list_command._size(number) == text
