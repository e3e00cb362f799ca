"""Any parameter file gives a scenario or an `InputError`, never another exception."""

from __future__ import annotations

import datetime
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from parameter_files import ORACLE_FILE, POWER, PUE, RENT, ROW, SHIPPED, XAI, XAI_FILE, Folder

import sim
from sim.distributions.families import FAMILIES
from sim.distributions.file_keys import DISTRIBUTION_KEYS
from sim.parameters.distribution_errors import read_named_distribution

pytestmark = pytest.mark.long  # it reads files by the thousand

DISTRIBUTIONS = (
    *(f'"{family}"' for family in FAMILIES),
    '"scipy.gamma"',
    "[[0.1, 5], [0.9, 7]]",
    "[0.2, 1e308]",
    '[{ family = "pert", p5 = 3, p50 = 4, p95 = 9 }, { value = 4 }]',
)
HUGE, ENDLESS, HEX = "1" + "0" * 400, "1" * 5000, "0x" + "f" * 5000
DEEP = ".".join("a" * 3000)

CRASHES: dict[str, tuple[str, str]] = {
    "draws beyond floats": ("run.draws", f"draws = {HUGE}"),
    "draws beyond integers": ("run.draws", f"draws = {ENDLESS}"),
    "draws in hexadecimal": ("run.draws", f"draws = {HEX}"),
    "seed in hexadecimal": ("run.seed", f"seed = {HEX}"),
    "draws in deep tables": ("run.draws", f"draws.{DEEP} = 1"),
    "median in hexadecimal": (f"{PUE}.median", f"median = {HEX}"),
    "median in deep tables": (f"{PUE}.median", f"median.{DEEP} = 1"),
    "loading beyond floats": (f"{POWER}.loads", f"loads.power = {HUGE}"),
    "loading whose square overflows": (f"{POWER}.loads", "loads.power = 1e200"),
    "share beyond floats": (f"{ROW}.share_2026", f"share_2026 = {HUGE}"),
    "score beyond floats": ("[run]", f"[factors]\ntier = {HUGE}\n[run]"),
    "uncertainty beyond floats": ("model.uncertainty", f"uncertainty = {HUGE}"),
    "threshold beyond floats": ("model.thresholds_gw", f"thresholds_gw = [{HUGE}]"),
    "file name with a zero": ("extends", 'extends = "\\u0000"'),
}


@pytest.mark.parametrize("name", CRASHES)
def test_an_extreme_value_is_a_fault_of_its_file(folder: Folder, name: str) -> None:
    file, _, _ = folder.change(*CRASHES[name])
    assert {fault.file for fault in folder.faults()} == {file}


@pytest.mark.parametrize("new", ['"a\\nb" = 1', 'source = "a\\nb"', '"a\\u001b[31m" = 1'])
def test_a_fault_is_a_single_line(folder: Folder, new: str) -> None:
    folder.change(f"{PUE}.source", new)
    with pytest.raises(sim.InputError) as caught:
        folder.load()
    assert all(line.isprintable() for line in str(caught.value).split("\n"))
    assert len(str(caught.value).split("\n")) == len(caught.value.faults)


def test_an_input_error_can_be_pickled(folder: Folder) -> None:
    folder.change(f"{PUE}.unit", "unit = 1")
    with pytest.raises(sim.InputError) as caught:
        folder.load()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.faults) == (str(caught.value), caught.value.faults)


FUZZED = """format = 1
extends = "base.toml"
description = "a scenario"

[run]
seed = 2

[model]
thresholds_gw = [8, 4]

[factors]
demand = -2

[hardware.pue]
median = 1.15
loads = { power = 0.7 }

[workload.mean_context_tokens]
family = "metalog"
p10 = 4_000
p50 = 10_000
p90 = 40_000
min = 1

[workload.input_output_ratio]
family = "mixture"
weights = [0.3, 0.7]
components = [20, { family = "gamma", mean = 8, sd = 3 }]

[utilisation.idle_load]
family = "discrete"
values = [0.1, 0.3]
weights = [1, 2]

[prices.api_discount]
value = 0.1
unit = "1"
source = "judgement"
note = "all"

[labs.openai.gw_2026q4]
median = 8
as_of = 2026-05-31

[labs.openai.host]
microsoft = { share_2026 = 0.40 }

[labs.openai.host.oracle]
rpo_share = 0.7

[landlords.oracle]
capex_2026_busd.median = 80
"""
FILES = ("overlay", "base", XAI_FILE[:-5], ORACLE_FILE[:-5], "sources", "published")
NUMBERS = ("0", "-1", "1e308", "-0.0", "1_000", "nan", "-inf", "0x1f", str(2**64), "true")
TEXTS = ('""', '"x"', "'judgement'", '"lognormal"', "'''\n[x]\na = 1\n'''", '"""', "'", "é")
TABLES = ("[]", "[1, [2, 3]]", "[{ a = 1 }]", "{}", "{ a = 1 }", "{ value = 1 }", "[", "{")
DATES = ("2026-05-31", "12:30:00", "2026-05-31T12:30:00Z", "2026-02-30")
NASTY = (HUGE, ENDLESS, HEX, "1e200", "[" * 400 + "]" * 400, '"\\u0000"', '"a\\nb"', '"labs"')
WORDS = (
    *("format", "extends", "run", "model", "factors", "labs", "landlords", "host", "xai", "name"),
    *("order", "value", "median", "family", "loads", "source", "unit", "note", "overrides"),
    *("p10", "p50", "p90", "quantiles", "min", "max", "mean", "sd", "shape", "scale", "values"),
    *("weights", "components", "file", "column", "df", "mode", "a", "p"),
    *("statement", "expression", "draws", "seed", "captive", "hardware", "pue", "oracle", '"a.b"'),
)
LINES = ("[x]", "[[x]]", "[labs.xai]", "[host]", "[", "x", "= 1", "# é", "[[statement]]", "\t", "]")


class Edit(NamedTuple):
    """What happens to one line of a text."""

    kind: str
    where: int
    word: str
    value: str


def edited(text: str, edits: list[Edit]) -> str:
    lines = text.split("\n")
    for kind, where, word, value in edits:
        i = where % len(lines)
        key, equals, rest = lines[i].partition("=")
        if kind == "delete":
            lines[i : i + 1] = [] if len(lines) > 1 else [""]
        elif kind == "double":
            lines.insert(i, lines[i])
        elif kind == "move":
            lines.append(lines.pop(i))
        elif kind == "value":
            lines[i] = f"{key}= {value}" if equals else f"{word} = {value}"
        elif kind == "key":
            lines[i] = f"{word} ={rest}" if equals else f"[{word}]"
        elif kind == "below":
            lines[i] = f"{key.strip()}.{word} ={rest}" if equals else lines[i].replace("]", ".x]")
        elif kind == "line":
            lines.insert(i, word if word.startswith("[") else f"{word} = {value}")
        else:
            lines[i] = lines[i][: where % 7] + value + lines[i][where % 7 :]
    return "\n".join(lines)


KINDS = ("delete", "double", "move", "value", "value", "value", "key", "below", "line", "token")


def edits(values: tuple[str, ...]) -> st.SearchStrategy[list[Edit]]:
    edit = st.builds(
        Edit,
        st.sampled_from(KINDS),
        st.integers(0, 10_000),
        st.sampled_from([*WORDS, *LINES]),
        st.sampled_from(values),
    )
    return st.lists(edit, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder for many examples, each of which cleans up after itself."""
    root = tmp_path_factory.mktemp("common") / "params"
    shutil.copytree(SHIPPED, root)
    folder = Folder(root)
    folder.write("overlay.toml", FUZZED)
    folder.load("overlay.toml")
    return folder


def assert_loads_or_refuses(folder: Folder, set: Mapping[str, Any] | None = None) -> None:
    """A scenario comes back, or faults at locations that exist."""
    try:
        scenario = folder.load("overlay.toml", set)
    except sim.InputError as caught:
        error = caught
    else:
        scenario.digest()
        scenario.sources_used()
        return
    assert error.faults
    assert str(error).split("\n") == [str(fault) for fault in error.faults]
    for fault in error.faults:
        assert fault.message
        if fault.location.file == "--set":
            assert fault.location.line == 0
            continue
        text = Path(fault.location.file).read_bytes()
        assert 0 <= fault.location.line <= text.count(b"\n") + 1


# A failing example is a handful of edits, so it need not be made smaller.
FUZZ = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)


@pytest.mark.parametrize("file", FILES)
@FUZZ
@given(edits(NUMBERS + TEXTS + TABLES + DATES + DISTRIBUTIONS))
def test_edited_files_load_or_are_refused(common: Folder, file: str, changes: list[Edit]) -> None:
    path = common.root / f"{file}.toml"
    text = path.read_text()
    try:
        path.write_text(edited(text, changes))
        assert_loads_or_refuses(common)
    finally:
        path.write_text(text)


@settings(FUZZ, max_examples=80)
@given(st.sampled_from(FILES), edits(NASTY))
def test_files_edited_with_extreme_values_load_or_are_refused(
    common: Folder, file: str, changes: list[Edit]
) -> None:
    path = common.root / f"{file}.toml"
    text = path.read_text()
    try:
        path.write_text(edited(text, changes))
        assert_loads_or_refuses(common)
    finally:
        path.write_text(text)


@FUZZ
@given(st.sampled_from(FILES), st.integers(0), st.integers(0, 40), st.binary(max_size=8))
def test_files_with_random_bytes_load_or_are_refused(
    common: Folder, file: str, where: int, cut: int, noise: bytes
) -> None:
    path = common.root / f"{file}.toml"
    kept = path.read_bytes()
    first = where % (len(kept) + 1)
    try:
        path.write_bytes(kept[:first] + noise + kept[first + cut :])
        assert_loads_or_refuses(common)
    finally:
        path.write_bytes(kept)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "x", "judgement", "a\nb", datetime.date(2026, 5, 31), 10**400, object()]),
)
SET_KEYS = st.lists(st.sampled_from([*WORDS, "openai", "share_2026", "x", "", " "]), max_size=5)
SET_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=4,
)
KNOWN_KEYS = st.sampled_from(
    [
        *(f"{PUE}.median", f"{PUE}.loads.power", f"{PUE}.source", f"{RENT}.value", "run.draws"),
        *("model.uncertainty", "model.thresholds_gw", "model.named_labs", "factors.demand"),
        *(f"{XAI}.order", f"{XAI}.name", f"{XAI}.host", f"{ROW}.share_2026", f"{ROW}.captive"),
    ]
)


@settings(FUZZ, max_examples=60)
@given(st.dictionaries(KNOWN_KEYS | SET_KEYS.map(".".join), SET_VALUES, min_size=1, max_size=3))
def test_any_set_loads_or_is_refused(common: Folder, changes: dict[str, Any]) -> None:
    assert_loads_or_refuses(common, changes)


ENTRY_NUMBERS = st.one_of(
    *[st.floats(0.01, 100)] * 3,
    st.sampled_from([0, 1, -1, 0.5, 1e-300, 1e308, -1e308, 1e16, 3]),
    st.floats(),
    st.sampled_from([10**400, "a", [], [1], None, True]),
)
ENTRY_KEYS_AND_VALUES = {
    **dict.fromkeys(
        sorted(DISTRIBUTION_KEYS - {"family", "components", "file", "column"}), ENTRY_NUMBERS
    ),
    **dict.fromkeys(("p1", "p5", "p10", "p50", "p90"), ENTRY_NUMBERS),
    "quantiles": st.lists(st.lists(ENTRY_NUMBERS, min_size=2, max_size=2), max_size=3),
    "values": st.lists(ENTRY_NUMBERS, max_size=4),
    "weights": st.lists(ENTRY_NUMBERS, max_size=4),
}
OWN = {
    name: [*distribution.keys({}), "p10", "p50", "p90", "mean", "sd"]
    for name, distribution in FAMILIES.items()
}


@st.composite
def distributions(draw: st.DrawFn) -> dict[str, Any]:
    """A family with some of the keys that it may have, and numbers of any size."""
    family = draw(st.sampled_from(sorted(FAMILIES)))
    if family == "mixture":
        parts = draw(st.lists(distributions(), min_size=1, max_size=3))
        return {
            "family": family,
            "components": parts,
            "weights": draw(ENTRY_KEYS_AND_VALUES["weights"]),
        }
    own = [key for key in OWN[family] if key in ENTRY_KEYS_AND_VALUES]
    keys = draw(st.lists(st.sampled_from(own), unique=True, max_size=5))
    return {"family": family, **{key: draw(ENTRY_KEYS_AND_VALUES[key]) for key in keys}}


@settings(FUZZ, max_examples=400)
@given(distributions())
def test_any_entry_is_a_distribution_or_refused_in_words(entry: dict[str, Any]) -> None:
    """A distribution has quantiles, or a message says why there is none."""
    try:
        distribution = read_named_distribution(entry, "x")
    except ValueError as error:
        message = str(error)
    else:
        with np.errstate(all="ignore"):
            values = distribution.quantile(np.array([-1.0, 0.0, 1.0]))
        assert not np.isnan(values).any()
        assert read_named_distribution(distribution.as_entry(), "x") == distribution
        return
    assert message.startswith("x")
