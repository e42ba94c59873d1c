"""What is seen by whom, over HTTP with real tokens: of what is out of reach nothing (docs/contract.md section 12)."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from tests.services.http.committing import commit
from tests.services.http.rights import ACME, PEOPLE, Guarded, document_at, grant, problem_of
from tests.services.http.served import Served


@pytest.mark.parametrize(
    ("known", "unknown", "field"),
    (
        ("/v1/organizations/globex", "/v1/organizations/nowhere", "organization"),
        ("/v1/organizations/globex/events", "/v1/organizations/nowhere/events", "organization"),
        (f"{ACME}/projects/web", f"{ACME}/projects/nil", "project"),
        (f"{ACME}/projects/web/payer", f"{ACME}/projects/nil/payer", "project"),
        (f"{ACME}/projects/web/intervals", f"{ACME}/projects/nil/intervals", "project"),
        (f"{ACME}/accounts/spare", f"{ACME}/accounts/never", "account"),
        (f"{ACME}/accounts/spare/phases", f"{ACME}/accounts/never/phases", "account"),
        (f"{ACME}/accounts/spare/intervals", f"{ACME}/accounts/never/intervals", "account"),
    ),
)
async def test_what_is_out_of_reach_may_as_well_not_exist(asked: Guarded, known: str, unknown: str, field: str) -> None:
    answers = [await asked.get(path, PEOPLE["of an account"]) for path in (known, unknown)]
    assert [problem_of(one, 403) for one in answers] == ["Forbidden"] * 2
    assert [violation["field"] for violation in answers[0].json()["violations"]] == [field]
    assert answers[0].content == answers[1].content
    assert _headers(answers[0]) == _headers(answers[1])
    assert not any(name.startswith("whopays-") or name == "etag" for name in answers[0].headers)


async def test_filters_that_name_what_is_out_of_reach_find_nothing(asked: Guarded) -> None:
    of_project, of_account = PEOPLE["of a project"], PEOPLE["of an account"]
    nothing: dict[str, Any] = {"items": [], "next": None}
    for path, grants in (
        ("projects?account=main", of_project),
        ("projects?account=never", of_project),
        ("results?account=main", of_project),
        ("results?project=web", of_account),
        ("results?project=web&account=main", of_account),
    ):
        assert (await asked.get(f"{ACME}/{path}", grants)).json() == nothing
        assert path.endswith("never") or (await asked.get(f"{ACME}/{path}", PEOPLE["viewer"])).json() != nothing


async def test_what_is_seen_of_what(asked: Guarded) -> None:
    of_account, of_project = PEOPLE["of an account"], PEOPLE["of a project"]
    assert await document_at(asked, ACME, of_account) == {
        "organization": "acme", "defaultAccount": None, "accounts": 1, "projects": 0, "unbound": 0,
    }  # fmt: skip
    assert (await document_at(asked, ACME, PEOPLE["viewer"]))["defaultAccount"] == "spare"
    # Who sees a project sees who pays for it, and who sees an account what it pays for: in intervals.
    web = await document_at(asked, f"{ACME}/projects/web", of_project)
    assert web["payer"]["account"] == "main"
    paid = (await document_at(asked, f"{ACME}/accounts/main/intervals", of_account))["items"]
    assert {one["project"] for one in paid} >= {"web", "api"}
    # Numbers are of all its projects.
    account = await document_at(asked, f"{ACME}/accounts/main", of_account)
    assert account["boundProjects"] == 2
    assert account["closureBlockers"][0]["blockers"] == {"count": 2, "projects": []}
    whole = await asked.get(f"{ACME}/accounts/main", PEOPLE["viewer"])
    assert whole.json()["closureBlockers"][0]["blockers"] == {"count": 2, "projects": ["late", "web"]}
    tags = {(await asked.get(f"{ACME}/accounts/main", one)).headers["etag"] for one in (of_account, PEOPLE["viewer"])}
    assert len(tags) == 2


async def test_money_is_told_to_whom_it_concerns(asked: Guarded, trusting: Served) -> None:
    for role, sees in (("account-admin", True), ("invoicing", True), ("account-user", False), ("operator", False)):
        told = await document_at(asked, f"{ACME}/accounts/main", [grant(role, accounts=["main"])])
        assert ("balance" in told) is sees, role
        (charges,) = [one for one in told["closureBlockers"] if one["reason"] == "ChargesOutstanding"]
        assert ("blockers" in charges) is ("12.5" in str(told)) is sees, role
        # A role that sees it for another account does not for this one.
        other = [grant(role, accounts=["spare"]), grant("viewer")]
        assert "balance" not in await document_at(asked, f"{ACME}/accounts/main", other)
    assert (await document_at(asked, f"{ACME}/accounts/main", [grant("invoicing")]))["balance"]["outstanding"] == "12.5"
    assert (await trusting.client.get(ACME)).json()["accounts"] == 0


async def test_results_and_events_of_others_are_not_seen(asked: Guarded) -> None:
    for who, ids in (("of a project", {"c1", "c2", "c4", "c6"}), ("of an account", {"c1", "c3", "c4"})):
        grants = PEOPLE[who]
        results = await document_at(asked, f"{ACME}/results", grants)
        assert {one["commandId"] for one in results["items"]} == ids
        events = (await asked.get(f"{ACME}/events", grants)).json()
        assert {one["data"]["commandId"] for one in events if "commandId" in one["data"]} == ids
        assert all(one["data"].get("account") == "main" or one["data"].get("project") == "web" for one in events)
        for command in ("c5", "unknown"):
            assert problem_of(await asked.get(f"{ACME}/results?id={command}", grants), 404) == "ResultNotFound"
    unseen = await asked.get(f"{ACME}/results?id=c5", PEOPLE["of a project"])
    unknown = await asked.get(f"{ACME}/results?id=c9", PEOPLE["of a project"])
    assert unseen.content == unknown.content
    assert _headers(unseen) == _headers(unknown)


async def test_cursors_and_places_of_others_reach_no_further(asked: Guarded) -> None:
    cursor = (await document_at(asked, f"{ACME}/projects?limit=1", PEOPLE["viewer"]))["next"]
    rest = await document_at(asked, f"{ACME}/projects?cursor={cursor}", PEOPLE["of a project"])
    assert [one["project"] for one in rest["items"]] == ["web"]
    events = (await asked.get(f"{ACME}/events", PEOPLE["viewer"])).json()
    after = events[4]["id"]
    seen = (await asked.get(f"{ACME}/events?after={after}", PEOPLE["of an account"])).json()
    assert seen
    assert [one for one in events[5:] if one["data"].get("account") == "main"] == seen
    # The page of one who sees little goes on after what it has looked at.
    page = await asked.get(f"{ACME}/events?after={after}", PEOPLE["of profiles"])
    assert page.json() == []
    assert page.headers["whopays-as-of"] == events[-1]["id"]


@pytest.mark.parametrize("media", ("application/json", "application/x-ndjson"))
async def test_a_lookup_names_all_that_is_out_of_reach_and_answers_nothing(asked: Guarded, media: str) -> None:
    questions = [{"organization": "acme", "project": "web"}, {"organization": "acme", "project": "api"}] * 120
    questions += [{"organization": "nowhere", "project": "web"}]
    is_lines = media != "application/json"
    body = "\n".join(map(json.dumps, questions)) if is_lines else json.dumps({"questions": questions})
    answer = await asked.get(
        "/v1/payers/lookup", PEOPLE["of a project"], method="POST", content=body, headers={"Content-Type": media}
    )
    assert problem_of(answer, 403) == "Forbidden"
    base = "" if is_lines else "/questions"
    told = answer.json()
    assert [one["field"] for one in told["violations"]] == [f"{base}/{place}/project" for place in range(1, 201, 2)]
    assert told["violationCount"] == 121
    body = body.replace('"api"', '"web"')
    last = await asked.get(
        "/v1/payers/lookup", PEOPLE["of a project"], method="POST", content=body, headers={"Content-Type": media}
    )
    assert [one["field"] for one in last.json()["violations"]] == [f"{base}/240/organization"]


async def test_a_lookup_is_judged_before_its_form(asked: Guarded) -> None:
    body = {"questions": [{"organization": "acme", "project": "api", "at": "never"}, {"organization": "acme"}]}
    for grants, status in ((PEOPLE["of a project"], 403), (PEOPLE["viewer"], 400)):
        answer = await asked.get("/v1/payers/lookup", grants, method="POST", json=body)
        assert answer.status_code == status


async def test_a_stream_ends_with_its_token_and_tells_only_what_is_seen(asked: Guarded) -> None:
    token = asked.token([grant("viewer", projects=["mine"])], exp=int(time.time()) - 57)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    after = (await asked.get(ACME, PEOPLE["viewer"])).headers["whopays-as-of"]
    async with asked.served.client.stream("GET", f"{ACME}/events?after={after}", headers=headers) as answer:
        assert answer.status_code == 200
        await commit(asked.served.engine, "acme", "other", "mine", "mines")
        text = "".join([piece async for piece in answer.aiter_text()])
    assert [json.loads(line[6:])["data"]["project"] for line in text.splitlines() if line.startswith("data: ")] == [
        "mine"
    ]


async def test_a_watch_ends_with_its_token(asked: Guarded) -> None:
    token = asked.token([grant("viewer", accounts=["main"])], exp=int(time.time()) - 57)
    path = "/apis/billing.milo.io/v1alpha1/namespaces/acme/billingaccounts?watch=true&resourceVersion=0"
    async with asyncio.timeout(60):
        answer = await asked.served.client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert {json.loads(line)["object"]["metadata"]["name"] for line in answer.text.splitlines()} <= {"main"}


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
