"""Identifiers (docs/contract.md section 2); imports only the standard library, for read-only commands to start fast."""

import re

LONGEST_IDENTIFIER = 253
IDENTIFIER_RULE = "1 to 253 characters a-z, 0-9, '.' or '-', beginning and ending with a letter or digit"
IDENTIFIER_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"

_IDENTIFIER = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def is_identifier(value: object) -> bool:
    """Return whether the whole `value` is a valid name of an organization, project, account or payment profile."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None
