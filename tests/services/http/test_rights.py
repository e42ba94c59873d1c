"""Who may ask what, over HTTP with real tokens (docs/contract.md section 12)."""

import json
import time
from typing import Any

import pytest
from sqlalchemy import text

from service.app import QUESTIONS
from service.problems import MEDIA
from service.questions import Access, Question
from tests.services.http.rights import ACME, PEOPLE, Guarded, grant, problem_of
from tests.services.http.served import Served

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
    assert problem_of(nobody, 401) == "Unauthenticated"
    assert nobody.headers["www-authenticate"] == "Bearer"
    for who, grants in PEOPLE.items():
        answer = await asked.get(path, grants, **more)
        if who in allowed:
            assert answer.status_code == (404 if path == "/v1/replays/none" else 200), (who, answer.text)
        else:
            assert problem_of(answer, 403) == "Forbidden", who
            assert {one["reason"] for one in answer.json()["violations"]} == {"Forbidden"}
            assert all(one["message"].endswith(".") for one in answer.json()["violations"])
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


async def test_who_asked_is_told_to_operators_and_auditors_of_all_of_it(asked: Guarded, trusting: Served) -> None:
    for role in ("operator", "auditor"):
        assert (await asked.get(f"{ACME}/audit", [grant(role)])).status_code == 200
        for narrow in (grant(role, accounts=["*"]), grant(role, projects=["*"]), grant(role, paymentProfiles=["*"])):
            answer = await asked.get(f"{ACME}/audit", [narrow, grant("viewer")])
            assert problem_of(answer, 403) == "Forbidden"
        for organization in ("globex", "nowhere", "No%20Name"):
            answer = await asked.get(f"/v1/organizations/{organization}/audit?colour=red", [grant(role)])
            assert [one["field"] for one in answer.json()["violations"]] == ["organization"]
    for role in ("account-admin", "project-owner", "payments", "invoicing", "approver", "viewer"):
        answer = await asked.get(f"{ACME}/audit", [grant(role), grant("operator", "globex")])
        assert problem_of(answer, 403) == "Forbidden"
    assert (await trusting.client.get(f"{ACME}/audit")).status_code == 200


async def test_dead_letters_and_replays_are_of_organizations(asked: Guarded) -> None:
    for path in ("dead-letters", "replays", "dead-letters?organization=globex"):
        answer = await asked.get(f"/v1/{path}", [grant("operator")])
        assert answer.json() == {"items": [], "next": None}
    narrow = [grant("operator", accounts=["main"])]
    assert problem_of(await asked.get("/v1/dead-letters", narrow), 403) == "Forbidden"
    assert (await asked.get("/v1/replays/none", [grant("auditor", "*")])).json()["type"].endswith("ReplayNotFound")


async def test_replays_are_seen_by_those_who_operate_their_organization(asked: Guarded) -> None:
    every = ["of-all", "of-globex", "of-acme"]
    async with asked.served.engine.begin() as connection:
        for hour, organization in enumerate(("acme", "globex", None)):
            selection = {} if organization is None else {"organization": organization}
            values = {"name": f"of-{organization or 'all'}", "selection": json.dumps(selection), "hour": hour}
            await connection.execute(text(_REPLAY), values)
    try:
        for grants, seen in (
            ([grant("operator"), grant("viewer", "*")], every[2:]),
            ([grant("auditor", "globex"), grant("operator")], every[1:]),
            ([grant("auditor", "*")], every),
        ):
            found: list[str] = []
            following: str | None = ""
            while len(found) < len(seen):
                page = (await asked.get(f"/v1/replays?limit=1{following and f'&cursor={following}'}", grants)).json()
                (one,) = page["items"]
                found.append(one["name"])
                following = page["next"]
            assert found == seen
            assert following is None
            statuses = {name: (await asked.get(f"/v1/replays/{name}", grants)).status_code for name in every}
            assert statuses == {name: 200 if name in seen else 404 for name in every}
    finally:
        async with asked.served.engine.begin() as connection:
            await connection.execute(text("DELETE FROM replays"))


_REPLAY = """
    INSERT INTO replays (name, selection, target, partitions, until, spans, is_detached, state, begun_at)
    VALUES (:name, :selection, :name, 1, now(), '{"7": [0, 9]}', false, 'Running',
        now() - interval '9 hours' + make_interval(hours => :hour))
"""


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
    for path in (ACME, "/", "/livez", "/version", "/apis/none"):
        answer = await trusting.client.get(path, headers={"Host": host})
        assert answer.status_code == (404 if (path, status) == ("/apis/none", 200) else status)
        if status == 403:
            is_kubernetes = path in ("/version", "/apis/none")
            assert answer.headers["content-type"] == ("application/json" if is_kubernetes else MEDIA)
            assert not is_kubernetes or (answer.json()["kind"], answer.json()["reason"]) == ("Status", "Forbidden")
    # Where a token is needed a page of another host has none.
    assert (await asked.get(ACME, PEOPLE["viewer"], headers={"Host": host})).status_code == 200
