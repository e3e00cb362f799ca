"""A scenario: parameters that have been read, merged and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.common.text import distinct_labels, paragraph, plain, shorten
from sim.distributions.base import Distribution
from sim.distributions.groups import Group
from sim.model.declarations import Field
from sim.parameters.override import Override
from sim.parameters.sweep_axes import Axis

_WIDTH = 100  # of the lines of a scenario's text


@dataclass(frozen=True, slots=True)
class Settings:
    """How the model is evaluated: `[model]` of a parameter file."""

    view: str = "economic"
    rental_mode: str = "cost_plus"
    uncertainty: float = 1.0
    named_labs: tuple[str, ...] = ("openai", "anthropic")
    thresholds_gw: tuple[float, ...] = (10.0, 5.0, 2.0)


@dataclass(frozen=True, slots=True)
class RunDefaults:
    """Defaults of a run: `[run]` of a parameter file."""

    draws: int = 100_000
    seed: int = 1
    sampler: str = "stratified"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An input: distribution, loadings on the common factors, and provenance.

    `overrides` is the source of the number that a file or `--set` changed without a new source.
    `given` holds the keys of the distribution as the files have them, such as its quantiles.
    """

    name: str
    field: Field
    distribution: Distribution
    loads: dict[str, float]
    source: str
    note: str | None
    as_of: str | None
    overrides: str | None
    given: dict[str, Any]

    def resolved(self) -> dict[str, Any]:
        """The quantity as plain data, with the keys of a parameter file."""
        entry = {
            **self.distribution.as_entry(),
            "loads": self.loads or None,
            "unit": self.field.unit,
            "source": self.source,
            "note": self.note,
            "as_of": self.as_of,
            "overrides": self.overrides,
        }
        return {key: value for key, value in entry.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Hosting:
    """What a landlord is to a lab: shares of 1, and equity in USD bn."""

    share_2025: float
    share_2026: float
    share_2027: float
    captive: bool
    rpo_share: float
    equity_busd: float
    source: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Party:
    """A lab or a landlord, with its name in tables and figures."""

    id: str
    name: str
    fiscal_year_end: int = 12  # month


@dataclass(frozen=True, slots=True)
class Statement:
    """What a source states about an input or output.

    The quantity is that of `labels`, or the sum over `total_of`; the expression `less` is
    subtracted from it, the ratio `times` multiplies it, and `per` divides it. A `quarter` that is a
    year stands for the mean of its quarters. A range has `low` or `high` or both. Numbers are in
    `unit`.
    """

    output: str
    labels: tuple[str, ...]
    quarter: str | None
    value: float | None
    unit: str
    source: str
    note: str
    low: float | None = None
    high: float | None = None
    as_of: str | None = None
    total_of: tuple[str, ...] = ()
    less: str | None = None
    times: str | None = None
    per: str | None = None


@dataclass(frozen=True, slots=True)
class OtherSource:
    """What another source says about a claim, with its date and grade."""

    text: str
    source: str
    date: str
    grade: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the source document, and what of it the model can answer.

    `expression` is a value in `unit`, `event` what has to happen for the claim to hold
    (`sim.expressions`); both may be "".
    """

    number: str
    text: str
    expression: str
    unit: str
    event: str
    note: str
    others: tuple[OtherSource, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """Validated parameters.

    `quantities` is by full name, e.g. `labs.openai.gw_2026q4`; `hosts` by ids of lab and landlord.
    """

    name: str
    description: str
    settings: Settings
    run: RunDefaults
    factors: dict[str, float]
    quantities: dict[str, Quantity]
    hosts: dict[tuple[str, str], Hosting]
    labs: tuple[Party, ...]
    landlords: tuple[Party, ...]
    sources: dict[str, dict[str, str]]
    correlations: tuple[Group, ...] = ()
    published: tuple[Statement, ...] = ()
    claims: tuple[Claim, ...] = ()
    overrides: tuple[Override, ...] = ()
    remarks: tuple[str, ...] = ()
    files: tuple[str, ...] = field(default=(), compare=False)
    sweep: tuple[Axis, ...] = field(default=(), compare=False)  # a run does not depend on it
    path: str = field(default="", compare=False)  # the file that was asked for, one of `files`

    def __repr__(self) -> str:
        """Five lines: name and description, files, labs, landlords, what differs."""

        def line(label: str, texts: Sequence[str], separator: str = ", ") -> str:
            head = f"  {label} ({len(texts)}): "
            return (
                head + shorten(texts, _WIDTH - len(head), separator)
                if texts
                else f"  {label}: none"
            )

        title = f"Scenario '{self.name}'" + (f": {self.description}" if self.description else "")
        return "\n".join(
            [
                shorten([paragraph(title)], _WIDTH),
                line("files", [plain(Path(file).name) for file in self.files]),
                line("labs", [plain(party.name) for party in self.labs]),
                line("landlords", [plain(party.name) for party in self.landlords]),
                line("changes", [str(override) for override in self.overrides], "; "),
            ]
        )

    def resolved(self) -> dict[str, Any]:
        """All parameters after merging, as plain data, as a manifest keeps them."""
        settings = self.settings
        return {
            "model": {
                "view": settings.view,
                "rental_mode": settings.rental_mode,
                "uncertainty": settings.uncertainty,
                "named_labs": list(settings.named_labs),
                "thresholds_gw": list(settings.thresholds_gw),
            },
            "factors": self.factors,
            "labs": {lab.id: lab.name for lab in self.labs},
            "landlords": {landlord.id: landlord.name for landlord in self.landlords},
            "fiscal_year_ends": {party.id: party.fiscal_year_end for party in self.landlords},
            "correlation": [group.as_entry() for group in self.correlations],
            "quantities": {name: q.resolved() for name, q in sorted(self.quantities.items())},
            "hosts": {
                f"labs.{lab}.host.{landlord}": {
                    "share_2025": host.share_2025,
                    "share_2026": host.share_2026,
                    "share_2027": host.share_2027,
                    "captive": host.captive,
                    "rpo_share": host.rpo_share,
                    "equity_busd": host.equity_busd,
                    "source": host.source,
                }
                for (lab, landlord), host in sorted(self.hosts.items())
            },
        }

    def digest(self, *determined_by: Any) -> str:
        """Twelve hexadecimal digits of parameters and further determinants of a run."""
        text = self._json + "".join(f", {_as_json(value)}" for value in determined_by) + "]"
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    @cached_property
    def _json(self) -> str:
        """The parameters as JSON, the beginning of every hashed text."""
        order = [[party.id for party in parties] for parties in (self.labs, self.landlords)]
        return _as_json([self.resolved(), order]).removesuffix("]")

    def sources_used(self) -> dict[str, dict[str, str]]:
        """The sources on which the values rest."""
        used = {q.source for q in self.quantities.values()}
        used |= {host.source for host in self.hosts.values()}
        return {name: self.sources[name] for name in sorted(used)}


def labels_of(scenarios: Sequence[Scenario]) -> list[str]:
    """A label for each scenario, by which those of files of one name can be told apart.

    It is the name, or the shortest end of the file's path that no other file has.
    """
    paths = distinct_labels([scenario.path or scenario.name for scenario in scenarios])
    names = [scenario.name for scenario in scenarios]
    return [
        name if names.count(name) == 1 else path for name, path in zip(names, paths, strict=True)
    ]


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
