"""Files as text: keys located by line, and files that cannot be read or parsed.

The locator is held against `tomllib` on texts whose values are the lines that they stand on.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from parameter_files import PUE, RENT, SHIPPED, Folder

import sim
from sim.common.errors import Fault, InputError, Location
from sim.parameters.document import Document, read_toml
from sim.parameters.key_lines import find_key_lines
from sim.parameters.locations import Key, Locations

PARAMS = ROOT / "params"


def numbered(text: str) -> str:
    """Put the number of its line in place of every `@`."""
    lines = text.split("\n")  # as TOML counts lines; str.splitlines knows more separators
    return "\n".join(line.replace("@", str(number)) for number, line in enumerate(lines, start=1))


def stated_lines(data: Any, key: Key = ()) -> Iterator[tuple[Key, int]]:
    """Key and line of every value: the first whole number in it is the line where it begins.

    An inline table has the one key `at`, and lists of tables are counted "0", "1", ...
    """
    if isinstance(data, dict) and "at" in data:
        yield key, data["at"]
    elif isinstance(data, dict):
        for name, value in data.items():
            yield from stated_lines(value, (*key, name))
    elif isinstance(data, list) and all(isinstance(entry, dict) for entry in data):
        for index, entry in enumerate(data):
            yield from stated_lines(entry, (*key, str(index)))
    else:
        match = re.search(r"\d+", str(data))
        assert match, f"no line number in {data!r}"
        yield key, int(match[0])


def assert_located(text: str) -> None:
    """Every value is found on its line, and every key that is found is a key of the text."""
    text = numbered(text)
    data = tomllib.loads(text)
    located = list(find_key_lines(text))
    lines = dict(located)
    for key, line in stated_lines(data):
        assert lines.get(key) == line, (key, text)
    for key, _ in located:
        within = data
        for part in key:
            within = within[int(part)] if isinstance(within, list) else within[part]


TEXTS = {
    "plain keys": "a = @\nb=@\n\n  c   =   @\n-d_1 = @\n1 = @",
    "no key at all": "# nothing\n\n",
    "comments": "# a = 0\na = @ # b = 0 [c]\n# [d]\n[e] # [f] = 0\ng = @ # [ { ( \" '\nh = @",
    "dotted keys": "a.b = @\na.c.d = @\ne . f = @\n[g]\nh.i = @",
    "tables": "[a]\nb = @\n[a.c]\nd = @\n  [ e . f ]  \n  g = @\n[h]\n[i]\nj = @",
    "quoted keys": '"a" = @\n\'b\' = @\n"c d".e = @\n["f.g".\'h\']\n"i.j" = @\nk."l" = @',
    "keys of signs": '"=" = @\n"#" = @\n"[x]" = @\n\'[[y]]\' = @\n["[z]"]\n"]" = @\na = @',
    "inline tables": "a = { at = @ }\nb = {at=@} # {\n[c]\nd = { at = @ }\ne = @",
    "nested inline tables": 'a = { at = @, b = { c = "}" }, d = [1, { e = 2 }] }\nf = @',
    "array on one line": "a = [@, 2, 3]\nb = [[@, 1], [2]]\nc = @",
    "array over lines": "a = [@,\n  2, # a ] here\n  3\n]\nb = @",
    "nested array over lines": "a = [@, [\n2, [\n3],\n],\n]\nb = @",
    "brackets in strings of arrays": 'a = [@, "]", \'[\',\n  "{ [",\n  """]"""]\nb = @',
    "brackets in literal strings": "a = ['@ [', '''[''',\n ']',\n]\nb = @",
    "keys in strings of arrays": "a = [@,\n  \"b = 1\",\n  '[c]',\n'd = 2']\ne = @",
    "escaped quotes": 'a = ["@ \\" [", "\\\\"]\nb = "@ \\"# ["\nc = @',
    "inline tables in an array over lines": "a = [@, { b = 1 }, # x = 1\n { c = 2 }]\nd = @",
    "string over lines": 'a = """@\n[x]\nb = 1\n# c\n"""\nd = @',
    "literal string over lines": "a = '''@\n[x]\nb = 1\n\"\"\"\n'''\nd = @",
    "string over lines that closes late": 'a = """@\nb = 1 ""\n"" c = 2"""" # x = "\nd = @',
    "two strings over lines": 'a = ["""@\n]""", """[\n""",\n"]"]\nb = @',
    "string over lines on one": "a = \"\"\"@ [ \"\"\"\nb = '''@ { '''\nc = @",
    "array tables": "[[a]]\nb = @\n[[a]]\nb = @\n[[c.d]] # two\ne = @\n[[c.d]]\n[f]\ng = @",
    "empty array tables": "[[a]]\n[[a]]\n[[a]]\nb = @",
    "dates and floats": "a = { at = @, when = 2026-05-31 }\nb.c = { at = @, x = 1e-9 }\nd = @",
    "windows lines": 'a = @\r\n[b]\r\nc = """@\r\n[x]\r\n"""\r\nd = @\r\n',
    "no end of line": "[a]\nb = @",
    "unicode in strings": 'a = "@ é ] 漢字 ["\n"é" = @\n[b]\nc = @',
    "triple quotes in a comment": 'a = @ # """\nb = @\n[c]\nd = @',
    "triple quotes in a comment of its own": "# '''\na = @",
    "triple quotes in a literal string": 'a = \'@ """\'\nb = @',
    "triple quotes in a string": "a = \"@ '''\"\nb = @",
    "escaped triple quotes": 'a = """@\n\\""" [x]\nb = 1\n"""\nc = @',
    "line separator in a comment": "# a\u2028b\na = @\n[c]\nd = @",
    "next line sign in a string": "a = '@ \x85'\nb = @\n[c]\nd = @",
    "quotes in a quoted key": "'\"a\"' = @\n\"'b'\" = @",
    "spaces in a quoted key": '" a " = @',
    "escapes in a quoted key": '"\\u0061" = @\n"b\\"c" = @',
    "table in an array table": "[[a]]\n[a.b]\nc = @\n[[a]]\n[a.b]\nc = @",
    "array table in an array table": "[[a]]\n[[a.b]]\nc = @\n[[a]]\n[[a.b]]\nc = @",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_keys_are_located(text: str) -> None:
    assert_located(text)


def test_an_array_over_lines_is_a_single_key() -> None:
    text = 'a = [ # [\n  1,\n  "b = 2", # c = 3 ]\n  { d = 4 },\n]\ne = 5\n'
    assert list(find_key_lines(text)) == [(("a",), 1), (("e",), 6)]


def test_tables_have_the_line_of_their_header() -> None:
    text = "[a.b]\n\n[c] # x\n[[d]]\n[[d]]\n"
    expected = [(("a", "b"), 1), (("c",), 3), (("d", "0"), 4), (("d", "1"), 5)]
    assert list(find_key_lines(text)) == expected


@pytest.mark.parametrize("file", sorted(PARAMS.rglob("*.toml")), ids=lambda file: file.stem)
def test_every_key_of_a_shipped_file_stands_on_its_line(file: Path) -> None:
    text = file.read_text("utf-8")
    lines = text.split("\n")
    located = dict(find_key_lines(text))

    def compare(data: Any, key: Key) -> None:
        if key:
            last = key[-1] if not key[-1].isdigit() else key[-2]
            assert last in lines[located[key] - 1]
        for name, value in data.items() if isinstance(data, dict) else ():
            at = (*key, name)
            if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
                for index, entry in enumerate(value):
                    compare(entry, (*at, str(index)))
            elif at in located:
                compare(value, at)
            else:  # a table that only its subtables name, or a key of an inline table
                assert isinstance(value, dict) or key[-1] == "loads"

    compare(tomllib.loads(text), ())


# Pieces of TOML with a key `%`, which is made different in every piece.
PIECES = (
    "% = @",
    '"%" = @',
    "'% ='.\"#\" = @",
    "%.x.y = @ # [",
    "% = '@ # not a comment ['",
    '% = "@ \\" ]"',
    "% = { at = @ } # }",
    "% = { at = @, b = [']', { c = \"}\" }] }",
    "% = [@, 1]",
    "% = [@,\n[2, 3], # ]\n'[',\n\"a = 1\"\n]",
    '% = """@\n[x]\na = 1\n"""',
    "% = '''@\n\"\n[x] # '' \n'''  # end",
    "[%]",
    "[ % . b ] # c = 1",
    "[[%]]\nx = @",
    "# % = 0",
    "# [%]",
    "",
    "   ",
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_keys_are_located_in_any_order_of_pieces(pieces: list[str], ending: str) -> None:
    texts = [piece.replace("%", f"k{index}") for index, piece in enumerate(pieces)]
    assert_located("\n".join(texts).replace("\n", ending))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from([*"[]{}=.#\"'\\\n\r ab1", '"""', "'''", "[[a]]\n", "a = 1\n"])))
def test_any_text_has_lines_within_it(tokens: list[str]) -> None:
    text = "".join(tokens)
    for _, line in find_key_lines(text):
        assert 1 <= line <= len(text.splitlines())


def test_a_key_without_a_location_has_that_of_its_table() -> None:
    location, table = Location("a.toml", 3), Location("a.toml", 2)
    locations = Locations([(("b",), table), (("b", "c"), location)])
    document = Document({}, locations, Location("a.toml"))
    assert document.location(("b", "c")) == location
    assert document.location(("b", "c", "d")) == location
    assert document.location(("b", "x", "y")) == table
    assert document.location(("x",)) == Location("a.toml")


def test_a_document_moves_below_a_prefix(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("b = 1\n[c]\nd = 2\n")
    faults: list[Fault] = []
    document = read_toml(file, faults)
    assert document is not None
    assert not faults
    moved = document.move_below(("labs", "x"))
    assert moved.data == {"labs": {"x": {"b": 1, "c": {"d": 2}}}}
    assert moved.location(("labs", "x", "c", "d")) == Location(str(file), 3)
    assert moved.location(("labs", "x", "new")) == Location(str(file))


def test_faults_are_sorted_and_unique() -> None:
    first, second = Fault(Location("a", 2), "k", "m"), Fault(Location("a", 10), "k", "m")
    error = InputError([second, first, second])
    assert error.faults == [first, second]
    assert str(error) == "a:2: k: m\na:10: k: m"
    assert str(Fault(Location("a"), "", "m")) == "a: m"


# Files that cannot be read or parsed


def test_a_missing_file_is_refused_with_the_nearest(folder: Folder) -> None:
    fault = folder.fault("bse.toml")
    assert fault[:3] == ("bse.toml", 0, "")
    assert fault.message.startswith("no such file; did you mean")
    assert "base.toml" in fault.message


def test_a_folder_in_place_of_a_file_is_refused(folder: Folder) -> None:
    fault = folder.fault("labs")
    assert fault[:3] == ("labs", 0, "")
    assert fault.message == "cannot be read: it is a folder, not a file"


def test_a_link_to_itself_is_refused(folder: Folder) -> None:
    (folder.root / "loop.toml").symlink_to("loop.toml")
    assert folder.fault("loop.toml").file == "loop.toml"


@pytest.mark.parametrize("file", ["base.toml", "labs/xai.toml", "sources.toml", "published.toml"])
@pytest.mark.parametrize(
    "noise", [bytes(range(256)), b"\xff\xfe\x00", b'format = 1\nname = "caf\xe9"\n']
)
def test_bytes_that_are_no_text_are_refused(folder: Folder, file: str, noise: bytes) -> None:
    folder.write(file, noise)
    expected = (file, 0, "", "not a text file (expected TOML in UTF-8)")
    assert expected in folder.faults()


def test_a_byte_order_mark_is_skipped(folder: Folder) -> None:
    folder.write("labs/xai.toml", b"\xef\xbb\xbf" + (SHIPPED / "labs/xai.toml").read_bytes())
    folder.load()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("base.toml", "median = 1.2\n", "median = = 1.2\n", "invalid value in `median = = 1.2`"),
        ("base.toml", "[run]\n", "[run\n", "expected ']'"),
        ("labs/xai.toml", "order = 5\n", "order 5\n", "expected '=' after a key"),
        ("sources.toml", 'grade = "C"\n', 'grade = "C\n', "illegal character"),
        ("published.toml", "value = 7\n", "value = 7 GW\n", "expected newline"),
    ],
)
def test_a_syntax_error_has_its_line(
    folder: Folder, file: str, old: str, new: str, message: str
) -> None:
    text = (folder.root / file).read_text()
    first = text.index(old)
    folder.write(file, text[:first] + new + text[first + len(old) :])
    faults = [fault for fault in folder.faults() if fault.file == file]
    assert [fault.line for fault in faults] == [text[:first].count("\n") + 1]
    assert faults[0].message.startswith("not valid TOML: ")
    assert message in faults[0].message


@pytest.mark.parametrize("file", ["secret", "labs/xai.toml", "sources.toml", "published.toml"])
def test_only_the_file_that_a_user_names_is_quoted(folder: Folder, file: str) -> None:
    """`extends`, or a link in place of a lab, may lead to any file that the user can read."""
    secret = "root:x:0:0:root:/root:/bin/sh"
    folder.write("secret", f"{secret}\n")
    if file != "secret":
        (folder.root / file).unlink()
        (folder.root / file).symlink_to("../secret" if "/" in file else "secret")
        (fault,) = [fault for fault in folder.faults() if fault.file == file]
        assert fault.line == 1
    else:
        fault = folder.fault(folder.overlay("", extends=file))
        assert fault[:2] == (file, 1)
        assert secret in folder.fault(file).message
    assert fault.message.startswith("not valid TOML: expected '=' after a key")
    assert "root" not in fault.message


def test_a_text_that_does_not_end_is_refused_at_the_end_of_the_file(folder: Folder) -> None:
    text = (folder.root / "base.toml").read_text() + 'x = """\nabc'
    folder.write("base.toml", text)
    fault = folder.fault()
    assert (fault.file, fault.line) == ("base.toml", text.count("\n") + 1)
    assert fault.message == "not valid TOML: unterminated string at the end of the file in `abc`"


@pytest.mark.parametrize("new", ["median = 1.2\nmedian = 1.3", "median = 1.2\nmedian.x = 1.3"])
def test_a_duplicate_key_has_the_line_of_the_second(folder: Folder, new: str) -> None:
    file, line, _ = folder.change(f"{PUE}.median", new)
    fault = folder.fault()
    assert (fault.file, fault.line) == (file, line + 1)
    assert fault.message == "duplicate key: it was given before"
    assert "median" in fault.key


def test_duplicate_key_is_faults_in_full(folder: Folder) -> None:
    folder.change(f"{PUE}.median", "median = 1.2\nmedian = 1.3")
    assert folder.fault().key == f"{PUE}.median"


def test_a_duplicate_table_has_the_line_of_the_second(folder: Folder) -> None:
    file, line, _ = folder.change("[run]", f"[{RENT}]\n[run]")
    fault = folder.fault()
    expected = Path(SHIPPED / "base.toml").read_text().split("\n").index(f"[{RENT}]") + 2
    assert line < expected
    assert fault[:3] == (file, expected, RENT)
    assert fault.message == "duplicate key: it was given before"


def test_a_duplicate_key_over_several_lines_has_its_first_line(folder: Folder) -> None:
    new = "thresholds_gw = [1]\nthresholds_gw = [\n  2,\n]"
    _, line, _ = folder.change("model.thresholds_gw", new)
    fault = folder.fault()
    assert (fault.line, fault.key.split(".")[-1]) == (line + 1, "thresholds_gw")


def nested(depth: int, kind: str) -> str:
    """A value, or a key with one, of so many levels."""
    return {
        "tables": "x = " + "{ a = " * depth + "1" + " }" * depth,
        "lists": "x = " + "[" * depth + "1" + "]" * depth,
        "keys": ".".join(["a"] * depth) + " = 1",
    }[kind]


@pytest.mark.parametrize("kind", ["tables", "lists", "keys"])
@pytest.mark.parametrize("depth", [80, 3_000])
def test_deep_nesting_is_refused_by_file_line_and_key(
    tmp_path: Path, kind: str, depth: int
) -> None:
    file = tmp_path / "deep.toml"
    file.write_text(f"first = [[1]]\n[table]\n# [[[[\n{nested(depth, kind)}\nlast = 1\n")
    faults: list[Fault] = []
    assert read_toml(file, faults) is None
    (fault,) = faults
    assert fault.location == Location(str(file), 4)
    assert fault.key == {"keys": "table"}.get(kind, "table.x")
    assert fault.message.startswith("nested too deeply: expected at most 50 tables and lists")


@pytest.mark.parametrize("kind", ["tables", "lists", "keys"])
def test_nesting_up_to_50_levels_is_read(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "deep.toml"
    found = []
    for depth in range(47, 53):
        file.write_text(nested(depth, kind))
        found.append(read_toml(file, []) is not None)
    assert found == sorted(found, reverse=True)
    assert found[0]
    assert not found[-1]


def test_deep_changes_are_refused_by_key() -> None:
    value: Any = 1
    for _ in range(3_000):
        value = {"a": value}
    for key, deep in (("hardware.pue.median", value), (".".join("a" * 3_000), 1)):
        with pytest.raises(InputError, match=r"^--set: [\w.]{5,21}: nested too deeply"):
            sim.load(SHIPPED / "base.toml", set={key: deep})
