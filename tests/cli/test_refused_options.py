"""Options that are out of range, or name what is not there, are refused before any draw."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, Command

BASE = str(ROOT / "params" / "base.toml")
PUE = "hardware.pue.median"
HUGE, ENDLESS = "1" + "0" * 400, "1" * 5000
OUT_OF_RANGE = [
    *(("run", f"--{name}", number) for name in ("draws", "seed", "threads") for number in (HUGE,)),
    ("run", "--draws", ENDLESS),
    ("run", "--seed", ENDLESS),
    ("run", "--until", "mean(tps_decode) +- 20", "--max-draws", HUGE),
    ("run", "--until", f"mean(tps_decode) +- {HUGE}"),
    ("run", "--until", f"P(tps_decode > {HUGE}) +- .1"),
    ("run", "--until", f"p{ENDLESS}(tps_decode) +- .1"),
    ("run", "--set", f"{PUE}={HUGE}"),
    ("run", "--set", f"{PUE}={ENDLESS}"),
    ("run", "--cluster", f"local:{HUGE}"),
    ("sweep", "--over", f"{PUE}=1:{HUGE}:3"),
    ("sweep", "--over", f"{PUE}=1,{HUGE}"),
    ("sweep", "--over", f"{PUE}=1.1:1.2:{ENDLESS}"),
    ("sweep", "--over", f"{PUE}=1.1:1.2:2", "--draws", HUGE),
    ("sweep", "--over", f"{PUE}=1.1:1.2:2", "--output", f"P(tps_decode > {ENDLESS})"),
]
UNKNOWN = [
    ("run", "--until", "p5(nonsense) +- 1"),
    ("run", "--until", "p5(gw[opnai]) +- 1"),
    ("run", "--lab", "opnai"),
    ("sweep", "--over", f"{PUE}=1.1:1.2:2500", "--output", "nonsense"),
    ("sweep", "--over", f"{PUE}=1.1:1.2:2500", "--output", "p5(gw[opnai])"),
]


@pytest.mark.parametrize("words", [*OUT_OF_RANGE, *UNKNOWN], ids=lambda words: words[-1][:20])
def test_an_option_is_refused_before_any_draw(
    invoke: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    name, *options = words
    done = invoke(name, BASE, *options)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 3
    assert all(line.startswith("--") for line in lines)
    assert not (tmp_path / "outputs").exists()
