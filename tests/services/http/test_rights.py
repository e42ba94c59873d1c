"""Who may ask what, over HTTP with real tokens (docs/contract.md section 12)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from embedded import Addresses
from service.app import QUESTIONS
from service.questions import Access, Question
from tests.services.http.committing import commit
from tests.services.http.rights import PEOPLE, Guarded, grant, guarded
from tests.services.http.served import Served, served
from tests.support.tokens import TokenIssuer

ACME = "/v1/organizations/acme"
_EVERYBODY_OF_ACME = {
    "of an account",
    "of a project",
    "of profiles",
    "viewer",
    "auditor",
    "operator",
    "operator of all",
}
_WHOLE = {"viewer", "auditor", "operator", "operator of all"}
_OPERATE = {"auditor", "operator", "operator of all"}
_ALL = set(PEOPLE)

TABLE: dict[str, tuple[str, set[str]]] = {
    "getOrganization": (ACME, _EVERYBODY_OF_ACME),
    "listProjects": (f"{ACME}/projects", _EVERYBODY_OF_ACME),
    "getProject": (f"{ACME}/projects/web", _WHOLE | {"of a project"}),
    "getPayer": (f"{ACME}/projects/web/payer", _WHOLE | {"of a project"}),
    "listProjectIntervals": (f"{ACME}/projects/web/intervals", _WHOLE | {"of a project"}),
    "listAccounts": (f"{ACME}/accounts", _EVERYBODY_OF_ACME),
    "getAccount": (f"{ACME}/accounts/main", _WHOLE | {"of an account"}),
    "listPhases": (f"{ACME}/accounts/main/phases", _WHOLE | {"of an account"}),
    "listAccountIntervals": (f"{ACME}/accounts/main/intervals", _WHOLE | {"of an account"}),
    "listResults": (f"{ACME}/results", _EVERYBODY_OF_ACME),
    "listEvents": (f"{ACME}/events", _EVERYBODY_OF_ACME),
    "listAudit": (f"{ACME}/audit", _OPERATE),
    "lookUpPayers": ("/v1/payers/lookup", _WHOLE | {"of a project"}),
    "listDeadLetters": ("/v1/dead-letters", _OPERATE),
    "listReplays": ("/v1/replays", _OPERATE),
    "getReplay": ("/v1/replays/none", _OPERATE),
    "getMetrics": ("/metrics", {"operator of all"}),
}
"""Each question that needs a token: a path of it, and who may ask it."""
LOOKUP = {"questions": [{"organization": "acme", "project": "web"}]}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> TokenIssuer:
    """An issuer of tokens."""
    return TokenIssuer(tmp_path_factory.mktemp("issuer"))


@pytest_asyncio.fixture(scope="module")
async def asked(services: Addresses, template: str, issuer: TokenIssuer) -> AsyncIterator[Guarded]:
    """A server that needs tokens."""
    async with guarded(services, template, issuer) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def trusting(services: Addresses, template: str) -> AsyncIterator[Served]:
    """A server that trusts whoever reaches it."""
    async with served(services, template, auth="trusted") as made:
        yield made


def test_every_question_has_a_row() -> None:
    assert {one.name for one in QUESTIONS if one.access is not Access.OPEN} == TABLE.keys()
    opened = {one.path for one in QUESTIONS if one.access is Access.OPEN}
    assert opened == {"/livez", "/readyz", "/openapi.json"}


@pytest.mark.parametrize(
    "question", [one for one in QUESTIONS if one.access is not Access.OPEN], ids=lambda one: one.name
)
async def test_who_may_ask(asked: Guarded, question: Question) -> None:
    path, allowed = TABLE[question.name]
    more: dict[str, Any] = {"method": question.method}
    if question.bodies:
        more["json"] = LOOKUP
    if question.access is Access.NEAR:
        more["headers"] = {"X-Forwarded-For": "192.0.2.1"}
    nobody = await asked.get(path, None, **more)
    assert _problem(nobody, 401) == "Unauthenticated"
    assert nobody.headers["www-authenticate"] == "Bearer"
    for who, grants in PEOPLE.items():
        answer = await asked.get(path, grants, **more)
        if who in allowed:
            assert answer.status_code == (404 if path == "/v1/replays/none" else 200), (who, answer.text)
        else:
            assert _problem(answer, 403) == "Forbidden", who
            assert {one["reason"] for one in answer.json()["violations"]} == {"Forbidden"}
        assert "Authorization" in answer.headers["vary"]


@pytest.mark.parametrize("path", ("/livez", "/readyz", "/openapi.json", "/", "/metrics"))
async def test_what_needs_no_token(asked: Guarded, path: str) -> None:
    assert (await asked.get(path, None)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    (
        [],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer a.b.c")],
        [("Authorization", "Bearer {token}"), ("Authorization", "Bearer {token}")],
        [("Authorization", "Bearer {token}, Bearer {token}")],
        [("Authorization", "Bearer  {token}")],
        [("X-Authorization", "Bearer {token}")],
        [("ce_authorization", "Bearer {token}")],
        [("Cookie", "authorization=Bearer {token}")],
        [("Authorization", "Bearer {expired}")],
        [("Authorization", "Bearer {bound}")],
    ),
    ids=str,
)
async def test_whoever_is_not_known_is_told_so_and_nothing_else(asked: Guarded, headers: list[tuple[str, str]]) -> None:
    whole = [grant("viewer")]
    tokens = {
        "token": asked.token(whole),
        "expired": asked.token(whole, exp=int(time.time()) - 61),
        "bound": asked.token(whole, command={"source": "/shop", "id": "c1"}),
    }
    sent = [(name, value.format_map(tokens)) for name, value in headers]
    for path in (
        ACME,
        "/v1/dead-letters",
        "/apis/billing.milo.io/v1alpha1/namespaces/acme/billingaccounts",
        "/version",
    ):
        # What comes later in the order of judging is not looked at.
        answer = await asked.served.client.get(f"{path}?colour=red", headers=[*sent, ("Accept", "text/html")])
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert not any(token[-20:] in answer.text for token in tokens.values())
    for path, status in (("/v1/nothing", 404), (f"{ACME}/", 404)):
        assert (await asked.served.client.get(path, headers=sent)).status_code == status
    assert (await asked.served.client.delete(ACME, headers=sent)).status_code == 405


async def test_rights_are_judged_before_what_is_wrong_otherwise(asked: Guarded) -> None:
    for path in (f"{ACME}?colour=red", "/v1/organizations/No%20Name/projects", f"{ACME}/projects/UPPER"):
        answer = await asked.get(path, PEOPLE["of an account"], headers={"Accept": "text/html"})
        assert answer.status_code == (403 if path != f"{ACME}?colour=red" else 406)
        assert (await asked.get(path, PEOPLE["operator of all"])).status_code == 400


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
    assert [_problem(one, 403) for one in answers] == ["Forbidden"] * 2
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
    assert await _json(asked, ACME, of_account) == {
        "organization": "acme", "defaultAccount": None, "accounts": 1, "projects": 0, "unbound": 0,
    }  # fmt: skip
    assert (await _json(asked, ACME, PEOPLE["viewer"]))["defaultAccount"] == "spare"
    # Who sees a project sees who pays for it, and who sees an account what it pays for: in intervals.
    web = await _json(asked, f"{ACME}/projects/web", of_project)
    assert web["payer"]["account"] == "main"
    paid = (await _json(asked, f"{ACME}/accounts/main/intervals", of_account))["items"]
    assert {one["project"] for one in paid} >= {"web", "api"}
    # Numbers are of all its projects.
    account = await _json(asked, f"{ACME}/accounts/main", of_account)
    assert account["boundProjects"] == 2
    assert account["closureBlockers"][0]["blockers"] == {"count": 2, "projects": []}
    whole = await asked.get(f"{ACME}/accounts/main", PEOPLE["viewer"])
    assert whole.json()["closureBlockers"][0]["blockers"] == {"count": 2, "projects": ["late", "web"]}
    tags = {(await asked.get(f"{ACME}/accounts/main", one)).headers["etag"] for one in (of_account, PEOPLE["viewer"])}
    assert len(tags) == 2


async def test_money_is_told_to_whom_it_concerns(asked: Guarded, trusting: Served) -> None:
    for role, sees in (("account-admin", True), ("invoicing", True), ("account-user", False), ("operator", False)):
        told = await _json(asked, f"{ACME}/accounts/main", [grant(role, accounts=["main"])])
        assert ("balance" in told) is sees, role
        # A role that sees it for another account does not for this one.
        other = [grant(role, accounts=["spare"]), grant("viewer")]
        assert "balance" not in await _json(asked, f"{ACME}/accounts/main", other)
    assert (await _json(asked, f"{ACME}/accounts/main", [grant("invoicing")]))["balance"]["outstanding"] == "12.5"
    assert (await trusting.client.get(ACME)).json()["accounts"] == 0


async def test_results_and_events_of_others_are_not_seen(asked: Guarded) -> None:
    for who, ids in (("of a project", {"c1", "c2", "c4", "c6"}), ("of an account", {"c1", "c3", "c4"})):
        grants = PEOPLE[who]
        results = await _json(asked, f"{ACME}/results", grants)
        assert {one["commandId"] for one in results["items"]} == ids
        events = (await asked.get(f"{ACME}/events", grants)).json()
        assert {one["data"]["commandId"] for one in events if "commandId" in one["data"]} == ids
        assert all(one["data"].get("account") == "main" or one["data"].get("project") == "web" for one in events)
        for command in ("c5", "unknown"):
            assert _problem(await asked.get(f"{ACME}/results?id={command}", grants), 404) == "ResultNotFound"
    unseen = await asked.get(f"{ACME}/results?id=c5", PEOPLE["of a project"])
    unknown = await asked.get(f"{ACME}/results?id=c9", PEOPLE["of a project"])
    assert unseen.content == unknown.content
    assert _headers(unseen) == _headers(unknown)


async def test_cursors_and_places_of_others_reach_no_further(asked: Guarded) -> None:
    cursor = (await _json(asked, f"{ACME}/projects?limit=1", PEOPLE["viewer"]))["next"]
    rest = await _json(asked, f"{ACME}/projects?cursor={cursor}", PEOPLE["of a project"])
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
    assert _problem(answer, 403) == "Forbidden"
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


async def test_dead_letters_and_replays_are_of_organizations(asked: Guarded) -> None:
    for path in ("dead-letters", "replays", "dead-letters?organization=globex"):
        answer = await asked.get(f"/v1/{path}", [grant("operator")])
        assert answer.json() == {"items": [], "next": None}
    narrow = [grant("operator", accounts=["main"])]
    assert _problem(await asked.get("/v1/dead-letters", narrow), 403) == "Forbidden"
    assert (await asked.get("/v1/replays/none", [grant("auditor", "*")])).json()["type"].endswith("ReplayNotFound")


async def test_who_asked_is_told_to_operators_and_auditors_of_all_of_it(asked: Guarded, trusting: Served) -> None:
    for role in ("operator", "auditor"):
        assert (await asked.get(f"{ACME}/audit", [grant(role)])).status_code == 200
        for narrow in (grant(role, accounts=["*"]), grant(role, projects=["*"]), grant(role, paymentProfiles=["*"])):
            answer = await asked.get(f"{ACME}/audit", [narrow, grant("viewer")])
            assert _problem(answer, 403) == "Forbidden"
        for organization in ("globex", "nowhere", "No%20Name"):
            answer = await asked.get(f"/v1/organizations/{organization}/audit?colour=red", [grant(role)])
            assert [one["field"] for one in answer.json()["violations"]] == ["organization"]
    for role in ("account-admin", "project-owner", "payments", "invoicing", "approver", "viewer"):
        answer = await asked.get(f"{ACME}/audit", [grant(role), grant("operator", "globex")])
        assert _problem(answer, 403) == "Forbidden"
    assert (await trusting.client.get(f"{ACME}/audit")).status_code == 200


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


@pytest.mark.parametrize(
    ("host", "status"),
    (
        ("localhost", 200), ("LOCALHOST:8080", 200), ("127.0.0.1:1", 200), ("127.9.9.9", 200), ("[::1]:80", 200),
        ("a.localhost", 200), ("localhost.", 200),
        ("evil.example", 403), ("localhost.evil.example", 403), ("192.0.2.1", 403), ("[::2]", 403),
        ("127.0.0.1.evil.example", 403), ("localhost@evil.example", 403), ("", 403),
    ),
)  # fmt: skip
async def test_whoever_is_trusted_asks_this_host(trusting: Served, asked: Guarded, host: str, status: int) -> None:
    for path in (ACME, "/", "/livez", "/version"):
        assert (await trusting.client.get(path, headers={"Host": host})).status_code == status
    # Where a token is needed a page of another host has none.
    assert (await asked.get(ACME, PEOPLE["viewer"], headers={"Host": host})).status_code == 200


async def _json(asked: Guarded, path: str, grants: Any) -> Any:
    answer = await asked.get(path, grants)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).rpartition(":")[2]


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
