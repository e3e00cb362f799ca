"""Sources and published statements, and what is wrong with them."""

from __future__ import annotations

import pytest
from parameter_files import STATEMENT, BadChange, Folder

BAD: dict[str, BadChange] = {
    "unknown key of a source": BadChange(
        "sources:judgement.titel", 'titel = "x"', "unknown key; did you mean 'title'?"
    ),
    "unknown grade": BadChange(
        "sources:source-document.grade", 'grade = "D"', "expected one of A, B, C, judgement"
    ),
    "source without a publisher": BadChange(
        "sources:judgement.publisher", "", "missing", at="header"
    ),
    "source that is a number": BadChange("sources:x", "x = 1", "expected a table"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_source_with_a_fault_is_refused(folder: Folder, bad: BadChange) -> None:
    folder.assert_refuses(bad)


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
        ("@2026Q4", "@2025", "expression", "unknown quarter '2025'"),
        (
            "gw[openai]",
            "rent_per_hour[inference]",
            "expression",
            "unknown regime 'inference'; did you mean 'online_inference'?",
        ),
        ("value = 7", 'value = 7\ntimes = "gw_2025q4[openai]"', "times", "expected a ratio, got"),
        (
            "gw[openai]",
            "slo_missed",
            "expression",
            "it is gone: a promised speed is now always met",
        ),
        ('unit = "GW"', "", "unit", 'missing: expected unit = "GW"'),
        ('source = "source-document"', "", "source", "missing: expected an id of sources.toml"),
        ('expression = "gw[openai]@2026Q4"', "", "expression", "missing: expected output[label]"),
        ("gw[openai]", "unit_cost", "expression", "expected unit_cost[<regime>, <layer>], got"),
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
def test_a_statement_with_a_fault_is_refused_with_its_key(
    folder: Folder, old: str, new: str, key: str, message: str
) -> None:
    folder.write("published.toml", f"format = 1\n{STATEMENT}{STATEMENT.replace(old, new, 1)}")
    fault = folder.fault()
    assert (fault.file, fault.key) == ("published.toml", f"statement.{key}")
    assert 8 <= fault.line <= 15  # in the second statement
    assert message in fault.message


def test_a_misspelt_table_of_statements_is_refused(folder: Folder) -> None:
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
def test_a_statement_with_a_fault_is_one_of_its_file(folder: Folder, old: str, new: str) -> None:
    folder.write("published.toml", f"format = 1\n{STATEMENT.replace(old, new, 1)}")
    assert folder.fault().file == "published.toml"


def test_sources_without_judgement_are_refused(folder: Folder) -> None:
    folder.change("sources:[judgement]", "[judgment]")
    assert folder.faults()


@pytest.mark.parametrize("text", ["statement = [1]", "statement = [[], 'a']"])
def test_statements_that_are_no_tables_are_refused(folder: Folder, text: str) -> None:
    folder.write("published.toml", f"format = 1\n{text}\n")
    fault = folder.faults()[0]
    assert fault == ("published.toml", 2, "statement", "expected tables [[statement]]")


@pytest.mark.parametrize("text", ["statement = 1", "[statement]\nvalue = 1"])
def test_statements_that_are_no_list_are_refused(folder: Folder, text: str) -> None:
    folder.write("published.toml", f"format = 1\n{text}\n")
    assert folder.fault()[:3] == ("published.toml", 2, "statement")


def test_a_source_of_a_statement_that_is_a_list_is_refused(folder: Folder) -> None:
    text = STATEMENT.replace('"source-document"', "[]")
    folder.write("published.toml", f"format = 1\n{text}\n")
    assert {fault.file for fault in folder.faults()} == {"published.toml"}


def test_published_statements_may_be_left_out(folder: Folder) -> None:
    (folder.root / "published.toml").unlink()
    assert folder.load().published == ()


def test_statements_give_ranges_totals_and_ratios(folder: Folder) -> None:
    folder.write(
        "published.toml",
        """format = 1
[[statement]]
expression = "capex_2026_busd"
total_of = ["microsoft", "meta"]
low = 300
high = 400
unit = "USD bn"
source = "source-document"
as_of = 2026-05-13
[[statement]]
expression = "arr_2026q4_busd[openai]"
per = "gw_2026q4[openai]"
value = 10
unit = "USD bn/GW"
source = "source-document"
""",
    )
    total, ratio = folder.load().published
    assert (total.total_of, total.low, total.high) == (("microsoft", "meta"), 300, 400)
    assert (total.value, total.as_of) == (None, "2026-05-13")
    assert (ratio.per, ratio.value) == ("gw_2026q4[openai]", 10)
