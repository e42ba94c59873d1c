"""Whether data hold a card number (`docs/contract.md`, section 2): independent of the service's own check."""

import re

from tests.acceptance.json_types import Json

_CANDIDATE = re.compile(r"[\s\u2010-\u2015-]*([0-9][\s\u2010-\u2015-]*){13,19}")
_NOT_SEARCHED = (
    "organization", "project", "projects", "account", "fromAccount", "toAccount", "expectedAccount", "uid",
    "contact/phone", "preferences/taxRegistrations", "preferences/eInvoicing",
)  # fmt: skip


def holds_card_number(data: Json, path: str = "") -> bool:
    """Return whether a string or a member's name in the data is taken for a card number."""
    if path in _NOT_SEARCHED:
        return False
    match data:
        case str():
            return _is_card_number(data)
        case list():
            return any(holds_card_number(member, f"{path}/-") for member in data)
        case dict():
            return any(
                _is_card_number(name) or holds_card_number(member, f"{path}/{name}".lstrip("/"))
                for name, member in data.items()
            )
        case _:
            return False


def _is_card_number(text: str) -> bool:
    if not _CANDIDATE.fullmatch(text):
        return False
    digits = [int(digit) for digit in text if digit.isascii() and digit.isdigit()]
    luhn = sum(sum(divmod(digit * (2 if index % 2 else 1), 10)) for index, digit in enumerate(reversed(digits)))
    return luhn % 10 == 0
