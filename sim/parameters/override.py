"""A number that a later file or `--set` changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.common.text import in_words, plain


@dataclass(frozen=True, slots=True)
class Override:
    """A number that an overlay or `--set` changed."""

    key: str
    before: Any
    after: Any
    by: str

    def __str__(self) -> str:
        if self.before is None:
            return f"{plain(self.key)}: set to {in_words(self.after)}"
        return f"{plain(self.key)}: {in_words(self.before)} -> {in_words(self.after)}"
