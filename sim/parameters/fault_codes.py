"""A stable code for each kind of fault of a parameter file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sim.common.errors import Fault

_SUGGESTION = re.compile(r"did you mean '([^']+)'\?")


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of fault: its code, its name, and what to do about it."""

    code: str
    name: str
    explanation: str


# The first pattern that a message has decides. Codes are never used again for another kind.
_KINDS: tuple[tuple[str, str, str, str], ...] = (
    ("SIM001", "unreadable-file", "A file is not there, or cannot be read.",
     r"no such file|cannot be read|no parameter files|not a regular file|is no file|bytes"),
    ("SIM002", "syntax", "The file is not TOML, or nested too deep.",
     r"not valid TOML|nested|too deep|not UTF-8|duplicate key"),
    ("SIM003", "chain", "Files that extend one another make no chain.",
     r"goes in a circle|chain of at most|expected a file name|cannot begin with a dot"),
    ("SIM004", "format", "`format` says with which grammar the file is written.",
     r"expected format|format \d+ is newer"),
    ("SIM010", "unknown-name", "A key, quantity, lab, source, family or label does not exist.",
     r"unknown|no such|matches no key|it is gone|is not one of|has no column|no column"
     r"|has no continuous distribution|named in lower case|do not know"),
    ("SIM011", "missing", "Something that is needed is not given.",
     r"missing|needs|is needed|are needed|needed too|without a"),
    ("SIM013", "out-of-bounds", "A number is outside the values that the quantity can have.",
     r"is (not )?(above|below)|whole number|reaches beyond|leaves no"
     r"|is not a finite number|between|outside|positive"
     r"|negative|at least|at most|greater|less than|must be above|below 0|above 1"),
    ("SIM014", "sum", "Shares or loadings do not add up.", r"add up|sum of|sum to|squares"),
    ("SIM015", "unit", "The unit is not that of the quantity.", r"unit"),
    ("SIM016", "conflict", "Two entries contradict one another, or one is given twice.",
     r"twice|have one name|are called so|is given in|cannot stand|stands "
     r"|in the group .* already|beside|instead of|both"
     r"|contradict|either|different"),
    ("SIM012", "wrong-kind", "A value is of another kind than the one that is expected.",
     r"expected|got "),
    ("SIM017", "distribution", "The numbers of a distribution give none.",
     r"quantile|distribution|family|weights|values|median|mean|sd|law|row|p\d"),
    ("SIM019", "not-allowed", "What is asked for has no meaning for this quantity.",
     r"has no |only inputs|cannot be|nothing can|captive|nothing is"),
    ("SIM018", "correlation", "The correlations of a group are impossible.",
     r"correlation|matrix|copula|group|pair"),
)  # fmt: skip
OTHER = Code("SIM090", "other", "A fault of another kind.")
CODES = {code: Code(code, name, text) for code, name, text, _ in _KINDS} | {OTHER.code: OTHER}
_PATTERNS = [(re.compile(pattern), CODES[code]) for code, _, _, pattern in _KINDS]


def code_of(fault: Fault) -> Code:
    """The kind of a fault, by its key and message."""
    if fault.key.endswith(".unit"):
        return CODES["SIM015"]
    for pattern, code in _PATTERNS:
        if pattern.search(fault.message):
            return code
    return OTHER


def suggestion_of(fault: Fault) -> str:
    """The nearest right name that a message suggests; "" without one."""
    match = _SUGGESTION.search(fault.message)
    return match[1] if match else ""
