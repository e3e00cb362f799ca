"""One bad parameter file for every fault, and what is said about it: file, line, key, message."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from parameter_files import (
    ORACLE,
    ORACLE_FILE,
    POWER,
    PUE,
    QWEN,
    RENT,
    ROW,
    SHIPPED,
    STATEMENT,
    XAI,
    XAI_FILE,
    Folder,
)

import sim


@pytest.fixture
def folder(params: Path) -> Folder:
    return Folder(params)


@dataclass(frozen=True)
class Bad:
    """A change of a shipped file (see `Folder.change`), and the one fault to which it leads.

    The key of the fault is the one that is changed unless `key` says another. `at` is where the
    fault is said to be: lines below the change, "header" (that of the table) or "file" (line 0).
    """

    change: str
    new: str
    message: str
    key: str = ""
    at: int | str = 0


HOST = 'unit = "1"\nsource = "judgement"\nnote = "n"\n'
FIXED = f"value = {{}}\n{HOST}"
ARR_2025 = f"[arr_2025q4_busd]\n{FIXED.format(2)}".replace('"1"', '"USD bn"')
ARR_2027 = f"[arr_growth_2027]\n{FIXED.format(2)}".replace('"1"', '"x/yr"')
DUTY, DRAFT = "utilisation.duty_cycle_fine_tune", "workload.draft_tokens"
FINITE, NUMBER = "expected a finite number, got", "expected a number, got"

BAD: dict[str, Bad] = {
    # Keys that are not known
    "unknown quantity": Bad(
        f"[{PUE}]", f"[hardware.puee]\n[{PUE}]", "unknown key; did you mean 'pue'?", "hardware.puee"
    ),
    "unknown key of a value": Bad(
        f"{RENT}.sorce", "sorce = 1", "unknown key for a fixed value; did you mean 'source'?"
    ),
    "unknown key of a law": Bad(f"{PUE}.notes", 'notes = ""', "did you mean 'note'?"),
    "unknown key at the top": Bad("formt", "formt = 1", "unknown key; did you mean 'format'?"),
    "unknown table": Bad(
        "[run]", "[hardwear]\n[run]", "unknown key; did you mean 'hardware'?", "hardwear"
    ),
    "unknown key of run": Bad("run.sede", "sede = 1", "unknown key; did you mean 'seed'?"),
    "unknown key of model": Bad("model.veiw", "veiw = 1", "unknown key; did you mean 'view'?"),
    "unknown key of factors": Bad(
        "[run]", "[factors]\ndemnd = 1\n[run]", "did you mean 'demand'?", "factors.demnd", 1
    ),
    "unknown key of a lab": Bad(
        f"{XAI}.gw_2026q3", "gw_2026q3 = 1", "unknown key; did you mean 'gw_2026q4'?"
    ),
    "unknown key of a landlord": Bad(
        f"{ORACLE}.rpo_bsd", "rpo_bsd = 1", "unknown key; did you mean 'rpo_busd'?"
    ),
    "a delay, which no file gives": Bad(
        f"{XAI}.lab_delay_quarters", "lab_delay_quarters = 1", "unknown key"
    ),
    "unknown landlord": Bad(
        f"[{ROW}]",
        "[host.orcale]",
        "no such landlord; did you mean 'oracle'?",
        f"{XAI}.host.orcale",
    ),
    "unknown key of a host": Bad(f"{ROW}.share_2028", "share_2028 = 0", "did you mean 'share_202"),
    # Unit, source, note, date
    "wrong unit": Bad(f"{PUE}.unit", 'unit = "kW"', "expected \"1\", got 'kW'"),
    "unit that is a number": Bad(f"{PUE}.unit", "unit = 1", 'expected "1", got 1'),
    "wrong unit of a host": Bad(f"{ROW}.unit", 'unit = "GW"', "expected \"1\", got 'GW'"),
    "missing unit": Bad(f"{PUE}.unit", "", 'missing unit: expected unit = "1"', PUE, "header"),
    "missing source": Bad(
        f"{PUE}.source", "", "missing source: expected an id of sources.toml", PUE, "header"
    ),
    "missing source of a host": Bad(f"{ROW}.source", "", "missing source", ROW, "header"),
    "unknown source": Bad(
        f"{PUE}.source",
        'source = "cottier-trainig-cost-2024"',
        "did you mean 'cottier-training-cost-2024'?",
    ),
    "source that is a list": Bad(f"{PUE}.source", "source = []", "expected an id of sources.toml"),
    "judgement without a note": Bad(
        f"{RENT}.note", "", "judgement needs a note", f"{RENT}.source", -1
    ),
    "judgement with an empty note": Bad(
        f"{RENT}.note", 'note = ""', "judgement needs a note", f"{RENT}.source", -1
    ),
    "note that is a number": Bad(f"{PUE}.note", "note = 1", "expected a text, got 1"),
    "date that is a text": Bad(
        f"{PUE}.as_of", 'as_of = "2026"', "expected a date such as 2026-05-31, got '2026'"
    ),
    # Bounds
    "value above its bound": Bad(
        f"{RENT}.value", "value = 1.2", "1.2 is above the bound 1 (Rented"
    ),
    "value below its bound": Bad(
        f"{RENT}.value", "value = -1", "-1 is below the bound 0 (Rented s"
    ),
    "median above its bound": Bad(
        f"{POWER}.median", "median = 0.9", "0.9 is above the bound 0.5 ("
    ),
    "median below its bound": Bad(
        f"{POWER}.median", "median = 1e-3", "0.001 is below the bound 0.005 (Delivered power price"
    ),
    "support beyond the bounds": Bad(
        f"{PUE}.min", "min = 0.5", "0.5 is below the bound 1 (Facility"
    ),
    "median outside of its support": Bad(
        f"{PUE}.max", "max = 1.1", "expected min < median < max, got 1, 1.2, 1.1", PUE, "header"
    ),
    "value at an exclusive bound": Bad(
        f"{XAI}.gw_2025q4.value", "value = 0", "0 is not above the bound 0 (Facility gigawatts"
    ),
    "duty of zero": Bad(
        f"{DUTY}.*", FIXED.format(0), "0 is not above the bound 0 (Share of paid", f"{DUTY}.value"
    ),
    "part of a token": Bad(f"{DRAFT}.value", "value = 1.5", "1.5 is not a whole number (Specul"),
    "sampled whole number": Bad(
        f"{DRAFT}.value",
        'family = "normal"\nmean = 1\nsd = 0.5',
        "a whole number cannot be sampled",
        f"{DRAFT}.family",
    ),
    "half a flag": Bad(
        f"{XAI}.lab_is_china.value", "value = 0.5", "0.5 is not a whole number (Chinese lab"
    ),
    "share above one": Bad(f"{ROW}.share_2026", "share_2026 = 1.5", "1.5 is above the bound 1 (L"),
    "share that is not finite": Bad(f"{ROW}.rpo_share", "rpo_share = nan", "not a finite number"),
    # Rules that tie quantities to one another
    "pue above the capacity ratio": Bad(
        f"{PUE}.median",
        "median = 1.36",
        "1.36 is above hardware.facility_capacity_ratio, 1.35",
        PUE,
        "header",
    ),
    "fixed pue above the capacity ratio": Bad(
        f"{PUE}.*",
        FIXED.format(1.36),
        "1.36 is above hardware.facility_capacity_ratio, 1.35",
        PUE,
        "header",
    ),
    "nothing left for training": Bad(
        f"{XAI}.inference_share.median",
        "median = 0.97",
        "0.97 + training.fine_tune_share 0.03 must be less than 1",
        f"{XAI}.inference_share",
        "header",
    ),
    "one ARR input": Bad(
        f"[{QWEN}.host.alibaba]",
        f"{ARR_2025}[host.alibaba]",
        "all three ARR inputs or none; missing: arr_2026q4_busd, arr_growth_2027",
        f"{QWEN}.arr_2025q4_busd",
    ),
    "two ARR inputs": Bad(
        f"[{QWEN}.host.alibaba]",
        f"{ARR_2025}{ARR_2027}[host.alibaba]",
        "all three ARR inputs or none; missing: arr_2026q4_busd",
        f"{QWEN}.arr_2025q4_busd",
    ),
    "captive without a share": Bad(
        f"[{ROW}]",
        f"[host.amazon]\ncaptive = true\n{HOST}[host.oracle]",
        "captive, but the lab has no share there",
        f"{XAI}.host.amazon.captive",
        1,
    ),
    "more than all of a landlord's RPO": Bad(
        f"{ROW}.rpo_share",
        "rpo_share = 0.9",
        "the labs' shares of oracle's RPO add up to 1.74, more than 1",
    ),
    # What is no number
    "nan": Bad(f"{PUE}.median", "median = nan", f"{FINITE} nan"),
    "infinite": Bad(f"{RENT}.value", "value = inf", f"{FINITE} inf"),
    "minus infinite": Bad(f"{PUE}.sigma", "sigma = -inf", "got -inf"),
    "text for a number": Bad(f"{PUE}.median", 'median = "1.2"', f"{NUMBER} '1.2'"),
    "flag for a number": Bad(f"{RENT}.value", "value = true", f"{NUMBER} true"),
    "list for a number": Bad(f"{RENT}.value", "value = [1]", f"{NUMBER} [1]"),
    "table for a number": Bad(f"{RENT}.value", "value = { a = 1 }", f"{NUMBER} {{'a': 1}}"),
    "date for a number": Bad(f"{RENT}.value", "value = 2026-01-01", NUMBER),
    "text for a flag": Bad(f"{ROW}.captive", 'captive = "no"', "expected true or false, got 'no'"),
    "flag for a share": Bad(f"{ROW}.rpo_share", "rpo_share = true", f"{NUMBER} true"),
    # Families and their parameters
    "unknown family": Bad(
        f"{PUE}.family", 'family = "logitnormal"', "unknown family 'logitnormal'; did you mean 'log"
    ),
    "family that is a number": Bad(f"{PUE}.family", "family = 1", "unknown family 1"),
    "neither value nor family": Bad(f"{RENT}.value", "", "missing value or family", RENT, "header"),
    "missing parameter": Bad(f"{PUE}.sigma", "", "missing sigma", PUE, "header"),
    "stray parameter": Bad(
        f"{POWER}.mean", "mean = 1", "give median, sigma or mean and sd, not both", POWER, "header"
    ),
    "value beside a family": Bad(f"{POWER}.value", "value = 1", "unknown key for lognormal"),
    "spread of one landlord": Bad(
        f"{ORACLE}.capex_2026_busd.sigma", "sigma = 0.1", "whose spread is buildout.capex_sigma"
    ),
    "negative spread": Bad(f"{PUE}.sigma", "sigma = -1", "expected a number at or above 0, got -1"),
    "lognormal at zero": Bad(f"{POWER}.median", "median = 0", "expected a number above 0, got 0"),
    # Loadings
    "unknown factor": Bad(
        f"{POWER}.loads",
        "loads = { powr = 0.7 }",
        "unknown factor; did you mean 'power'?",
        f"{POWER}.loads.powr",
    ),
    "loadings that exceed one": Bad(
        f"{POWER}.loads", "loads = { power = 0.8, tier = 0.7 }", "add up to 1.13, which exceeds 1"
    ),
    "loadings that are no table": Bad(
        f"{POWER}.loads", "loads = 0.7", "expected a table such as { power = 0.7 }, got 0.7"
    ),
    "loading that is a text": Bad(
        f"{POWER}.loads", 'loads = { power = "a" }', f"{NUMBER} 'a'", f"{POWER}.loads.power"
    ),
    "loading that is not finite": Bad(
        f"{POWER}.loads", "loads.power = inf", f"{FINITE} inf", f"{POWER}.loads.power"
    ),
    # Settings
    "unknown sampler": Bad(
        "run.sampler", 'sampler = "randm"', "unknown sampler 'randm'; did you mean 'random'?"
    ),
    "sampler that is a list": Bad("run.sampler", "sampler = []", "unknown sampler []"),
    "unknown view": Bad(
        "model.view", 'view = "book"', "expected one of economic, accounting, got 'book'"
    ),
    "unknown rental mode": Bad(
        "model.rental_mode", "rental_mode = 1", "expected one of cost_plus, market, got 1"
    ),
    "negative uncertainty": Bad(
        "model.uncertainty", "uncertainty = -1", "expected a number from 0 to 10, got -1"
    ),
    "infinite uncertainty": Bad("model.uncertainty", "uncertainty = inf", "got inf"),
    "named labs as a text": Bad(
        "model.named_labs",
        'named_labs = "openai"',
        "expected a list of different labs, got 'openai'",
    ),
    "thresholds said twice": Bad(
        "model.thresholds_gw", "thresholds_gw = [5, 5.0]", "expected a list of different numbers"
    ),
    "no thresholds": Bad("model.thresholds_gw", "thresholds_gw = []", "expected a list"),
    "score that is a text": Bad(
        "[run]",
        "[factors]\ntier = 'x'\n[run]",
        "expected a score from -10 to 10, got 'x'",
        "factors.tier",
        1,
    ),
    "settings that are no table": Bad("factors", "factors = 1", "expected a table, got 1"),
    # Format, name and order
    "newer format": Bad(
        "format", "format = 2", "format 2 is newer than this program, which reads 1: please upgrade"
    ),
    "format that is a text": Bad("format", 'format = "1"', "expected format = 1, got '1'"),
    "format with a fraction": Bad("format", "format = 1.0", "expected format = 1, got 1.0"),
    "format zero": Bad("format", "format = 0", "expected format = 1, got 0"),
    "no format": Bad("format", "", "missing: expected format = 1", at="file"),
    "newer format of a lab": Bad(f"{XAI}.format", "format = 2", "please upgrade"),
    "newer format of a landlord": Bad(f"{ORACLE}.format", "format = 3", "please upgrade"),
    "newer format of the sources": Bad("sources:format", "format = 2", "please upgrade"),
    "no format of the statements": Bad("published:format", "", "missing: expected f", at="file"),
    "name that is a list": Bad(f"{ORACLE}.name", "name = []", "expected a name, got []"),
    "empty name": Bad(f"{XAI}.name", 'name = " "', "expected a name, got ' '"),
    "order that is a text": Bad(f"{XAI}.order", 'order = "a"', f"{NUMBER} 'a'"),
    # Sources
    "unknown key of a source": Bad(
        "sources:judgement.titel", 'titel = "x"', "unknown key; did you mean 'title'?"
    ),
    "unknown grade": Bad(
        "sources:source-document.grade", 'grade = "D"', "expected one of A, B, C, judgement"
    ),
    "source without a publisher": Bad("sources:judgement.publisher", "", "missing", at="header"),
    "source that is a number": Bad("sources:x", "x = 1", "expected a table"),
    "logit-normal median below its bound": Bad(
        f"{PUE}.median", "median = 0.9", "0.9 is below the bound 1 (Facility energy over IT en"
    ),
    "median of a duty at its exclusive bound": Bad(
        f"{DUTY}.median", "median = 0", "0 is not above the bound 0 (Share of paid hours"
    ),
    "no format of a lab": Bad(f"{XAI}.format", "", "missing: expected format = 1", at="file"),
    "no format of a landlord": Bad(
        f"{ORACLE}.format", "", "missing: expected format = 1", at="file"
    ),
    "shares of 2026 that do not add up": Bad(
        f"{ROW}.share_2026",
        "share_2026 = 0.06",
        "the share_2026 of its landlords add up to 1.01, expected 1",
        f"{XAI}.host",
        "header",
    ),
    "shares of 2027 that do not add up": Bad(
        f"{ROW}.share_2027",
        "share_2027 = 0.04",
        "the share_2027 of its landlords add up to 0.99, expected 1",
        f"{XAI}.host",
        "header",
    ),
    "unknown group": Bad("[run]", "[trainin.x]\n[run]", "did you mean 'training'?", "trainin"),
    "mark of an override in a file": Bad(f"{PUE}.overrides", "overrides = 1", "unknown key"),
    "mark of an override of a host": Bad(f"{ROW}.overrides", "overrides = 1", "unknown key"),
    "sampled flag": Bad(
        f"{XAI}.lab_is_china.value",
        'family = "normal"\nmean = 1\nsd = 0.5',
        "cannot be sampled",
        f"{XAI}.lab_is_china.family",
    ),
    "labs that are no table": Bad("labs", "labs = 3", "expected a table, got 3"),
    "description that is a number": Bad("description", "description = 3", "expected a text"),
    "order that is no number": Bad(f"{XAI}.order", "order = nan", "expected a finite number"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused(folder: Folder, bad: Bad) -> None:
    file, change, header = folder.change(bad.change, bad.new)
    line = {"header": header, "file": 0}[bad.at] if isinstance(bad.at, str) else change + bad.at
    fault = folder.fault()
    assert (fault.file, fault.line) == (file, line)
    assert fault.key == (bad.key or bad.change.rpartition(":")[2])
    assert bad.message in fault.message


def test_a_misspelt_quantity_is_unknown_and_missing(folder: Folder) -> None:
    """The same mistake seen twice: what is there, and what is not."""
    _, line, _ = folder.change(f"[{PUE}]", "[hardware.puee]")
    missing, unknown = folder.faults()
    assert missing[:3] == ("base.toml", 0, PUE)
    assert "missing: Facility energy over IT energy" in missing.message
    assert unknown == ("base.toml", line, "hardware.puee", "unknown key; did you mean 'pue'?")


def test_shares_are_to_add_up(folder: Folder) -> None:
    """As above but for the line."""
    folder.change(f"{ROW}.share_2026", "share_2026 = 0.06")
    folder.change("labs.openai.host.oracle.share_2027", "share_2027 = 0.29")
    first, second = folder.faults()
    assert (first.file, first.key) == ("labs/openai.toml", "labs.openai.host")
    assert first.message == "the share_2027 of its landlords add up to 0.99, expected 1"
    assert (second.file, second.key) == ("labs/xai.toml", "labs.xai.host")
    assert second.message == "the share_2026 of its landlords add up to 1.01, expected 1"


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        ("0", "from 1 to 1e+12, got 0"),
        ("1e30", "from 1 to 1e+12, got 1e+30"),
        ("1.5", "expected a whole number of draws from 1 to 1e+12, got 1.5"),
        ("-5", "got -5"),
        ('"many"', "expected a whole number of draws, got 'many'"),
        ("true", "got true"),
        ("nan", "got nan"),
        ("inf", "got inf"),
        ("[1]", "got [1]"),
        ("2026-05-31", "expected a whole number of draws, got"),
    ],
)
def test_bad_number_of_draws(folder: Folder, draws: str, message: str) -> None:
    file, line, _ = folder.change("run.draws", f"draws = {draws}")
    fault = folder.fault()
    assert fault[:3] == (file, line, "run.draws")
    assert message in fault.message


@pytest.mark.parametrize("seed", ["-1", "1.0", "18446744073709551616", '"a"', "true", "nan"])
def test_bad_seed(folder: Folder, seed: str) -> None:
    file, line, _ = folder.change("run.seed", f"seed = {seed}")
    fault = folder.fault()
    assert fault[:3] == (file, line, "run.seed")
    assert "expected a whole number from 0 to 2^64 - 1, got" in fault.message


# Files that cannot be read ------------------------------------------------------------


def test_missing_file(folder: Folder) -> None:
    fault = folder.fault("bse.toml")
    assert fault[:3] == ("bse.toml", 0, "")
    assert fault.message.startswith("no such file; did you mean")
    assert "base.toml" in fault.message


def test_missing_folder(folder: Folder) -> None:
    assert ("nowhere/base.toml", 0, "", "no such file") in folder.faults("nowhere/base.toml")


def test_missing_folder_is_one_fault(folder: Folder) -> None:
    assert folder.fault("nowhere/base.toml").file == "nowhere/base.toml"


def test_folder_instead_of_a_file(folder: Folder) -> None:
    fault = folder.fault("labs")
    assert fault[:3] == ("labs", 0, "")
    assert fault.message == "cannot be read: Is a directory"


def test_link_to_itself(folder: Folder) -> None:
    (folder.root / "loop.toml").symlink_to("loop.toml")
    assert folder.fault("loop.toml").file == "loop.toml"


@pytest.mark.parametrize("parties", ["labs", "landlords"])
def test_missing_labs_or_landlords(folder: Folder, parties: str) -> None:
    shutil.rmtree(folder.root / parties)
    assert (parties, 0, "", "no parameter files (*.toml) here") in folder.faults()


def test_missing_sources(folder: Folder) -> None:
    (folder.root / "sources.toml").unlink()
    faults = folder.faults()
    assert any(f[:3] == ("sources.toml", 0, "") and "no such file" in f.message for f in faults)


@pytest.mark.parametrize("file", ["base.toml", "labs/xai.toml", "sources.toml", "published.toml"])
@pytest.mark.parametrize(
    "noise", [bytes(range(256)), b"\xff\xfe\x00", b'format = 1\nname = "caf\xe9"\n']
)
def test_bytes_that_are_no_text(folder: Folder, file: str, noise: bytes) -> None:
    folder.write(file, noise)
    expected = (file, 0, "", "not a text file (expected TOML in UTF-8)")
    assert expected in folder.faults()


def test_byte_order_mark_is_no_matter(folder: Folder) -> None:
    folder.write("labs/xai.toml", b"\xef\xbb\xbf" + (SHIPPED / "labs/xai.toml").read_bytes())
    folder.load()


def test_empty_base(folder: Folder) -> None:
    folder.write("base.toml", "")
    faults = folder.faults()
    assert ("base.toml", 0, "format", "missing: expected format = 1") in faults
    assert sum(fault.message.startswith("missing: ") for fault in faults) == 100
    assert len(faults) == 100


def test_empty_sources(folder: Folder) -> None:
    folder.write("sources.toml", "")
    expected = ("sources.toml", 0, "format", "missing: expected format = 1")
    assert expected in folder.faults()


def test_empty_lab(folder: Folder) -> None:
    folder.write("labs/xai.toml", "")
    faults = folder.faults()
    assert {fault.file for fault in faults} == {"labs/xai.toml"}
    assert ("labs/xai.toml", 0, "labs.xai.format", "missing: expected format = 1") in faults


@pytest.mark.parametrize("name", ["XAI", "x.ai", "x ai", "1ai"])
def test_name_of_a_lab_file(folder: Folder, name: str) -> None:
    (folder.root / "labs/xai.toml").rename(folder.root / f"labs/{name}.toml")
    fault = folder.fault()
    assert fault[:3] == (f"labs/{name}.toml", 0, f"labs.{name}")
    assert "is named in lower case: a-z, 0-9 and _" in fault.message


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
def test_syntax_error(folder: Folder, file: str, old: str, new: str, message: str) -> None:
    text = (folder.root / file).read_text()
    start = text.index(old)
    folder.write(file, text[:start] + new + text[start + len(old) :])
    told = [fault for fault in folder.faults() if fault.file == file]
    assert [fault.line for fault in told] == [text[:start].count("\n") + 1]
    assert told[0].message.startswith("not valid TOML: ")
    assert message in told[0].message


def test_text_that_does_not_end(folder: Folder) -> None:
    text = (folder.root / "base.toml").read_text() + 'x = """\nabc'
    folder.write("base.toml", text)
    fault = folder.fault()
    assert (fault.file, fault.line) == ("base.toml", text.count("\n") + 1)
    assert fault.message == "not valid TOML: unterminated string at the end of the file in `abc`"


@pytest.mark.parametrize("new", ["median = 1.2\nmedian = 1.3", "median = 1.2\nmedian.x = 1.3"])
def test_duplicate_key(folder: Folder, new: str) -> None:
    file, line, _ = folder.change(f"{PUE}.median", new)
    fault = folder.fault()
    assert (fault.file, fault.line) == (file, line + 1)
    assert fault.message == "duplicate key: it was given before"
    assert "median" in fault.key


def test_duplicate_key_is_told_in_full(folder: Folder) -> None:
    folder.change(f"{PUE}.median", "median = 1.2\nmedian = 1.3")
    assert folder.fault().key == f"{PUE}.median"


def test_duplicate_table(folder: Folder) -> None:
    file, line, _ = folder.change("[run]", f"[{RENT}]\n[run]")
    fault = folder.fault()
    expected = Path(SHIPPED / "base.toml").read_text().split("\n").index(f"[{RENT}]") + 2
    assert line < expected
    assert fault[:3] == (file, expected, RENT)
    assert fault.message == "duplicate key: it was given before"


def test_duplicate_key_over_several_lines(folder: Folder) -> None:
    new = "thresholds_gw = [1]\nthresholds_gw = [\n  2,\n]"
    _, line, _ = folder.change("model.thresholds_gw", new)
    fault = folder.fault()
    assert (fault.line, fault.key.split(".")[-1]) == (line + 1, "thresholds_gw")


def test_all_faults_of_all_files_at_once(folder: Folder) -> None:
    _, pue, _ = folder.change(f"{PUE}.unit", 'unit = "kW"')
    _, rent, _ = folder.change(f"{RENT}.value", "value = 2")
    _, draws, _ = folder.change("run.draws", "draws = 0")
    _, xai, _ = folder.change(f"{XAI}.gw_2025q4.value", "value = 0")
    _, oracle, _ = folder.change(f"{ORACLE}.order", "order 5")
    with pytest.raises(sim.InputError) as caught:
        folder.load()
    lines = str(caught.value).splitlines()
    assert lines == [str(fault) for fault in caught.value.faults]
    base, labs, landlords = (folder.root / f for f in ("base.toml", XAI_FILE, ORACLE_FILE))
    expected = [
        f"{base}:{draws}: run.draws: expected a whole number of draws from 1 to 1e+12, got 0",
        f"{base}:{pue}: {PUE}.unit: expected \"1\", got 'kW'",
        f"{base}:{rent}: {RENT}.value: 2 is above the bound 1 (",
        f"{labs}:{xai}: {XAI}.gw_2025q4.value: 0 is not above the bound 0 (",
        f"{landlords}:{oracle}: not valid TOML: expected '=' after a key",
    ]
    for start in expected:
        assert any(line.startswith(start) for line in lines), (start, lines)


@pytest.mark.parametrize("file", ["landlords/oracle.toml", "labs/xai.toml", "sources.toml"])
def test_a_file_that_cannot_be_read_is_one_fault(folder: Folder, file: str) -> None:
    folder.write(file, "format 1\n")
    overlay = folder.overlay("[labs.xai.gw_2026q4]\nmedian = 3\n")
    assert folder.fault(overlay).file == file


# Capex in fiscal years -----------------------------------------------------------------

FISCAL = f"{ORACLE}.capex_2026_busd"


@pytest.mark.parametrize(
    ("body", "key", "message"),
    [
        ("fy2026 = 55.7", FISCAL, "missing fy2027: 7 months of calendar 2026 lie in it"),
        ("fy2027 = 92", FISCAL, "missing fy2026 (capex in fiscal years takes"),
        ("fy2026 = -1\nfy2027 = 92", f"{FISCAL}.fy2026", "expected a number above 0, got -1"),
        ("fy2026 = 55.7\nfy2027 = nan", f"{FISCAL}.fy2027", "expected a finite number, got nan"),
        ("fy2026 = 55.7\nfy2027 = 2e4", f"{FISCAL}.fy2027", "20000 is above the bound 10000"),
        ('fy2026 = "56"\nfy2027 = 92', f"{FISCAL}.fy2026", "expected a number, got '56'"),
        ("fy2026 = 5\nfy2028 = 9", f"{FISCAL}.fy2028", "unknown key for capex in fiscal years"),
        (
            "fy2026 = 55.7\nfy2027 = 92\nmedian = 80",
            f"{FISCAL}.median",
            "unknown key for capex in fiscal years",
        ),
        (
            "fy2026 = 55.7\nfy2027 = 92\nfiscal_year_end = 5",
            f"{FISCAL}.fiscal_year_end",
            "stands at the top of the landlord's file",
        ),
    ],
)
def test_bad_fiscal_years(folder: Folder, body: str, key: str, message: str) -> None:
    faults = folder.faults(folder.overlay(f"[{FISCAL}]\n{body}\n"))
    told = [fault for fault in faults if fault.key == key and message in fault.message]
    assert len(told) == 1, faults
    assert told[0].file == "overlay.toml"
    assert 3 <= told[0].line <= 6


def test_fiscal_years_are_for_capex_alone(folder: Folder) -> None:
    body = f"[{ORACLE}.capex_growth_2027]\nfy2026 = 1\n"
    assert "unknown key" in folder.fault(folder.overlay(body)).message
    assert folder.faults(folder.overlay(f"[{PUE}]\nfy2026 = 1\n"))


@pytest.mark.parametrize("month", ["0", "13", "5.0", "true", '"May"', "[5]"])
def test_bad_month_of_a_fiscal_year(folder: Folder, month: str) -> None:
    file, line, _ = folder.change(f"{ORACLE}.fiscal_year_end", f"fiscal_year_end = {month}")
    fault = folder.fault()
    assert (fault.file, fault.line, fault.key) == (file, line, f"{ORACLE}.fiscal_year_end")
    assert "expected the month in which its fiscal years end, 1 to 12" in fault.message


def test_a_lab_has_no_fiscal_year(folder: Folder) -> None:
    folder.change(f"{XAI}.fiscal_year_end", "fiscal_year_end = 5")
    assert folder.fault().message.startswith("unknown key")


def test_a_book_life_that_an_offset_takes_away(folder: Folder) -> None:
    folder.change(f"{ORACLE}.book_life_offset_years.value", "value = -3")
    life = "hardware.it_book_life_years"
    with_three = folder.overlay(f"[{life}]\nvalue = 3\n")
    fault = folder.fault(with_three)
    assert fault.key == f"{ORACLE}.book_life_offset_years"
    assert fault.message == f"-3 leaves no book life of {life}, 3"
    folder.load()  # a sampled life stays above the lower end of its domain


def test_negative_capex(folder: Folder) -> None:
    file, line, _ = folder.change(f"{FISCAL}.median", "median = -77")
    fault = folder.fault()
    assert (fault.file, fault.line, fault.key) == (file, line, f"{FISCAL}.median")
    assert fault.message == "expected a number above 0, got -77"


# Published statements ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('"gw[openai]@2026Q4"', '"gw[openai"', "expression", "expected output[label]@quarter"),
        ('"gw[openai]@2026Q4"', "3", "expression", "expected output[label]@quarter, got 3"),
        (
            "gw[openai]",
            "gww[openai]",
            "expression",
            "unknown output or input 'gww'; did you mean 'gw'",
        ),
        ("7", '"7"', "value", "expected a number, got '7'"),
        ("7", "true", "value", "expected a number, got true"),
        ("source-document", "nobody", "source", "unknown source 'nobody'"),
        ("gw[openai]@2026Q4", "gw@2026Q4", "expression", "expected gw[<lab>], got"),
        ("@2026Q4", "", "expression", "expected a quarter, such as gw[openai]@2026Q4"),
        ("gw[openai]", "gw[openai, oracle]", "expression", "expected gw[<lab>], got"),
        ("gw[openai]", "gw_2026q4[openai]", "expression", "is an input, which has no quarter"),
        ("value = 7", "value = 7\nlow = 6", "value", "expected low and high both beside a value"),
        (
            "value = 7",
            "value = 7\nlow = 8\nhigh = 9",
            "low",
            "expected low <= value <= high, got [8.0, 7",
        ),
        ('unit = "GW"', "", "unit", 'missing: expected unit = "GW"'),
        ('source = "source-document"', "", "source", "missing: expected an id of sources.toml"),
        ('expression = "gw[openai]@2026Q4"', "", "expression", "missing: expected output[label]"),
        ("gw[openai]", "unit_cost", "expression", "'unit_cost' differs by regime and layer"),
        ("gw[openai]", "training_moic[openai]", "expression", "'training_moic' has no quarter"),
        ("value = 7", "low = 8\nhigh = 6", "low", "expected low <= value <= high"),
        ("value = 7", "high = true", "high", "expected a number, got true"),
        ("value = 7", "", "value", "missing: expected a value, or low, high or both"),
        ("value = 7", "value = 7\nas_of = 1", "as_of", "expected a date such as 2026-05-31"),
        (
            'gw[openai]@2026Q4"\nvalue',
            'gw@2026Q4"\ntotal_of = "a"\nvalue',
            "total_of",
            "expected a list of different",
        ),
        (
            'gw[openai]@2026Q4"\nvalue',
            'gw@2026Q4"\ntotal_of = ["a", "a"]\nvalue',
            "total_of",
            "expected a list of different",
        ),
        (
            'gw[openai]@2026Q4"\nvalue',
            'gw@2026Q4"\ntotal_of = ["a", "b"]\nless = "hosted_gw_landlord@2026Q4"\nvalue',
            "less",
            "'hosted_gw_landlord' has other rows to add up than 'gw'",
        ),
        (
            "value = 7",
            'value = 7\ntotal_of = ["openai", "xai"]',
            "expression",
            "expected gw without [...], got 'gw[openai]@2026Q4'",
        ),
        ("value = 7", 'value = 7\nless = "gww[openai]"', "less", "unknown output or input 'gww'"),
        (
            "value = 7",
            'value = 7\nless = "arr[openai]@2026Q4"',
            "less",
            "has another unit than the expression",
        ),
        (
            "value = 7",
            'value = 7\nper = "arr[openai]@2026Q4"',
            "unit",
            'expected "GW/USD bn/yr", got',
        ),
        ("value = 7", 'value = 7\nper = "arr[openai]"', "per", "expected a quarter, such as arr"),
        ("value = 7", "value = 7\nper = 3", "per", "expected output[label]@quarter, got 3"),
    ],
)
def test_bad_statement(folder: Folder, old: str, new: str, key: str, message: str) -> None:
    folder.write("published.toml", f"format = 1\n{STATEMENT}{STATEMENT.replace(old, new, 1)}")
    fault = folder.fault()
    assert (fault.file, fault.key) == ("published.toml", f"statement.{key}")
    assert 8 <= fault.line <= 15  # in the second statement
    assert message in fault.message


def test_misspelt_statement(folder: Folder) -> None:
    folder.write("published.toml", f"format = 1\n{STATEMENT.replace('statement', 'statment')}")
    fault = folder.fault()
    assert (fault.file, fault.key) == ("published.toml", "statment")
    assert fault.message.startswith("unknown key")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("7", "nan"),
        ("2026Q4", "2029Q4"),
        ('"GW"', '"kg"'),
        ('unit = "GW"', ""),
        ("unit", "note = 1\nunit"),
        ("unit", "unti = 1\nunit"),
    ],
)
def test_doubtful_statement(folder: Folder, old: str, new: str) -> None:
    folder.write("published.toml", f"format = 1\n{STATEMENT.replace(old, new, 1)}")
    assert folder.fault().file == "published.toml"


def test_judgement_is_one_of_the_sources(folder: Folder) -> None:
    folder.change("sources:[judgement]", "[judgment]")
    assert folder.faults()
