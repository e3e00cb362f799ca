"""The cache of machine code knows what it was compiled from, and reads nothing that is damaged."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from conftest import ROOT, Command, runs_in
from faults_at_calls import DONE, FAULTS, INTERRUPTED, NOT_REACHED, run_with_fault

from sim.kernels import cache, numba_cache

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled"
)
CODE = """
import numpy as np
from sim.kernels.cache import cache_folder
from sim.kernels.sampling.samplers import fill_random
compiled = any(cache_folder().rglob("*.nbc"))
u = np.empty(32)
fill_random(np.uint64(1), np.uint64(2), 0, u, u.view(np.uint64), np.empty(32, np.uint64))
print(compiled, repr(float(u[0])))
"""
BASE = str(ROOT / "params" / "base.toml")


def result(folder: Path) -> tuple[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    compiled, value = done.stdout.split()
    return compiled, float(value)


def test_an_edited_formula_gives_new_numbers_in_the_next_process(tmp_path: Path) -> None:
    """Also where the edit is in another file than the function that is called."""
    shutil.copytree(ROOT / "sim", tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    compiled, before = result(tmp_path)
    assert compiled == "False"
    assert result(tmp_path) == ("True", before)
    formula = tmp_path / "sim" / "kernels" / "sampling" / "philox.py"
    text = formula.read_text()
    assert text.count("(w0 << _SHIFT) | w1") == 1
    formula.write_text(text.replace("(w0 << _SHIFT) | w1", "(w1 << _SHIFT) | w0"))
    compiled, after = result(tmp_path)
    assert compiled == "False"
    assert after != before


def scaled(x: float) -> float:
    return 3.0 * x + 0.1


def squared(x: float) -> float:
    return x * x - 0.1


FUNCTIONS = (scaled, squared)
ARGUMENTS: tuple[Any, ...] = (0.7, 3, np.float32(0.3))  # of three types: three entries each
Values = list[tuple[float, ...]]


def call_all(folder: Path) -> tuple[Values, int]:
    """Values of all functions and arguments as a new process computes them, and cache misses."""
    values, misses = [], 0
    for function in FUNCTIONS:
        dispatcher: Any = numba.njit(function)
        dispatcher._cache = numba_cache._Entries(function, folder)
        values.append(tuple(float(dispatcher(argument)) for argument in ARGUMENTS))
        misses += sum(dispatcher.stats.cache_misses.values())
    return values, misses


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[list[Path]]:
    """The files of a cache of small functions."""
    cache._warn_once.cache_clear()
    folder = tmp_path / "kernels-0"
    folder.mkdir()
    call_all(folder)
    yield sorted(folder.iterdir())
    cache._warn_once.cache_clear()


def damage(kind: str, path: Path, other: Path, random_: random.Random) -> None:
    """Damage a file of the cache."""
    data = bytearray(path.read_bytes())
    if kind == "flip":
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    elif kind == "cut":
        del data[random_.randrange(len(data)) :]
    elif kind == "longer":
        data += random_.randbytes(random_.randrange(1, 100))
    elif kind == "swap":
        first, second = path.read_bytes(), other.read_bytes()
        other.write_bytes(first)
        data = bytearray(second)
    path.write_bytes(data)


KINDS = ("flip", "flip", "flip", "cut", "swap", "longer")


def test_every_type_of_argument_has_an_entry_of_its_own(entries: list[Path]) -> None:
    assert len(entries) == len(FUNCTIONS) * len(ARGUMENTS)
    assert call_all(entries[0].parent)[1] == 0  # a second process compiles nothing


@pytest.mark.parametrize("kind", sorted(set(KINDS)))
def test_a_damaged_entry_is_compiled_anew_and_told_once(entries: list[Path], kind: str) -> None:
    folder = entries[0].parent
    expected = call_all(folder)[0]
    whole = [path.read_bytes() for path in entries]
    damage(kind, entries[0], entries[-1], random.Random(1))
    assert [path.read_bytes() for path in entries] != whole
    with pytest.warns(RuntimeWarning, match="damaged: what is so is compiled anew") as told:
        values, misses = call_all(folder)
    assert (values, misses, len(told)) == (expected, 2 if kind == "swap" else 1, 1)
    assert call_all(folder) == (expected, 0)


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_at_any_call_in_the_cache_leaves_whole_files_and_changes_no_bit(
    tmp_path: Path, fault: str
) -> None:
    """A run goes on without the cache; one that is killed or interrupted leaves nothing broken."""
    (tmp_path / "undisturbed").mkdir()
    expected, _ = call_all(tmp_path / "undisturbed")
    computed = tmp_path / "computed"

    def fill_cache() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            computed.write_text(repr(call_all(folder)[0]))

    for number in itertools.count(1):
        folder = tmp_path / f"kernels-{number}"
        folder.mkdir()
        cache._warn_once.cache_clear()
        code, text = run_with_fault(fill_cache, folder, number, fault)
        if code == NOT_REACHED:
            break
        allowed = {"kill": -signal.SIGKILL, "interrupt": INTERRUPTED}.get(fault, DONE)
        assert code == allowed, f"{fault} at call {number}: {text}"
        if code == DONE:
            assert computed.read_text() == repr(expected)
        for path in folder.glob("*.nbc"):
            assert cache.read_file(path) is not None
        if fault != "kill":  # of which the next process removes what is older than ten minutes
            assert not list(folder.glob(f"*{cache._UNFINISHED}"))
        assert call_all(folder)[0] == expected
    assert number > len(FUNCTIONS) * len(ARGUMENTS)


@pytest.mark.long
def test_500_damages_of_the_cache_change_no_bit(entries: list[Path]) -> None:
    folder, random_ = entries[0].parent, random.Random(7)
    expected = call_all(folder)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for trial in range(500):
            path, other = random_.sample(entries, 2)
            damage(random_.choice(KINDS), path, other, random_)
            values, misses = call_all(folder)
            assert (trial, values) == (trial, expected)
            assert misses in (1, 2)


@pytest.mark.usefixtures("ds")  # for which the kernels are compiled
def test_no_damage_of_a_file_of_the_kernels_is_read(tmp_path: Path, entries: list[Path]) -> None:
    source = sorted(cache.cache_folder().glob("*.nbc"), key=lambda path: path.stat().st_size)
    folder = tmp_path / cache.cache_folder().name
    folder.mkdir()
    random_ = random.Random(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(500):
            # The largest files have some MB: a hash of all of them 500 times would take long.
            first, second = random_.sample(source[: -40 if number % 100 else None], 2)
            path, other = folder / first.name, folder / second.name
            shutil.copyfile(first, path)
            shutil.copyfile(second, other)
            content = cache.read_file(path)
            assert content is not None
            assert content.nbytes + cache._DIGEST == first.stat().st_size
            damage(random_.choice(KINDS), path, other, random_)
            assert cache.read_file(path) is None


def test_an_entry_of_another_source_is_not_read(entries: list[Path]) -> None:
    other = entries[0].parent.with_name("kernels-1")
    shutil.copytree(entries[0].parent, other)
    with pytest.warns(RuntimeWarning, match="damaged"):
        _, misses = call_all(other)
    assert misses == len(entries)


@pytest.mark.parametrize("what", ["folder", "pipe", "device"])
def test_what_is_no_regular_file_is_not_read(entries: list[Path], what: str) -> None:
    folder, path = entries[0].parent, entries[0]
    expected = call_all(folder)[0]
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert call_all(folder)[0] == expected
    texts = [str(warning.message) for warning in told]
    assert "damaged" in texts[0]
    if what == "folder":  # which is not replaced either
        assert texts[1:] == [f"compiled code cannot be kept in {folder}: Is a directory"]
    else:
        assert len(texts) == 1
        assert call_all(folder) == (expected, 0)
    assert Path("/dev/zero").is_char_device()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_entry_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    cache._warn_once.cache_clear()
    path = tmp_path / "f.nbc"
    cache.write_file(path, b"old")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    if isinstance(error, OSError):
        with pytest.warns(RuntimeWarning, match="cannot be kept in .*: No space left on device"):
            cache.write_file(path, b"new")
    else:
        with pytest.raises(KeyboardInterrupt):
            cache.write_file(path, b"new")
    monkeypatch.undo()
    assert [*tmp_path.iterdir()] == [path]
    assert bytes(cache.read_file(path) or b"") == b"old"


def test_what_a_killed_process_was_writing_is_removed_after_a_while(tmp_path: Path) -> None:
    old, new = tmp_path / "f.nbc.1.unfinished", tmp_path / "f.nbc.2.unfinished"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (1e9, 1e9))
    cache.write_file(tmp_path / "f.nbc", b"")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "f.nbc", new]


def test_folders_of_other_sources_are_pruned_and_nothing_else(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"kernels-{number:016x}").mkdir()
        os.utime(tmp_path / f"kernels-{number:016x}", (number, number))
    (tmp_path / "kernels-of-mine").mkdir()
    cache._prune(tmp_path, tmp_path / f"kernels-{0:016x}")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        f"kernels-{0:016x}",
        *(f"kernels-{number:016x}" for number in range(12, 20)),
        "kernels-of-mine",
    }


def test_the_cache_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = cache._folder_in(tmp_path / "cache")
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    folder.chmod(0o770)
    with pytest.raises(PermissionError, match=f"other users can write to {folder.name}"):
        cache._folder_in(tmp_path / "cache")
    folder.chmod(0o755)
    folder.parent.chmod(0o777)
    with pytest.raises(PermissionError, match="other users can write to cache"):
        cache._folder_in(tmp_path / "cache")
    folder.parent.chmod(0o1777)  # as /tmp
    assert cache._folder_in(tmp_path / "cache") == folder


@pytest.mark.parametrize("whose", ["cache", "kernels"])
def test_a_folder_of_another_user_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    folder = cache._folder_in(tmp_path / "cache")
    refused = folder if whose == "kernels" else folder.parent
    status = Path.stat

    def of_another(path: Path, **options: Any) -> os.stat_result:
        found = list(status(path, **options))
        if path == refused:
            found[stat.ST_UID] = os.getuid() + 1
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", of_another)
    with pytest.raises(PermissionError, match=f"{refused.name} belongs to another user"):
        cache._folder_in(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_temporary_and_told_once(tmp_path: Path) -> None:
    """Processes that are started have the folder of the first, which removes it."""
    code = """
import multiprocessing
from sim.kernels.cache import cache_folder, cache_lasts

def folder():
    return str(cache_folder()), cache_folder().is_dir(), cache_lasts()

if __name__ == "__main__":
    print(folder())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(folder))
"""
    (tmp_path / "script.py").write_text(code)
    (tmp_path / "home").write_text("not a folder")
    (tmp_path / "temporary").mkdir()
    places = {"NUMBA_CACHE_DIR": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, **places, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    first, of_child = done.stdout.splitlines()
    assert first == of_child
    assert str(tmp_path / "temporary" / "token-economics-kernels-") in first
    assert first.endswith(", True, False)")
    assert [*(tmp_path / "temporary").iterdir()] == []
    assert (
        done.stderr.count(f"compiled code cannot be kept in {tmp_path / 'home'}: File exists") == 1
    )
    assert done.stderr.count("Warning") == 1


@pytest.mark.parametrize("signal_", ["SIGKILL", "SIGTERM"])  # nohup ignores SIGHUP
def test_the_temporary_cache_of_a_killed_process_is_removed_by_the_next(
    tmp_path: Path, signal_: str
) -> None:
    """And not that of a live one."""
    code = "import sys; from sim.kernels.cache import cache_folder as f; print(f(), flush=True); {}"
    processes = []
    (tmp_path / "home").write_text("not a folder")
    (tmp_path / "temporary").mkdir()
    places = {"NUMBA_CACHE_DIR": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "temporary")}

    def start(then: str) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code.format(then)],
            env={**os.environ, **places, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip()).parent

    killed, left = start("sys.stdin.read()")
    _, in_use = start("sys.stdin.read()")
    killed.send_signal(getattr(signal, signal_))
    killed.wait(timeout=60)
    assert left.is_dir()
    _, own = start("")
    assert not left.exists()
    assert in_use.is_dir()
    for process in processes:
        process.communicate(timeout=60)
    assert {own, in_use}.isdisjoint((tmp_path / "temporary").iterdir())


@pytest.mark.long  # it makes machine code thrice
def test_runs_with_a_cache_that_is_damaged_or_cannot_be_written_have_the_same_bits(
    command: Command, tmp_path: Path
) -> None:
    options = ("run", BASE, "--draws", "1100", "--no-figures", "--quiet", "--force")

    def bits(expected: str, **places: str) -> bytes:
        done = command(*options, **places)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("note: ") == (1 if expected else 0), done.stderr
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
        (run,) = runs_in(tmp_path / "outputs")
        return (run / "run.nc").read_bytes()

    kept = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    whole = bits("", **kept)
    assert bits("", **kept) == whole
    random_ = random.Random(3)
    entries = sorted((tmp_path / "cache").glob("*/shipped-*.o"))
    assert len(entries) == 1
    for path in entries:
        damage("flip", path, path, random_)
    assert bits("damaged: what is so is compiled anew", **kept) == whole
    assert bits("", **kept) == whole
    (tmp_path / "temporary").mkdir()
    (tmp_path / "home").write_text("not a folder")
    places = {"NUMBA_CACHE_DIR": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "temporary")}
    assert bits("cannot be kept", **places) == whole
    assert [*(tmp_path / "temporary").iterdir()] == []
