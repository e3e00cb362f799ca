"""`sim help` prints the pages that the package ships."""

from __future__ import annotations

import pytest
from conftest import Command

from sim.common.shipped import help_topics

TOPICS = {
    "calculator", "clusters", "distributions", "expressions", "files", "glossary", "model",
    "python", "results", "sampling", "scenarios", "what-if", "why",
}  # fmt: skip


def test_help_lists_every_topic_with_its_title(command: Command) -> None:
    assert set(help_topics()) == TOPICS
    done = command("help")
    assert done.returncode == 0
    for topic, title in help_topics().items():
        assert f"{topic:13}  {title}" in done.stdout


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_help_page_fits_eighty_columns(command: Command, topic: str) -> None:
    done = command("help", topic)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert help_topics()[topic] in done.stdout


def test_an_unknown_topic_names_the_nearest(command: Command) -> None:
    done = command("help", "modle")
    assert done.returncode == 2
    assert done.stderr == "sim help: modle: no such topic; did you mean 'model'?\n"
