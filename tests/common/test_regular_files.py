"""Files that are read only if they are regular ones, and not too large."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim.common.regular_files import CHUNK, read_regular


def test_a_regular_file_of_at_most_the_size_is_read(tmp_path: Path) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"x" * 1000)
    link.symlink_to(path)
    assert read_regular(path, 1000) == read_regular(link, 1000) == b"x" * 1000
    with pytest.raises(OSError, match=r"larger than .* MiB, the most that is read"):
        read_regular(path, 999)


def test_devices_pipes_and_folders_are_refused_without_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path in (Path("/dev/zero"), Path("/dev/null"), tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(path, CHUNK)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, CHUNK)


def test_links_that_lead_nowhere_or_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nowhere", CHUNK)
    with pytest.raises(OSError, match="symbolic links"):
        read_regular(tmp_path / "circle", CHUNK)


def test_a_file_that_grows_is_read_up_to_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of `/proc` may, it tells a size of nothing and never ends."""
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 3 * CHUNK)
    monkeypatch.setattr("sim.common.regular_files._check", lambda *arguments: None)
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_regular(path, CHUNK)
