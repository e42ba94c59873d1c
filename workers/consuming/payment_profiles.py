"""The consumer of `payment-profiles`: what payments reports."""

from functools import partial

from faststream.kafka import KafkaBroker

from schemas.facts import PaymentProfileChanged
from schemas.parsing import read_fact
from schemas.topics import Topic
from workers.consuming.lanes import Lanes
from workers.consuming.subscription import Consumption, consume
from workers.runtime.liveness import Liveness
from workers.runtime.roles import Role


def subscribe(broker: KafkaBroker, consumption: Consumption) -> tuple[Lanes, Liveness]:
    """Take in payment profile facts: versions, and what they mean for the accounts that a profile is attached to."""
    reader = partial(read_fact, model=PaymentProfileChanged, max_value_bytes=consumption.settings.max_value_bytes)
    return consume(broker, consumption, Role.PAYMENT_PROFILES, Topic.PAYMENT_PROFILES, reader)
