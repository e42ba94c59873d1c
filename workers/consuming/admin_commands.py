"""The consumer of `admin-commands`: every command gets its result."""

from functools import partial

from faststream.kafka import KafkaBroker

from schemas.parsing import read_command
from schemas.topics import Topic
from workers.consuming.lanes import Lanes
from workers.consuming.subscription import Consumption, consume
from workers.runtime.liveness import Liveness
from workers.runtime.roles import Role


def subscribe(broker: KafkaBroker, consumption: Consumption) -> tuple[Lanes, Liveness]:
    """Take in commands."""
    settings = consumption.settings
    reader = partial(read_command, max_value_bytes=settings.max_value_bytes, policy=settings.policy())
    return consume(broker, consumption, Role.ADMIN_COMMANDS, Topic.ADMIN_COMMANDS, reader)
