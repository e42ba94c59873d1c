"""Who is refused is refused without a statement: neither what is answered nor when tells what exists (section 12)."""

import asyncpg
import pytest

from db.address import connect_arguments
from embedded import Addresses
from service.app import QUESTIONS
from service.questions import Access
from tests.services.http.rights import PEOPLE, guarded
from tests.services.http.test_rights import LOOKUP, TABLE
from tests.support.tokens import TokenIssuer

_KUBERNETES = "/apis/billing.milo.io/v1alpha1/namespaces/acme"
_RESOURCES = (
    f"{_KUBERNETES}/billingaccounts", f"{_KUBERNETES}/billingaccounts/main", f"{_KUBERNETES}/billingaccountbindings",
    f"{_KUBERNETES}/billingaccounts?watch=true", "/apis/billing.milo.io/v1alpha1/billingaccounts",
    "/apis/resources.milo.io/v1alpha1/namespaces/acme/projects/web", "/api/v1/namespaces/acme",
)  # fmt: skip

_OF_THE_DATABASE = (Access.TOKEN, Access.ORGANIZATION, Access.WHOLE_ORGANIZATION, Access.OPERATORS)
"""All questions but those for the machinery that runs the service."""


async def test_refusals_send_no_statement(
    services: Addresses, template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The database is locked: whoever may ask is told that it is away, and everybody else is refused as ever."""
    asked = [(TABLE[one.name][0], one.method) for one in QUESTIONS if one.access in _OF_THE_DATABASE]
    asked += [(path, "GET") for path in _RESOURCES]
    async with guarded(services, template, TokenIssuer(tmp_path_factory.mktemp("issuer"))) as made:

        async def answers(grants: object) -> list[tuple[int, bytes]]:
            found = []
            for path, method in asked:
                body = {"json": LOOKUP} if method == "POST" else {}
                answer = await made.get(path, grants, method=method, **body)  # type: ignore[arg-type]  # None is nobody
                found.append((answer.status_code, answer.content))
            return found

        refused = [await answers(who) for who in (None, PEOPLE["of another"])]
        assert {status for status, _ in refused[0]} == {401}
        assert {status for status, _ in refused[1]} == {403}
        admin = await asyncpg.connect(**connect_arguments(services.database_url))
        name = made.served.settings.installation
        try:
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
            assert [await answers(who) for who in (None, PEOPLE["of another"])] == refused
            allowed = zip(asked, await answers(PEOPLE["operator of all"]), strict=True)
            # A namespace is answered from its name alone.
            assert {path for (path, _), (status, _) in allowed if status != 503} == {"/api/v1/namespaces/acme"}
        finally:
            await admin.close()
