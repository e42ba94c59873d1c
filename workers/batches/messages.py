"""Turning a record into a message to decide, or into a dead letter if it cannot be read."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from db.errors import brief
from db.log import EventTooLarge
from domain.dead_letters import Dead
from domain.messages import Due, Message
from schemas.asking import Checked
from schemas.envelope import Trail, trail_of
from schemas.parsing import CommandMessage, FactMessage, organization_of, organization_of_key
from schemas.records import REDRIVE_HEADER, DeadLetterReason, Record, Unanswerable
from workers.runtime.roles import Role

Reader = Callable[..., CommandMessage | FactMessage]
"""Reads a record; for a command, where tokens are checked, also takes `checked`, the outcome of that check."""

logger = structlog.get_logger()


def message_of(
    record: Record, reader: Reader, max_value_bytes: int, *, is_private: bool, checked: Checked | None = None
) -> Message:
    """Read a record of at most `max_value_bytes`; one that cannot be answered becomes a dead letter."""
    boundary = f"{record.topic}/{record.partition}"
    try:
        return reader(record) if checked is None else reader(record, checked=checked)
    except Unanswerable as refusal:
        trail, organization = trail_of(record, max_value_bytes), organization_of(record, max_value_bytes)
        return Dead(record, refusal.reason, refusal.detail, is_private, boundary, trail, organization, checked)
    except Exception as fault:
        logger.exception("record_faulty", place=record.place)
        organization = organization_of_key(record)
        reason = DeadLetterReason.HANDLER_FAULT
        return Dead(record, reason, brief(fault), is_private, boundary, Trail(), organization, checked)


def dead_letter_for(message: CommandMessage | FactMessage | Dead, fault: Exception, role: Role) -> Dead:
    """Return the dead letter for a message that raised `fault` while it was decided."""
    record, reason = message.record, DeadLetterReason.HANDLER_FAULT
    if isinstance(fault, EventTooLarge):
        # A dead letter repeats only key and headers in full: with them it would be too large as well.
        redriven = [] if record.redrive_id is None else [(REDRIVE_HEADER, record.redrive_id.hex.encode())]
        record, reason = replace(record, key=None, headers=tuple(redriven)), DeadLetterReason.TOO_LARGE
    organization = message.organization if isinstance(message, Dead) else _organization(message)
    boundary = _organization(message) or f"{record.topic}/{record.partition}"
    is_private, trail = role is Role.ADMIN_COMMANDS, trail_of_message(message)
    checked = None if isinstance(message, FactMessage) else message.checked
    return Dead(record, reason, brief(fault), is_private, boundary, trail, organization, checked)


def trail_of_message(message: CommandMessage | FactMessage | Dead) -> Trail:
    """Return the attributes of a message that are passed on."""
    return message.trail if isinstance(message, Dead) else message.event.trail


def is_keyed_otherwise(message: Message) -> bool:
    """Return whether the key of a message's record is not its organization."""
    if isinstance(message, Dead | Due):
        return False
    return message.record.key != (_organization(message) or "").encode()


def _organization(message: Message) -> str | None:
    match message:
        case CommandMessage():
            return message.organization
        case FactMessage():
            return message.fact.organization
        case Dead() | Due():
            return None


def place_of(message: Message) -> str:
    """Return the origin of a message, for log lines."""
    return f"{message.kind}/{message.organization}/{message.name}" if isinstance(message, Due) else message.record.place
