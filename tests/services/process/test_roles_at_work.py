"""The whole product at work with the roles of `whopays migrate --roles`: each part as its own, and as no other."""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from db.engine import create_engine
from db.privileges import Party
from embedded import Addresses
from tests.services.db.roles.parties import SHARDS, Parties, parties
from tests.support.command_line import Ran, whopays_of
from tests.support.installations import KEYS, Installation
from tests.support.serving import asking, serving
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.plan import create_topics

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(services: Addresses) -> AsyncIterator[Parties]:
    """A database with roles."""
    async with parties(services) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(services: Addresses, made: Parties) -> AsyncIterator[Installation]:
    """An installation whose workers, of all roles, work as the workers' role."""
    settings = Settings(
        database_url=made.address(Party.WORKER),
        kafka_bootstrap_servers=services.kafka_bootstrap_servers,
        installation=made.installation,
        auth="trusted",
        topic_prefix=f"{made.installation}.",
        topic_partitions=3,
        shards=SHARDS,
        encryption_keys=json.loads(KEYS),
    )
    await create_topics(settings)
    working = Installation(settings, create_engine(made.database_url))
    try:
        await working.start()
        yield working
    finally:
        for worker in working.workers:
            await worker.kill()
        for reader in working.readers:
            await reader
        await working.engine.dispose()


async def _run(installation: Installation, made: Parties, party: Party, *words: str, status: int = 0) -> Ran:
    ran = await whopays_of(installation)(*words, WHOPAYS_DATABASE_URL=made.address(party))
    return ran.expect(status)


_TERMS = ("currencyCode=EUR", "paymentTerms.netDays=30", "paymentProfile=card")
_MESSAGES = (
    ("PaymentProfileChanged", "paymentProfile=card", "kind=CreditCard", "state=Valid", "version=1"),
    ("CreateAccount", "account=main", *_TERMS, 'contact={"name": "Ann", "emails": ["ann@acme.example"]}'),
    ("CreateAccount", "account=lab", *_TERMS),
    ("ProjectChanged", "project=web", "state=Active", "version=1"),
    ("BindProject", "project=web", "account=main"),
    ("BindProject", "project=web", "account=lab"),
    ("BindProject", "project=web", "account=main", "effectiveAt=2099-01-01T00:00:00Z"),
    ("UpdateAccount", "account=main", "contact=null"),
)


async def test_everything_works_as_its_role(installation: Installation, made: Parties) -> None:
    for organization in ("acme", "other"):
        for message in _MESSAGES:
            await _run(installation, made, Party.WORKER, "send", *message, "--organization", organization, "--json")
    for refused in (("BindProject",), ("ProjectChanged", "project=web")):
        await _run(installation, made, Party.WORKER, "send", *refused, "--organization", "acme", status=1)
    for words in (
        ("who", "acme", "web"),
        ("project", "acme", "web"),
        ("timeline", "acme", "web"),
        ("account", "acme", "main"),
        ("accounts", "acme"),
        ("projects", "acme"),
        ("unbound", "acme"),
        ("intervals", "acme", "web"),
        ("dead-letters", "list"),
        ("replay", "list"),
    ):
        for party in (Party.READER, Party.AUDITOR, Party.WORKER):
            await _run(installation, made, party, *words)
    for party in (Party.READER, Party.AUDITOR):
        seen = await _run(installation, made, party, "top", "--once", "--json", "--every", "0.2")
        assert [one for one in seen.document["checks"] if one["verdict"] == "unknown"] == []
        assert seen.document["events"]["perSecond"] is not None
    for line in (
        ("dead-letters", "redrive", "1"),
        ("dead-letters", "discard", "1", "--reason", "a test", "--yes"),
        ("erase-contact", "acme", "lab", "--yes"),
        ("rewrap-keys",),
        ("replay", "start", "r1", "--partitions=1"),
        ("replay", "forget", "r1"),
        ("topics", "check"),
        ("topics", "adopt"),
    ):
        await _run(installation, made, Party.WORKER, *line)
    audited = await _run(installation, made, Party.AUDITOR, "verify")
    assert "not kept" not in audited.err
    read = await _run(installation, made, Party.READER, "migrate", status=1)
    assert "of which" in read.err
    again = await _run(installation, made, Party.OWNER, "migrate", "--roles")
    assert "already" in again.out


async def test_questions_over_http_as_a_reader_and_as_one_who_is_bound(
    installation: Installation, made: Parties
) -> None:
    async with installation.engine.begin() as connection:
        await connection.exec_driver_sql(
            f"INSERT INTO bound_readers VALUES ('{made.login(Party.BOUND)}', 'acme')"  # noqa: S608 (a name made here)
        )
    paths = (
        "", "/projects", "/accounts", "/projects/web", "/projects/web/payer", "/projects/web/intervals",
        "/accounts/main", "/accounts/main/intervals", "/events",
    )  # fmt: skip
    seen: dict[Party, dict[str, int]] = {}
    for party in (Party.READER, Party.BOUND):
        async with serving(installation, WHOPAYS_DATABASE_URL=made.address(party)) as server, asking(server) as client:
            seen[party] = {
                f"{organization}{path}": (await client.get(f"/v1/organizations/{organization}{path}")).status_code
                for organization in ("acme", "other", "nobody")
                for path in paths
            }
            others = (await client.get("/v1/organizations/other/projects")).text
            assert ('"web"' in others) is (party is Party.READER)
            unknown_metrics = re.findall("^(.*) NaN$", (await client.get("/metrics")).text, re.MULTILINE)
            assert unknown_metrics == [], "what the role may not read"
    unknown = {path.removeprefix("nobody"): status for path, status in seen[Party.READER].items() if "nobody" in path}
    assert {path: seen[Party.READER][f"acme{path}"] for path in paths} == dict.fromkeys(paths, 200)
    for path in paths:
        assert (
            seen[Party.READER][f"acme{path}"] == seen[Party.READER][f"other{path}"] == seen[Party.BOUND][f"acme{path}"]
        )
        assert seen[Party.BOUND][f"other{path}"] == unknown[path], "as if it did not exist"


async def test_workers_do_not_start_as_somebody_else(installation: Installation, made: Parties) -> None:
    worker = await installation.launch(Role.RELAY, WHOPAYS_DATABASE_URL=made.address(Party.READER))
    assert await worker.ended() == 1
    assert "lacks the privilege" in "\n".join(worker.lines)
