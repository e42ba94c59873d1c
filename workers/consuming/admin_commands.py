"""The consumer of `admin-commands`: every command gets its result."""

from functools import partial

from schemas.parsing import read_command
from schemas.topics import Topic
from workers.batches.messages import Reader
from workers.consuming.subscription import Consumer
from workers.runtime.roles import Role
from workers.runtime.settings import Settings


def _reader(settings: Settings) -> Reader:
    return partial(read_command, max_value_bytes=settings.max_value_bytes, policy=settings.policy())


ADMIN_COMMANDS = Consumer(Role.ADMIN_COMMANDS, Topic.ADMIN_COMMANDS, _reader)
