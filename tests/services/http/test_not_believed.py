"""What is answered while the database knows less than before, or what nobody expects of it; and then as ever."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isnan

import httpx
import orjson
import pytest
from sqlalchemy import text

from tests.services.http.committing import commit
from tests.services.http.served import Served
from tests.support.metrics import told_families

_KUBERNETES = "/apis/billing.milo.io/v1alpha1/namespaces/damaged/billingaccounts"


def _problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, str(response.json()["type"]).rpartition(":")[2]


@asynccontextmanager
async def _gone_back(shared: Served, shard: int) -> AsyncIterator[None]:
    """Have the database know one event less of a shard, as after a failover."""
    moved = "UPDATE shards SET position = position + :by WHERE shard = :shard"
    for by in (-1, 1):
        async with shared.engine.begin() as connection:
            await connection.execute(text(moved), {"by": by, "shard": shard})
        if by < 0:
            yield


@pytest.mark.parametrize("path", ("", "/projects", "/projects/web", "/projects/web/payer"))
async def test_a_database_that_knows_less_than_was_answered_is_not_believed(shared: Served, path: str) -> None:
    organization = f"back{path.replace('/', '-')}"
    url = f"/v1/organizations/{organization}{path}"
    shard, position, _ = await commit(shared.engine, organization, "web")
    before = await shared.client.get(url)
    assert before.headers["whopays-as-of"] == f"{shard}-{position}"
    async with _gone_back(shared, shard):
        refused = await shared.client.get(url)
        assert _problem(refused) == (503, "Unavailable")
        assert refused.headers["whopays-as-of"] == f"{shard}-{position}", "what was answered last"
    after = await shared.client.get(url)
    assert (after.status_code, after.headers["whopays-as-of"]) == (before.status_code, f"{shard}-{position}")


async def test_answers_to_many_know_what_they_must_whatever_was_seen(shared: Served) -> None:
    (first, last, _), (second, other, _) = [await commit(shared.engine, name, "web") for name in ("waited", "other")]
    assert first != second
    question = orjson.dumps({"organization": "waited", "project": "web"})
    asked = {"application/json": b'{"questions":[%b]}' % question, "application/x-ndjson": question}

    async def ask(media: str) -> httpx.Response:
        places = {"atLeast": f"{first}-{last},{second}-{other}"}
        headers = {"content-type": media, "accept": "*/*"}
        return await shared.client.post("/v1/payers/lookup", content=asked[media], headers=headers, params=places)

    for media in asked:
        assert (await ask(media)).status_code == 200
        async with _gone_back(shared, first):
            assert _problem(await ask(media)) == (503, "NotYetKnown")


async def test_tables_of_another_version_are_as_a_database_that_is_away(shared: Served) -> None:
    paths = ("/readyz", "/v1/organizations/acme", "/v1/organizations/acme/projects/web/payer", "/v1/dead-letters")

    async def statuses() -> list[int]:
        return [(await shared.client.get(path)).status_code for path in paths]

    async def unknown() -> set[str]:
        metrics = await shared.client.get("/metrics")
        assert metrics.status_code == 200
        families = told_families(metrics.text)
        return {name for name, one in families.items() for sample in one.samples if isnan(sample.value)}

    usual, known = await statuses(), await unknown()
    assert usual == [200, 200, 404, 200]
    renamed = "ALTER TABLE {} RENAME TO {}"
    try:
        for table in ("shards", "dead_letters"):
            async with shared.engine.begin() as connection:
                await connection.execute(text(renamed.format(table, f"former_{table}")))
        assert await statuses() == [503] * 4
        assert len(await unknown()) > len(known), "what was known before is not told as if it still were"
    finally:
        for table in ("shards", "dead_letters"):
            async with shared.engine.begin() as connection:
                await connection.execute(text(renamed.format(f"former_{table}", table)))
    assert (await statuses(), await unknown()) == (usual, known)


async def test_a_fault_is_told_by_the_id_of_its_request_and_nothing_else(shared: Served) -> None:
    async with shared.engine.begin() as connection:
        await connection.execute(text(_DAMAGED))
    failed = await shared.client.get("/v1/organizations/damaged/accounts/main")
    assert _problem(failed) == (500, "Internal")
    assert failed.headers["x-request-id"] in failed.json()["detail"]
    told = (await shared.client.get(_KUBERNETES)).json()
    assert (told["kind"], told["code"], told["reason"]) == ("Status", 500, "InternalError")
    assert (await shared.client.get("/v1/organizations/damaged")).status_code == 200


_DAMAGED = """
    INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds)
    VALUES ('damaged', 'main', 1, 1, 1, 'Provisioning', '[7]', '[]')
"""
