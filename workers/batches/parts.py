"""The parts of a batch, each a transaction."""

from collections.abc import Iterator

from domain.bindings import MOST_PROJECTS
from domain.messages import Message
from schemas.commands import TransferProjects
from schemas.parsing import CommandMessage


def parts_of(messages: list[Message]) -> Iterator[list[Message]]:
    """Yield messages in parts, in order, so that no part moves more projects than a single transfer may."""
    part: list[Message] = []
    moved = 0
    for message in messages:
        moves = _moved_projects(message)
        if moved and moved + moves > MOST_PROJECTS:
            yield part
            part, moved = [], 0
        part.append(message)
        moved += moves
    if part:
        yield part


def _moved_projects(message: Message) -> int:
    """Return the most projects that a message may move: 0 unless it is a transfer."""
    if isinstance(message, CommandMessage) and isinstance(message.command, TransferProjects):
        return len(message.command.projects or ()) or MOST_PROJECTS
    return 0
