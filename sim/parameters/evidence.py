"""Evidence: what is known of a value, as text or as a table `[[evidence]]` of a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.common.text import nearest, shown
from sim.expressions.names import CATALOGUE, Names
from sim.expressions.parse import kind_of, parse_evidence, parse_value
from sim.expressions.percent import refuse_percent
from sim.expressions.tree import Evidence, ExpressionError, Tree
from sim.model.dims import REFERENCE_QUARTER

FAMILIES = ("normal", "lognormal", "student_t")
KEYS = ("on", "value", "sd", "interval", "level", "family", "nu", "source", "note")
ROUTES = "routes"  # the keyword for agreement of the two routes to the margin
ROUTES_SD = 0.25  # of logs (8.7)
NU, LEVEL = 4.0, 0.9
Source = Callable[[str], str]  # what is wrong with the id of a source, "" if nothing


@dataclass(frozen=True, slots=True)
class Line:
    """A line of evidence: what is known, and the distribution of its error.

    `number` and `error` of `evidence` are the figure and its standard deviation in the unit of the
    value; of `student_t` the scale, with `nu` degrees of freedom; of `lognormal` the median and
    the sd of the log.
    """

    evidence: Evidence
    family: str = "normal"
    nu: float = math.nan
    source: str = ""
    name: str = ""  # what is shown in place of a long value

    @property
    def value(self) -> Tree:
        """The value that is known."""
        return self.evidence.value

    @property
    def text(self) -> str:
        """The line as it is shown."""
        of = self.evidence
        text = str(of)
        if self.name:
            text = f"{self.name} = {of.number:g} +- {of.error:g}"
        if self.family == "lognormal":
            return f"{text} (lognormal)"
        return f"{text} (t, {self.nu:g})" if self.family == "student_t" else text


class EvidenceError(ValueError):
    """Faults of a table of evidence: pairs of a key, "" for all of it, and a message."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{key}: {text}" if key else text for key, text in faults))


def routes_text(labs: Sequence[str]) -> str:
    """Agreement of the two routes to the margin as evidence (8.7).

    The mean over labs of the log of revenue over capacity revenue is 0 ± 0.25.
    """
    parts = [f"log(arr_capacity_ratio[{lab}]@{REFERENCE_QUARTER})" for lab in labs]
    mean = parts[0] if len(parts) == 1 else f"({' + '.join(parts)}) / {len(parts)}"
    return f"{mean} = 0 +- {ROUTES_SD:g}"


def read_text(text: str, names: Names | None = CATALOGUE, labs: Sequence[str] = ()) -> Line:
    """The line of a text, EVIDENCE or the keyword `routes`, for which `labs` are those that count.

    Raises:
        ExpressionError: As `parse_evidence`.
    """
    is_keyword = text.strip() == ROUTES and bool(labs)
    if is_keyword:
        return Line(parse_evidence(routes_text(labs), names), name=ROUTES)
    return Line(parse_evidence(text, names))


def read_table(
    table: Mapping[str, Any],
    names: Names | None = CATALOGUE,
    labs: Sequence[str] = (),
    source_fault: Source = lambda source: "",
) -> Line:
    """The line of a table `[[evidence]]`.

    Args:
        table: `on`, a value with `value` and `sd`, or `interval` and its `level` (0.9), and
            `family` (normal, lognormal, student_t with `nu`); or `on` as EVIDENCE alone.
        names: Those that it may use.
        labs: Those whose two routes `routes` compares.
        source_fault: Says what is wrong with the id of a source.

    Raises:
        EvidenceError: With all faults.
    """
    reader = _Reader(table)
    line = reader.read(names, labs)
    source = table.get("source", "")
    if not isinstance(source, str):
        reader.add("source", f"expected an id of sources.toml, got {shown(source)}")
    elif "source" in table and (fault := source_fault(source)):
        reader.add("source", fault)
    if reader.faults or line is None:
        raise EvidenceError(reader.faults)
    return Line(line.evidence, line.family, line.nu, source, line.name)


class _Reader:
    """Reads one table; what is wrong is added to `faults`."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table, self.faults = table, list[tuple[str, str]]()

    def add(self, key: str, message: str) -> None:
        self.faults.append((key, message))

    def read(self, names: Names | None, labs: Sequence[str]) -> Line | None:
        """The line without its source, or None with faults added."""
        for key in self.table:
            if key not in KEYS:
                self.add(str(key), f"unknown key{nearest(str(key), KEYS)}")
        if not isinstance(self.table.get("note", ""), str):
            self.add("note", f"expected a text, got {shown(self.table['note'])}")
        on = self.table.get("on")
        if not isinstance(on, str):
            found = "missing: " if on is None else ""
            self.add("on", f"{found}expected a value such as gw[openai]@2026Q4")
            return None
        given = [key for key in ("value", "sd", "interval", "level", "nu") if key in self.table]
        try:
            if on.strip() == ROUTES or kind_of(on) == "evidence":
                for key in (*given, *(key for key in ("family",) if key in self.table)):
                    self.add(key, "cannot stand beside 'on' as evidence that says all of it")
                return read_text(on, names, labs)
            tree = parse_value(on, names)
        except ExpressionError as error:
            self.add("on", str(error))
            return None
        return self._of_numbers(tree, on.strip())

    def _of_numbers(self, tree: Tree, on: str) -> Line | None:
        """The line on a value from the numbers of a table."""
        family = self.table.get("family", "normal")
        if family not in FAMILIES:
            hint = nearest(family, FAMILIES) if isinstance(family, str) else ""
            self.add("family", f"expected {', '.join(FAMILIES)}, got {shown(family)}{hint}")
            return None
        nu = self._number("nu", NU if family == "student_t" else math.nan, above=0.0)
        if "nu" in self.table and family != "student_t":
            self.add("nu", "is for the family student_t alone")
        if "interval" in self.table:
            value, error = self._interval(str(family), nu)
        else:
            value, error = self._value_and_sd(str(family))
        if self.faults:
            return None
        try:
            refuse_percent(tree, value)
        except ExpressionError as fault:
            self.add("value", str(fault))
            return None
        text = f"{on} = {value:g} +- {error:g}"
        return Line(Evidence(text, tree, "=", value, error), str(family), nu)

    def _value_and_sd(self, family: str) -> tuple[float, float]:
        """The figure and its error from `value` and `sd`."""
        if "level" in self.table:
            self.add("level", "is that of an interval, which is missing")
        low = 0.0 if family == "lognormal" else -math.inf
        value, sd = self._number("value", above=low), self._number("sd", above=0.0, infinite=True)
        if family == "lognormal" and value > 0:
            sd = math.sqrt(math.log1p((sd / value) ** 2)) if math.isfinite(sd) else math.inf
        return value, sd

    def _interval(self, family: str, nu: float) -> tuple[float, float]:
        """The figure and its error from the ends of an interval that holds `level` of it."""
        from scipy.special import ndtri, stdtrit

        for key in ("value", "sd"):
            if key in self.table:
                self.add(key, "cannot stand beside interval")
        level = self._number("level", LEVEL, above=0.0)
        if not level < 1:
            self.add("level", f"expected a share between 0 and 1, got {level:g}")
            return math.nan, math.nan
        ends = self.table["interval"]
        is_pair = isinstance(ends, list | tuple) and len(ends) == 2 and all(map(_is_number, ends))
        if not is_pair or not ends[0] < ends[1] or (family == "lognormal" and ends[0] <= 0):
            above = " above 0" if family == "lognormal" else ""
            self.add("interval", f"expected two rising numbers{above}, got {shown(ends)}")
            return math.nan, math.nan
        top = (1 + level) / 2
        half = float(stdtrit(nu, top) if family == "student_t" else ndtri(top))
        low, high = map(float, ends)
        if family == "lognormal":
            return math.sqrt(low * high), math.log(high / low) / (2 * half)
        return (low + high) / 2, (high - low) / (2 * half)

    def _number(
        self,
        key: str,
        default: float | None = None,
        above: float = -math.inf,
        infinite: bool = False,
    ) -> float:
        """The number of a key, or NaN with a fault added."""
        found = self.table.get(key, default)
        if found is None:
            self.add(key, "missing: expected a number (or interval, in place of value and sd)")
            return math.nan
        if key not in self.table:
            return float(found)
        if not _is_number(found, infinite) or not found > above:
            than = "" if math.isinf(above) else f" above {above:g}"
            self.add(key, f"expected a number{than}, got {shown(found)}")
            return math.nan
        return float(found)


def _is_number(value: Any, infinite: bool = False) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (math.isfinite(value) or (infinite and value == math.inf))
