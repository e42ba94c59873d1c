"""Servers that need a token, and people with grants of every kind."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from db.engine import create_engine
from embedded import Addresses
from tests.services.http.served import Served, serving
from tests.services.questions.story import tell
from tests.support.installations import database
from tests.support.tokens import TokenIssuer
from workers.runtime.settings import Settings

ACME = "/v1/organizations/acme"
Grants = Sequence[Mapping[str, Any]]


def grant(role: str, organization: str = "acme", **lists: list[str]) -> dict[str, Any]:
    """Return a grant as a token says it."""
    return {"organization": organization, "role": role, **lists}


PEOPLE: dict[str, Grants] = {
    "nobody": [],
    "of another": [grant("viewer", "globex")],
    "of an account": [grant("account-user", accounts=["main"])],
    "of a project": [grant("project-owner", projects=["web"])],
    "of profiles": [grant("account-admin", paymentProfiles=["*"])],
    "viewer": [grant("viewer")],
    "auditor": [grant("auditor")],
    "operator": [grant("operator")],
    "operator of all": [grant("operator", "*")],
}
"""What people were granted, by what they are called in these tests."""


@dataclass
class Guarded:
    """A server that needs tokens, and their issuer."""

    served: Served
    issuer: TokenIssuer

    async def get(self, path: str, grants: Grants | None, **more: Any) -> httpx.Response:
        """Ask as somebody with grants, or without a token."""
        headers = dict(more.pop("headers", {}))
        if grants is not None:
            headers["Authorization"] = f"Bearer {self.token(grants)}"
        return await self.served.client.request(more.pop("method", "GET"), path, headers=headers, **more)

    def token(self, grants: Grants, **claims: Any) -> str:
        """Return a token with grants."""
        return self.issuer.token("somebody", grants, **claims).decode()


@asynccontextmanager
async def guarded(addresses: Addresses, template: str, issuer: TokenIssuer) -> AsyncIterator[Guarded]:
    """Yield such a server on a database that holds the story of tests/services/questions/story.py."""
    async with database(addresses, template) as (name, url):
        engine = create_engine(url)
        try:
            await tell(engine)
            settings = Settings(database_url=url, installation=name, auth="jwt", issuers=issuer.configured)
            async with serving(engine, settings) as served:
                yield Guarded(served, issuer)
        finally:
            await engine.dispose()


async def document_at(asked: Guarded, path: str, grants: Any) -> Any:
    """Return what is answered at a path."""
    answer = await asked.get(path, grants)
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem_of(answer: httpx.Response, status: int) -> str:
    """Return the name of the problem that an answer of this status tells."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).rpartition(":")[2]
