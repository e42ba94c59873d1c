"""The consumer of `payment-profiles`: what payments reports."""

from functools import partial

from schemas.facts import PaymentProfileChanged
from schemas.parsing import read_fact
from schemas.topics import Topic
from workers.batches.messages import Reader
from workers.consuming.subscription import Consumer
from workers.runtime.roles import Role
from workers.runtime.settings import Settings


def _reader(settings: Settings) -> Reader:
    return partial(read_fact, model=PaymentProfileChanged, max_value_bytes=settings.max_value_bytes)


PAYMENT_PROFILES = Consumer(Role.PAYMENT_PROFILES, Topic.PAYMENT_PROFILES, _reader)
