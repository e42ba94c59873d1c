"""Parses names of topics and instants on the command line."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.terminal.ending import Misused
from schemas.instants import parse_instant
from schemas.topics import Topic

if TYPE_CHECKING:
    from workers.runtime.settings import Settings

Organization = Annotated[str, typer.Argument(help="The organization's name.", metavar="ORG", show_default=False)]
Account = Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT", show_default=False)]
Project = Annotated[str, typer.Argument(help="The project's name.", metavar="PROJECT", show_default=False)]


def topic_named(word: str, settings: "Settings", topics: Collection[Topic], kind: str) -> Topic:
    """Return the topic in `topics` that a word names, with or without its prefix. Raises Misused."""
    for topic in topics:
        if word in {topic, settings.topic(topic)}:
            return topic
    raise Misused(f"{word} is not an {kind} topic of this installation; these are {', '.join(topics)}.")


def instant_named(option: str, text: str) -> datetime:
    """Parse the instant in an option. Raises Misused."""
    try:
        return parse_instant(text)
    except ValueError:
        raise Misused(f"{option} {text}: not an instant with offset, such as 2027-01-31T12:00:00Z.") from None
