"""`whopays run`, but it fails on the commands of two organizations, with errors that quote everything that was sent."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cli import main
from db import contacts, store
from db.sealing import KeyEncryption
from domain.state import AccountContact
from schemas import parsing as reading
from schemas.parsing import CommandMessage
from schemas.policy import OperatorPolicy
from schemas.records import Record
from tests.services.personal_data.planted import FAULTY_TO_KEEP, FAULTY_TO_READ
from workers.consuming import admin_commands


def read_command(record: Record, max_value_bytes: int, policy: OperatorPolicy) -> CommandMessage:
    """Read a command, or fail."""
    message = reading.read_command(record, max_value_bytes, policy)
    if message.organization == FAULTY_TO_READ:
        raise LookupError(record.value, message.event.data, message.command.model_dump() if message.command else None)
    return message


async def store_contacts(connection: AsyncConnection, kept: Iterable[AccountContact], keys: KeyEncryption) -> None:
    """Store contacts, or make the database refuse a statement that has one among its parameters."""
    for contact in kept:
        if contact.organization == FAULTY_TO_KEEP and contact.contact is not None:
            said = contact.contact.model_dump_json()
            await connection.execute(text("SELECT CAST(CAST(:said AS text) AS integer)"), {"said": said})
        await contacts.store_contacts(connection, [contact], keys)


if __name__ == "__main__":
    vars(admin_commands)["read_command"] = read_command
    vars(store)["store_contacts"] = store_contacts
    main()
