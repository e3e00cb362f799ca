"""Settings of all tests; that this file is here puts `naive` and `worlds` on the import path."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("sim", deadline=None, derandomize=True, max_examples=10)
settings.load_profile("sim")
