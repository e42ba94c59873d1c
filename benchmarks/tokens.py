"""The people who send a fleet's commands, each with a token of two grants."""

import time

from benchmarks.fleet import Fleet
from tests.support.tokens import TokenIssuer

PEOPLE_OF_EACH = 5
"""How many people each organization has."""
_SECONDS = 8 * 3600


def tokens_of(fleet: Fleet, issuer: TokenIssuer) -> dict[str, bytes]:
    """Return the tokens of all people of a fleet: they may bind its projects, and nothing else."""
    return {
        person: issuer.token(
            person,
            [
                {"organization": organization, "role": "project-owner", "projects": ["project-*"]},
                {"organization": organization, "role": "account-user", "accounts": ["account-*"]},
            ],
            exp=int(time.time()) + _SECONDS,
        )
        for organization, person in fleet.people
    }
