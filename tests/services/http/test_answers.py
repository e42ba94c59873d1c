"""Each question of section 11 of the contract, about an installation in which much was said."""

import asyncio
from collections import Counter
from datetime import datetime
from math import isnan
from typing import Any

import httpx
import jsonschema_rs
import pytest
from sqlalchemy import text

from schemas.events import Phase
from service.app import QUESTIONS
from service.openapi import openapi
from tests.support.installations import Installation
from tests.support.kafka import send
from tests.support.messages import bind, command
from tests.support.metrics import declared_of, told_families
from tests.support.waiting import until
from workers.runtime.roles import SERVE

O = "/v1/organizations/acme"  # noqa: E741 (the contract's own abbreviation)
DOCUMENT = openapi(QUESTIONS, needs_token=False)
SCHEMAS = {
    question.name: jsonschema_rs.validator_for(
        DOCUMENT["paths"][question.path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        | {"components": DOCUMENT["components"]}
    )
    for question in QUESTIONS
    if "application/json" in question.models and question.method == "GET"
}


async def answer(ask: httpx.AsyncClient, path: str, name: str, **parameters: str) -> Any:
    """Return an answer, which is as the OpenAPI document describes it."""
    response = await ask.get(path, params=parameters)
    assert response.status_code == 200, response.text
    document = response.json()
    SCHEMAS[name].validate(document)
    return document


async def bindings(told: Installation, project: str) -> list[Any]:
    """Return the changes of payer of a project of acme."""
    async with told.engine.connect() as connection:
        asked = text("SELECT * FROM bindings WHERE organization = 'acme' AND project = :project ORDER BY number")
        return list((await connection.execute(asked, {"project": project})).all())


async def test_an_organization(ask: httpx.AsyncClient) -> None:
    assert await answer(ask, "/v1/organizations/globex", "getOrganization") == {
        "organization": "globex",
        "defaultAccount": None,
        "accounts": 2,
        "projects": 3,
        "unbound": 1,
    }
    unheard = await answer(ask, "/v1/organizations/unheard-of", "getOrganization")
    assert unheard == {
        "organization": "unheard-of", "defaultAccount": None, "accounts": 0, "projects": 0, "unbound": 0,
    }  # fmt: skip


async def test_an_organization_that_nobody_heard_of_has_nothing(ask: httpx.AsyncClient) -> None:
    for path in ("projects", "accounts", "results"):
        response = await ask.get(f"/v1/organizations/unheard-of/{path}")
        assert (response.status_code, response.json()) == (200, {"items": [], "next": None})


async def test_a_project(ask: httpx.AsyncClient) -> None:
    project = await answer(ask, f"{O}/projects/web", "getProject")
    assert list(project) == ["organization", "project", "state", "version", "payer", "scheduled", "waiting"]
    assert (project["payer"]["account"], project["payer"]["endedAt"]) == ("spare", None)
    deleted = await answer(ask, "/v1/organizations/initech/projects/web", "getProject")
    assert (deleted["state"], deleted["payer"]) == ("Deleted", None)


async def test_what_is_scheduled_and_waits(told: Installation, ask: httpx.AsyncClient) -> None:
    await send(told, [bind("globex", "shop", "spare", "later", effectiveAt="2099-01-01T00:00:00Z")])
    await send(told, [bind("globex", "lab", "unborn", "patient", waitSeconds=3600)])

    async def both() -> Any:
        shop, lab = [
            await answer(ask, f"/v1/organizations/globex/projects/{one}", "getProject") for one in ("shop", "lab")
        ]
        return (shop, lab) if shop["scheduled"] and lab["waiting"] else None

    shop, lab = await until(both, "a scheduled and a waiting binding")
    assert shop["scheduled"] == {
        "account": "spare",
        "effectiveAt": "2099-01-01T00:00:00.000000Z",
        "commandId": "later",
        "commandSource": "/tests",
    }
    assert [list(one) for one in lab["waiting"]] == [["account", "until", "commandId", "commandSource"]]
    for project in ("shop", "lab"):
        await send(told, [command("CancelScheduledBinding", f"cancel-{project}", "globex", project=project)])


async def test_who_pays_at_each_instant(told: Installation, ask: httpx.AsyncClient) -> None:
    changes = await bindings(told, "web")
    assert len(changes) == 4
    for before, change in zip([None, *changes], changes, strict=False):
        at = change.from_instant
        found = await answer(ask, f"{O}/projects/web/payer", "getPayer", at=at.isoformat())
        assert (found["payer"]["account"], found["settled"]) == (change.account, True)
        assert found["payer"]["bindingId"] == f"acme/web/{change.number}"
        just_before = at.replace(microsecond=at.microsecond - 1) if at.microsecond else None
        if just_before is not None:
            found = await answer(ask, f"{O}/projects/web/payer", "getPayer", at=just_before.isoformat())
            assert (found["payer"] and found["payer"]["account"]) == (before and before.account)


async def test_who_pays_now_is_not_settled(ask: httpx.AsyncClient) -> None:
    found = await answer(ask, f"{O}/projects/web/payer", "getPayer")
    assert (found["payer"]["account"], found["settled"]) == ("spare", False)
    assert (await answer(ask, f"{O}/projects/lab/payer", "getPayer"))["payer"] is None


async def test_many_who_ask_at_once_get_each_their_own_answer(ask: httpx.AsyncClient) -> None:
    places = [
        (organization, project) for organization in ("acme", "globex", "none") for project in ("web", "lab", "no")
    ]
    asked = places * 8
    paths = [f"/v1/organizations/{organization}/projects/{project}/payer" for organization, project in asked]
    for _ in range(3):
        responses = await asyncio.gather(*(ask.get(path) for path in paths))
        for (organization, project), response in zip(asked, responses, strict=True):
            if organization == "none" or project == "no":
                assert response.status_code == 404
            else:
                document = response.json()
                assert (document["organization"], document["project"]) == (organization, project)
                assert (document["payer"] is None) == (project == "lab")


async def test_instants_are_cut_and_leap_seconds_read(ask: httpx.AsyncClient) -> None:
    found = await answer(ask, f"{O}/projects/web/payer", "getPayer", at="2016-12-31T23:59:60.75Z")
    assert found["at"] == "2016-12-31T23:59:59.999999Z"
    found = await answer(ask, f"{O}/projects/web/payer", "getPayer", at="2026-01-01T00:00:00.1234569+02:00")
    assert found["at"] == "2025-12-31T22:00:00.123456Z"
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        assert (await answer(ask, f"{O}/projects/web/payer", "getPayer", at=at))["at"][:4] == at[:4]


async def test_projects(ask: httpx.AsyncClient) -> None:
    async def names(organization: str = "acme", **parameters: str) -> list[str]:
        page = await answer(ask, f"/v1/organizations/{organization}/projects", "listProjects", **parameters)
        return [one["project"] for one in page["items"]]

    assert await names() == ["lab", "shop", "web"]
    assert await names(account="spare") == ["shop", "web"]
    assert await names(account="main") == []
    assert await names(account="unknown") == []
    assert await names(unbound="true") == ["lab"]
    assert await names(unbound="false") == ["shop", "web"]
    assert await names(state="Inactive") == []
    assert await names("initech") == ["lab", "shop"]
    assert await names("initech", state="Deleted") == ["web"]


async def test_projects_at_an_instant(told: Installation, ask: httpx.AsyncClient) -> None:
    first, second, *_ = await bindings(told, "web")
    page = await answer(ask, f"{O}/projects", "listProjects", at=first.from_instant.isoformat(), account="main")
    found = {one["project"]: one["payer"] for one in page["items"]}
    assert found["web"]["account"] == "main"
    assert found["web"]["endedAt"].startswith(second.from_instant.strftime("%Y-%m-%dT%H:%M:%S.%f"))
    page = await answer(ask, "/v1/organizations/initech/projects", "listProjects", at="2026-01-01T00:00:00Z")
    assert [(one["project"], one["state"], one["payer"]) for one in page["items"]][-1] == ("web", "Deleted", None)


async def test_accounts(ask: httpx.AsyncClient) -> None:
    page = await answer(ask, "/v1/organizations/globex/accounts", "listAccounts")
    assert [(one["account"], one["phase"]) for one in page["items"]] == [("main", "Suspended"), ("spare", "Ready")]
    assert not {"cause", "contact", "balance"} & set(page["items"][0])
    page = await answer(ask, "/v1/organizations/globex/accounts", "listAccounts", phase=Phase.READY)
    assert [one["account"] for one in page["items"]] == ["spare"]


async def test_an_account(ask: httpx.AsyncClient) -> None:
    account = await answer(ask, "/v1/organizations/globex/accounts/main", "getAccount")
    assert (account["phase"], account["boundProjects"]) == ("Suspended", 2)
    assert [one["type"] for one in account["missing"]] == ["NoHolds", "Ready"]
    assert account["closureBlockers"][0]["reason"] == "ActiveBindingsExist"
    assert account["closureBlockers"][0]["blockers"] == {"count": 2, "projects": ["shop", "web"]}
    assert account["profile"] == {
        "paymentProfile": "card", "kind": "CreditCard", "state": "Valid", "version": 1, "expiresAt": None,
    }  # fmt: skip
    assert not {"cause", "contact", "balance"} & set(account), "nobody was told who asks"


async def test_the_phases_of_an_account(ask: httpx.AsyncClient) -> None:
    page = await answer(ask, "/v1/organizations/globex/accounts/main/phases", "listPhases")
    told = [(one["previousPhase"], one["phase"], one["reason"]) for one in page["items"]]
    assert told[0][:2] == (None, "Provisioning")
    assert told[-1] == ("Ready", "Suspended", "Administrative")
    assert page["items"][-1]["cause"]["commandId"] == "hold"
    assert all("holds" not in one and one["eventId"] for one in page["items"])


async def test_the_intervals_of_a_project(told: Installation, ask: httpx.AsyncClient) -> None:
    changes = await bindings(told, "web")
    page = await answer(ask, f"{O}/projects/web/intervals", "listProjectIntervals")
    assert [one["account"] for one in page["items"]] == [change.account for change in changes]
    assert page["settled"] is False
    assert page["items"][-1]["until"] is None
    begin, end = (changes[1].from_instant.isoformat(), changes[2].from_instant.isoformat())
    page = await answer(ask, f"{O}/projects/web/intervals", "listProjectIntervals", **{"from": begin, "until": end})
    assert [one["bindingId"] for one in page["items"]] == ["acme/web/2"]
    assert (page["items"][0]["from"], page["settled"]) == (page["items"][0]["establishedAt"], True)


async def test_the_intervals_of_an_account(ask: httpx.AsyncClient) -> None:
    page = await answer(ask, f"{O}/accounts/main/intervals", "listAccountIntervals")
    assert [(one["project"], one["bindingId"][-1]) for one in page["items"]] == [
        ("shop", "1"), ("shop", "3"), ("web", "1"), ("web", "3"),
    ]  # fmt: skip
    year = {"from": "2025-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    assert (await answer(ask, f"{O}/accounts/main/intervals", "listAccountIntervals", **year)) == {
        "items": [], "next": None, "settled": True,
    }  # fmt: skip


async def test_results(ask: httpx.AsyncClient) -> None:
    found = await answer(ask, f"{O}/results", "listResults", id="move")
    assert [(one["commandId"], one["outcome"], one["projectCount"]) for one in found["items"]] == [
        ("move", "Applied", 2)
    ]
    assert list(found) == ["items"]
    assert found == await answer(ask, f"{O}/results", "listResults", id="move", source="/tests")
    page = await answer(ask, f"{O}/results", "listResults", project="web")
    assert [one["commandId"] for one in page["items"]] == ["web-2", "web-1", "web-0"]
    assert (await answer(ask, f"{O}/results", "listResults", outcome="Scheduled"))["items"] == []


@pytest.mark.parametrize(
    ("path", "name"),
    (
        (f"{O}/projects/none", "ProjectNotFound"),
        (f"{O}/projects/none/payer", "ProjectNotFound"),
        (f"{O}/projects/none/intervals", "ProjectNotFound"),
        (f"{O}/accounts/none", "AccountNotFound"),
        (f"{O}/accounts/none/phases", "AccountNotFound"),
        (f"{O}/accounts/none/intervals", "AccountNotFound"),
        (f"{O}/results?id=nobodys", "ResultNotFound"),
        (f"{O}/results?id=move&source=/other", "ResultNotFound"),
        ("/v1/replays/none", "ReplayNotFound"),
    ),
)
async def test_what_is_not_found(ask: httpx.AsyncClient, path: str, name: str) -> None:
    response = await ask.get(path)
    assert response.status_code == 404
    assert response.json()["type"] == f"urn:whopays:problem:{name}"


async def test_who_asked_for_what(ask: httpx.AsyncClient) -> None:
    everything = (await answer(ask, f"{O}/audit", "listAudit"))["items"]
    assert [one["time"] for one in everything] == sorted((one["time"] for one in everything), reverse=True)
    assert {(one["person"], one["issuer"], *one["roles"]) for one in everything} == {("alice", None)}
    results = (await answer(ask, f"{O}/results", "listResults"))["items"]
    assert {one["eventId"] for one in results} <= {one["eventId"] for one in everything}
    first = await answer(ask, f"{O}/audit", "listAudit", limit="2", by="ALICE")
    assert first["items"] == everything[:2]
    rest = await answer(ask, f"{O}/audit", "listAudit", by="ALICE", cursor=first["next"])
    assert (rest["items"], rest["next"]) == (everything[2:], None)
    period = {"since": everything[2]["time"], "until": everything[0]["time"]}
    assert (await answer(ask, f"{O}/audit", "listAudit", **period))["items"] == [
        one for one in everything if period["since"] <= one["time"] < period["until"]
    ]
    for nobody in ({"by": "bob"}, {"since": "2099-01-01T00:00:00Z"}, {"until": "2020-01-01T00:00:00Z"}):
        assert await answer(ask, f"{O}/audit", "listAudit", **nobody) == {"items": [], "next": None}
    for name in ("", " alice", "a\u202eb", "x" * 257):
        refused = await ask.get(f"{O}/audit", params={"by": name})
        assert [(one["reason"], one["field"]) for one in refused.json()["violations"]] == [("Malformed", "by")]


async def test_dead_letters(told: Installation, ask: httpx.AsyncClient) -> None:
    page = await answer(ask, "/v1/dead-letters", "listDeadLetters")
    assert len(page["items"]) == 3
    assert all("value" not in one for one in page["items"])
    of_acme = await answer(ask, "/v1/dead-letters", "listDeadLetters", organization="acme", reason="InvalidFact")
    assert [(one["topic"], one["reason"]) for one in of_acme["items"]] == [(f"{told.prefix}projects", "InvalidFact")]
    assert (await answer(ask, "/v1/dead-letters", "listDeadLetters", topic="other"))["items"] == []


async def test_replays(ask: httpx.AsyncClient) -> None:
    assert await answer(ask, "/v1/replays", "listReplays") == {"items": [], "next": None}


async def test_probes(ask: httpx.AsyncClient) -> None:
    assert await answer(ask, "/livez", "isAlive") == {"status": "alive"}
    assert await answer(ask, "/readyz", "isReady") == {"status": "ready"}
    assert await answer(ask, "/openapi.json", "getOpenApi") == DOCUMENT
    metrics = await ask.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    told = told_families(metrics.text)
    assert told.keys() == declared_of((SERVE,), checks_tokens=False)
    unknown = [name for name, one in told.items() for sample in one.samples if isnan(sample.value)]
    assert unknown == ["whopays_events_audited"], "all but what an audit would tell"
    waiting = {sample.labels["reason"]: sample.value for sample in told["whopays_dead_letters_waiting"].samples}
    letters = (await answer(ask, "/v1/dead-letters", "listDeadLetters"))["items"]
    assert waiting == {**dict.fromkeys(waiting, 0), **Counter(one["reason"] for one in letters)}
    assert 'whopays_http_requests_total{path="/livez",status="200"}' in metrics.text
    counted = await ask.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert counted.headers["content-type"].startswith("application/openmetrics-text")
    assert counted.text.endswith("# EOF\n")
    for changing in (metrics, counted, await ask.get("/livez"), await ask.get("/readyz")):
        assert "etag" not in changing.headers
    (closed,) = [
        line for line in metrics.text.splitlines() if line.startswith("whopays_closed_until_timestamp_seconds ")
    ]
    known = await ask.get("/v1/organizations/acme")
    assert float(closed.partition(" ")[2]) <= datetime.fromisoformat(known.headers["whopays-closed-until"]).timestamp()

    async def all_published() -> bool:
        return "whopays_events_unpublished 0.0" in (await ask.get("/metrics")).text.splitlines()

    await until(all_published, "that all is published")
    proxied = await ask.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert proxied.status_code == 403
