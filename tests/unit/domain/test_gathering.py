"""Every record of a batch is looked up, whatever it says: it may have been handled before."""

from domain.dead_letters import Dead
from domain.gathering import needs_of
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import CommandMessage, FactMessage
from schemas.records import DeadLetterReason
from tests.unit.schemas.building import BIND, PROFILE, PROJECT, command, fact, structured


def test_every_record_is_looked_up() -> None:
    dead = Dead(structured("BindProject", BIND), DeadLetterReason.INVALID_FACT, "why", False, "acme")
    messages: list[CommandMessage | FactMessage | Dead] = [
        dead,
        command(structured("BindProject", BIND)),
        command(structured("BindProject", BIND | {"project": 7})),
        fact(structured("ProjectChanged", PROJECT), ProjectChanged),
        fact(structured("PaymentProfileChanged", PROFILE), PaymentProfileChanged),
    ]
    assert needs_of(messages).records == [message.record for message in messages]
