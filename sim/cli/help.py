"""`sim help`: the pages that are shipped with the package."""

from __future__ import annotations

from typing import Annotated

import typer

from sim.cli.printing import say
from sim.common.errors import Fault, InputError, Location
from sim.common.shipped import DOCS, help_topics
from sim.common.text import nearest


def help_(
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="A page; all topics unless given.")
    ] = None,
) -> None:
    """Print a help page: files, distributions, sampling, results, the model and more."""
    topics = help_topics()
    if topic is None:
        width = max(map(len, topics))
        for name, title in topics.items():
            say(f"{name:{width}}  {title}")
        say("\nsim help TOPIC prints a page; sim COMMAND --help the options of a command.")
        return
    if topic not in topics:
        message = f"no such topic{nearest(topic, list(topics))}"
        raise InputError([Fault(Location("sim help"), topic, message)])
    from rich.markdown import Markdown

    from sim.cli.terminal import out

    page = Markdown((DOCS / f"{topic}.md").read_text(encoding="utf-8"))
    if out.is_terminal:
        with out.pager(styles=True, links=True):
            out.print(page)
    else:
        out.print(page)
