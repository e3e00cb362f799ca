"""The claims of the source document in `claims.toml`, and what is wrong with them."""

from __future__ import annotations

import re

import pytest
from parameter_files import Folder

from sim.parameters.scenario import OtherSource, Scenario

CLAIM = """
[[claim]]
number = "1"
text = "OpenAI has about 7 GW"
expression = "gw[openai]@2026Q4"
unit = "GW"
event = "gw[openai]@2026Q4 >= 6"
see = ["gw[meta]@2027Q4"]
note = "n"

[[claim.other]]
text = "five"
source = "judgement"
as_of = 2026-05-31
"""
HEAD = 'format = 1\nsource = "source-document"\n'


def test_a_claim_has_its_answer_and_what_others_say(folder: Folder) -> None:
    folder.write("claims.toml", HEAD + CLAIM)
    (claim,) = folder.load().claims
    assert (claim.number, claim.expression, claim.unit) == ("1", "gw[openai]@2026Q4", "GW")
    others = {other.source: other for other in claim.others}
    # Of the same quantity, though stated of the input that it is; not the document itself.
    path = "epoch-openai-growth-path"
    assert others[path] == OtherSource("5 GW", path, "2026-09-03", "B")
    assert others["meta-compute-memo-2026"].text == "14 GW, gw[meta]@2027Q4"
    assert others["judgement"] == OtherSource("five", "judgement", "2026-05-31", "judgement")
    assert "source-document" not in others


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("gw[openai]@2026Q4\"\nunit", "gww[openai]@2026Q4\"\nunit", "expression", "mean 'gw'"),
        ("gw[openai]@2026Q4\"\nunit", "gw[openai]\"\nunit", "expression", "say a quarter"),
        (">= 6", ">= 6 GW", "event", "unexpected 'GW'"),
        (" >= 6", "", "event", "takes an event"),
        ('unit = "GW"\n', "", "unit", "missing: expected the unit of the expression"),
        ('number = "1"\n', "", "number", "missing: expected a text"),
        ('text = "OpenAI has about 7 GW"', "text = 7", "text", "expected a text, got 7"),
        ('note = "n"', 'nte = "n"', "nte", "unknown key; did you mean 'note'?"),
        ('see = ["gw[meta]@2027Q4"]', 'see = "gw"', "see", "expected a list of outputs"),
        ("gw[meta]", "gwm[meta]", "see", "unknown output or input 'gwm'"),
        ('"judgement"', '"judgment"', "other.source", "did you mean 'judgement'?"),
        ('source = "judgement"\n', "", "other.source", "missing: expected an id of sources.toml"),
        ("as_of = 2026-05-31", "as_of = 3", "other.as_of", "expected a date such as 2026-05-31"),
        ('text = "five"\n', "", "other.text", "missing: expected a text"),
    ],
)  # fmt: skip
def test_a_claim_with_a_fault_is_refused_with_its_key(
    folder: Folder, old: str, new: str, key: str, message: str
) -> None:
    first = CLAIM.replace('number = "1"', 'number = "0"')
    assert old in CLAIM
    folder.write("claims.toml", f"{HEAD}{first}{CLAIM.replace(old, new, 1)}")
    fault = folder.fault()
    assert (fault.file, fault.key) == ("claims.toml", f"claim.{key}")
    assert 16 <= fault.line <= 31  # in the second claim
    assert message in fault.message


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (f"{HEAD}{CLAIM}{CLAIM}", "claim.number", "the number 1 stands twice"),
        (f"{HEAD}clam = 1\n", "clam", "unknown key; did you mean 'claim'?"),
        ("format = 1\n", "source", "missing: expected an id of sources.toml"),
        ('format = 1\nsource = "nobody"\n', "source", "unknown source 'nobody'"),
        (f"{HEAD}claim = 3\n", "claim", "expected tables [[claim]]"),
    ],
)
def test_a_file_of_claims_with_a_fault_is_refused(
    folder: Folder, text: str, key: str, message: str
) -> None:
    folder.write("claims.toml", text)
    fault = folder.fault()
    assert (fault.file, fault.key) == ("claims.toml", key)
    assert message in fault.message


def test_claims_may_be_left_out(folder: Folder) -> None:
    (folder.root / "claims.toml").unlink()
    assert folder.load().claims == ()


def test_every_statement_of_the_document_has_an_entry(base: Scenario) -> None:
    """Rows 1 to 11 and the ten further sentences, each with an answer or why there is none."""
    rows = {int(re.match(r"\d+", claim.number)[0]) for claim in base.claims}  # type: ignore[index]
    assert rows == set(range(1, 22))
    for claim in base.claims:
        assert claim.event or claim.note, claim.number
