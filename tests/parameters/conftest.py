"""Fixtures of the tests of parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from parameter_files import Folder


@pytest.fixture
def folder(params: Path) -> Folder:
    """A copy of the shipped parameter files that a test may spoil."""
    return Folder(params)
