"""What errors of the database are called in log lines and details."""

import asyncpg
from sqlalchemy.exc import DBAPIError

from db.errors import brief


def test_an_error_is_named_as_postgresql_names_it_and_its_text_is_not_repeated() -> None:
    refused = asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT: secret")
    adapted = Exception("secret")
    adapted.__cause__ = refused
    for error in (refused, DBAPIError("INSERT secret", None, adapted)):
        assert brief(error) == "ReadOnlySQLTransactionError 25006"
    assert brief(ConnectionResetError("secret")) == "ConnectionResetError"
