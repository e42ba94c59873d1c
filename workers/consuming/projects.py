"""The consumer of `projects`: what the resource manager reports."""

from functools import partial

from faststream.kafka import KafkaBroker

from schemas.facts import ProjectChanged
from schemas.parsing import read_fact
from schemas.topics import Topic
from workers.consuming.lanes import Lanes
from workers.consuming.subscription import Consumption, consume
from workers.runtime.liveness import Liveness
from workers.runtime.roles import Role


def subscribe(broker: KafkaBroker, consumption: Consumption) -> tuple[Lanes, Liveness]:
    """Take in project facts: versions, and what a project's appearance or deletion means for its payer."""
    reader = partial(read_fact, model=ProjectChanged, max_value_bytes=consumption.settings.max_value_bytes)
    return consume(broker, consumption, Role.PROJECTS, Topic.PROJECTS, reader)
