"""The consumer of `projects`: what the resource manager reports."""

from functools import partial

from schemas.facts import ProjectChanged
from schemas.parsing import read_fact
from schemas.topics import Topic
from workers.batches.messages import Reader
from workers.consuming.subscription import Consumer
from workers.runtime.roles import Role
from workers.runtime.settings import Settings


def _reader(settings: Settings) -> Reader:
    return partial(read_fact, model=ProjectChanged, max_value_bytes=settings.max_value_bytes)


PROJECTS = Consumer(Role.PROJECTS, Topic.PROJECTS, _reader)
