"""What it costs to read any file: memory and time in proportion to its size, and an end."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from parameter_files import PUE, Folder

import sim
from sim.common.errors import Fault
from sim.parameters import document
from sim.parameters.key_lines import MAX_DEPTH, MOST_ENTRIES, find_key_lines

pytestmark = pytest.mark.long  # it reads files of megabytes

# Beyond 30 times the size of a file: the shipped ones, and the tables that a parser makes of the
# most keys of a file.
FLOOR = 32 * 2**20
RATIO = 30
HEAD = 'format = 1\nextends = "base.toml"\n'
NOTED = '\nsource = "judgement"\nnote = "n"\n'


def repeat(text: str, count: int) -> str:
    """A text for each number below a count, which stands in place of `@`."""
    return "".join(text.replace("@", str(i)) for i in range(count))


# Bodies of files of about so many bytes.
LARGE: dict[str, Callable[[int], str]] = {
    "note": lambda size: f'[{PUE}]\nmedian = 1.2\nsource = "judgement"\nnote = "{"x" * size}"\n',
    "note over lines": lambda size: (
        f'[{PUE}]\nmedian = 1.2\nsource = "judgement"\nnote = """{"x y" * (size // 4)}\n"""\n'
    ),
    "note of escapes": lambda size: f'description = "{chr(92)}t{f"{chr(92)}n" * (size // 2)}"\n',
    "note of brackets": lambda size: f"description = '{'[a.b]={#' * (size // 8)}'\n",
    "comments": lambda size: "# x\n" * (size // 4),
    "empty lines": lambda size: "\n" * size,
    "values": lambda size: (
        f'[{PUE}]\nfamily = "empirical"\nvalues = [{"1.2," * (size // 4)}]{NOTED}'
    ),
    "thresholds": lambda size: f"[model]\nthresholds_gw = [{repeat('@,', size // 7)}]\n",
    "list of texts": lambda size: "[model]\nnamed_labs = [" + repeat("'@',", size // 9) + "]\n",
    "syntax error": lambda size: "# x\n" * (size // 4) + "a = \n",
    "tables": lambda size: repeat("[x@]\n", size // 8),
    "inline tables": lambda size: f"[{PUE}]\nx = [{'{a=1},' * (size // 6)}]\n",
    "nested lists": lambda size: f"[{PUE}]\nx = [{'[],' * (size // 3)}]\n",
}


@pytest.mark.parametrize("name", LARGE)
def test_a_file_takes_at_most_thirty_times_its_size_in_memory(folder: Folder, name: str) -> None:
    folder.write("large.toml", HEAD + LARGE[name](200_000))
    size = (folder.root / "large.toml").stat().st_size
    assert size > 150_000
    folder.load()  # what is imported and kept once
    tracemalloc.start()
    try:
        folder.load("large.toml")
    except sim.InputError as error:
        assert len(error.faults) < 3  # noqa: PT017
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < RATIO * size + 4 * 2**20


# Bodies of files with so many faults, or keys that no key of the model is near to.
MANY: dict[str, Callable[[int], str]] = {
    "tables": lambda count: repeat("[x@]\n", count),
    "deep tables": lambda count: repeat("[hardware.pue.x@.b]\n", count // 4),
    "keys": lambda count: "[hardware]\n" + repeat("x@ = 1\n", count),
    "loadings": lambda count: f"[{PUE}.loads]\n" + repeat("x@ = 1\n", count),
    "labs": lambda count: repeat("[labs.x@]\n", count),
    "groups": lambda count: repeat('[[correlation]]\ninputs=["a@"]\n', count // 3),
    "components": lambda count: (
        f'[{PUE}]\nfamily = "mixture"\nweights = [1]\ncomponents = [{"{family=1}," * (count // 2)}]'
        f"{NOTED}"
    ),
    "sweep": lambda count: "[sweep]\n" + repeat('"a.x@" = [1, 1]\n', count // 2),
}


def measure(folder: Folder, body: str) -> tuple[float, int]:
    """Processor seconds and peak bytes of reading a file with faults."""
    folder.write("many.toml", HEAD + body)
    began = time.process_time()
    with pytest.raises(sim.InputError) as caught:
        folder.load("many.toml")
    seconds = time.process_time() - began
    assert len(str(caught.value).split("\n")) <= 51
    tracemalloc.start()
    try:
        with pytest.raises(sim.InputError):
            folder.load("many.toml")
        return seconds, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", MANY)
def test_many_faults_take_time_in_proportion_and_little_memory(folder: Folder, name: str) -> None:
    """Where a key were searched among all keys, eight times as many would take 64 times as long."""
    few, _ = measure(folder, MANY[name](500))
    many, peak = measure(folder, MANY[name](4_000))
    assert many < 20 * few + 0.5
    assert peak < FLOOR / 4  # a fifth of the most keys, and the shipped files


def test_fifty_faults_are_printed_and_how_many_more(folder: Folder) -> None:
    file = folder.overlay(repeat("[x@]\n", 10_000))
    with pytest.raises(sim.InputError) as caught:
        folder.load(file)
    lines = str(caught.value).split("\n")
    assert len(caught.value.faults) == 10_000
    assert lines[:50] == [str(fault) for fault in caught.value.faults[:50]]
    assert lines[50:] == ["... and 9,950 more faults"]
    assert str(sim.InputError(caught.value.faults[:51])).endswith("\n... and 1 more fault")
    assert str(sim.InputError(caught.value.faults[:50])).split("\n") == lines[:50]


def test_a_file_of_too_many_keys_is_refused_before_it_is_parsed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(list(find_key_lines("a.b=1\n" * (MOST_ENTRIES // 2)))) == MOST_ENTRIES // 2
    for body in (repeat("x@ = 1\n", 20_001), "x = [" + "[]," * 20_000 + "]", "[a.b]\n" * 10_001):
        folder.write("many.toml", body)
        with monkeypatch.context() as patched:
            patched.setattr(document.tomllib, "loads", lambda text: pytest.fail("parsed"))
            faults: list[Fault] = []
            assert document.read_toml(folder.root / "many.toml", faults) is None
        assert [fault.message for fault in faults] == [
            "too large: expected at most 20,000 keys, tables and lists"
        ]


DEEP = MAX_DEPTH + 1
NESTED = {
    "dotted key": f"{'.'.join('a' * DEEP)} = 1",
    "dotted key of 100,000 parts": f"{'.'.join('a' * 100_000)} = 1",
    "spaced key": f"{' . '.join('a' * 100_000)} = 1",
    "quoted key": ".".join(['"a"'] * DEEP) + " = 1",
    "table": f"[{'.'.join('a' * DEEP)}]",
    "table of 100,000 parts": f"[{'.'.join('a' * 100_000)}]",
    "key of a table": f"[{'.'.join('a' * 30)}]\n{'.'.join('b' * 30)} = 1",
    "inline tables": f"a = {'{a=' * DEEP}1{'}' * DEEP}",
    "key in an inline table": f"a = {{{'.'.join('a' * 100_000)} = 1}}",
    "keys in inline tables": f"a = {'{a.b.c.d.e.f.g = ' * 10}1{'}' * 10}",
    "lists": f"a = {'[' * 1_000}{']' * 1_000}",
    "lists over lines": "a = " + "[\n" * DEEP + "]\n" * DEEP,
    "lists without an end": f"a = {'[' * 1_000}",
    "lists in tables": f"a = {'{a=[' * 30}{']}' * 30}",
}


@pytest.mark.parametrize("name", NESTED)
def test_keys_that_are_nested_too_deeply_are_refused_by_name(folder: Folder, name: str) -> None:
    began = time.process_time()
    file = folder.overlay(f"# line 3\n{NESTED[name]}\n")
    fault = folder.fault(file)
    assert fault.file == file
    assert fault.line >= 2
    assert fault.message.startswith("nested too deeply: expected at most 50 tables and lists")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("levels", [10, 24])
def test_tables_within_the_depth_are_read_or_refused_for_their_keys(
    folder: Folder, levels: int
) -> None:
    file = folder.overlay(f"a = {'{a=[' * levels}{']}' * levels}")
    assert folder.fault(file)[1:] == (3, "a", "unknown key")


def test_deep_or_endless_changes_are_refused(folder: Folder) -> None:
    endless: dict[str, object] = {}
    endless["a"] = endless
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    for changes in ({".".join("a" * 5000): 1}, {f"{PUE}.x": endless}, {f"{PUE}.x": deep}):
        fault = folder.fault(set=changes)
        assert fault.file == "--set"
        assert fault.message.startswith("nested too deeply")


def test_a_level_in_quotes_can_be_set(folder: Folder) -> None:
    changes = {f"{PUE}.family": "lognormal", f"{PUE}.p5": 1.1, f'{PUE}."p99.5"': 1.4}
    distribution = folder.load(set=changes).quantities[PUE].distribution
    file = folder.overlay(f'[{PUE}]\nfamily = "lognormal"\np5 = 1.1\n"p99.5" = 1.4\n')
    assert folder.load(file).quantities[PUE].distribution == distribution
    other = f'[{PUE}]\nfamily = "lognormal"\nquantiles = [[0.05, 1.1], [0.995, 1.4]]\n'
    assert folder.load(folder.overlay(other)).quantities[PUE].distribution == distribution


# What is no regular file, or none of a size that anyone writes.
def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(document.MOST_BYTES * 2 + 1)


IRREGULAR: dict[str, tuple[Callable[[Path], None], str]] = {
    "device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "pipe": (make_pipe, "not a regular file"),
    "folder": (Path.mkdir, "it is a folder"),
    "link that leads nowhere": (lambda path: path.symlink_to("nowhere"), ""),
    "link in a circle": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "file that is too large": (make_large, "MiB, the most that is read"),
}
PLACES = {
    "parameter file": "x.toml", "extended file": "x.toml", "lab": "labs/xai.toml",
    "sources": "sources.toml", "published figures": "published.toml", "csv file": "x.csv",
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_regular_file_is_refused_at_once(folder: Folder, kind: str, place: str) -> None:
    make, message = IRREGULAR[kind]
    path = folder.root / PLACES[place]
    path.unlink(missing_ok=True)
    make(path)
    began = time.process_time()
    if place == "extended file":
        fault = folder.fault(folder.overlay("", extends="x.toml"))
        assert fault[:3] == ("overlay.toml", 2, "extends")
    elif place == "csv file":
        body = f'[{PUE}]\nfamily = "empirical"\nfile = "x.csv"\n'
        fault = folder.fault(folder.overlay(body))
        assert fault[:3] == ("overlay.toml", 5, f"{PUE}.file")
    else:
        faults = folder.faults("x.toml" if place == "parameter file" else "base.toml")
        (fault,) = [fault for fault in faults if fault.file == PLACES[place]]
    assert "cannot be read" in fault.message or "no such file" in fault.message
    assert message in fault.message
    assert time.process_time() - began < 5


def test_a_chain_of_files_has_an_end(folder: Folder) -> None:
    for i in range(60):
        folder.overlay("", f"f{i}.toml", f"f{i + 1}.toml")
    folder.overlay("", "f60.toml")
    fault = folder.fault("f0.toml")
    assert fault == ("f49.toml", 2, "extends", "expected a chain of at most 50 files")
    folder.load("f20.toml")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.thresholds_gw", list(range(1, 52)), "expected at most 50 thresholds, got 51"),
        ("model.named_labs", [f"a{i}" for i in range(101)], "expected at most 100 labs, got 101"),
    ],
)
def test_a_list_has_a_most(folder: Folder, key: str, value: list[object], message: str) -> None:
    assert folder.fault(set={key: value}) == ("--set", 0, key, message)
    folder.load(set={key: value[:-1]})
