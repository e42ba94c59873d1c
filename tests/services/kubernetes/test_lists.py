"""Getting and listing: members, pages, selectors, tables and refusals."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
import pytest_asyncio
from sqlalchemy import text

from db.questions.accounts import account as account_asked
from tests.services.kubernetes.cluster import BILLING, RESOURCES, Cluster
from tests.support.messages import account, bind, command, profile, project

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_OF = "of-lists"
_ACCOUNTS = f"{BILLING}/namespaces/{_OF}/billingaccounts"
_BINDINGS = f"{BILLING}/namespaces/{_OF}/billingaccountbindings"
_PROJECTS = f"{RESOURCES}/namespaces/{_OF}/projects"


@pytest_asyncio.fixture(scope="module", autouse=True)
async def _story(cluster: Cluster) -> None:
    """main pays for api and web, spare for db; web was spare's before, old was main's; idle is Inactive."""
    await cluster.tell(
        *(project(_OF, name) for name in ("web", "api", "db", "old")),
        project(_OF, "idle", state="Inactive"),
        profile(_OF),
        account(
            _OF,
            "main",
            displayName="Anna Karenina",
            paymentTerms={"earlyPaymentDiscount": {"percent": "2.5", "withinDays": 5}},
            contact={"name": "Anna Karenina", "emails": ["anna@example.com"]},
            preferences={"invoiceLanguage": "de"},
        ),
        account(_OF, "spare"),
        command("CreateAccount", "bare", _OF, account="bare", paymentProfile="later"),
        bind(_OF, "web", "spare", "b1"),
        bind(_OF, "web", "main", "b2"),
        bind(_OF, "api", "main", "b3"),
        bind(_OF, "db", "spare", "b4"),
        bind(_OF, "old", "main", "b5"),
        project(_OF, "old", 2, state="Deleted"),
        command("SuspendAccount", "s1", _OF, account="spare", reason="PaymentFailure", message="not paid"),
    )


async def test_an_account(cluster: Cluster) -> None:
    main = await cluster.get(f"{_ACCOUNTS}/main")
    async with cluster.engine.connect() as connection:
        state = await account_asked(connection, _OF, "main")
    assert state is not None
    created = main["metadata"].pop("creationTimestamp")
    assert main == {
        "apiVersion": "billing.milo.io/v1alpha1",
        "kind": "BillingAccount",
        "metadata": {
            "name": "main",
            "namespace": _OF,
            "uid": str(uuid5(NAMESPACE_URL, f"billing.milo.io/BillingAccount/{_OF}/main")),
            "resourceVersion": main["metadata"]["resourceVersion"],
        },
        "spec": {
            "currencyCode": "EUR",
            "paymentTerms": {"netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1},
            "paymentProfile": {"name": "card", "kind": "CreditCard"},
        },
        "status": {"phase": "Ready", "conditions": state["conditions"], "linkedProjectsCount": 2},
    }
    assert created < state["activatedAt"], "created is what it was first, Provisioning"
    assert main["metadata"]["resourceVersion"].isdecimal()


async def test_an_account_of_which_little_is_known(cluster: Cluster) -> None:
    bare = await cluster.get(f"{_ACCOUNTS}/bare")
    assert bare["spec"] == {"paymentProfile": {"name": "later"}}
    assert (bare["status"]["phase"], bare["status"]["linkedProjectsCount"]) == ("Provisioning", 0)


async def test_bindings_that_last_and_that_ended(cluster: Cluster) -> None:
    first, second, old = [await cluster.get(f"{_BINDINGS}/{name}") for name in ("web-1", "web-2", "old-1")]
    since = second["status"]["billingResponsibility"]["establishedAt"]
    assert second["metadata"]["creationTimestamp"] == since
    assert second["metadata"]["uid"] == str(uuid5(NAMESPACE_URL, f"billing.milo.io/BillingAccountBinding/{_OF}/web-2"))
    assert second["spec"] == {"projectRef": {"name": "web"}, "billingAccountRef": {"name": "main"}}
    assert second["status"]["phase"] == "Active"
    assert second["status"]["billingResponsibility"] == {"establishedAt": since, "currentAccount": "main"}
    assert _bound(second) == ("True", "Bound", since)
    assert first["status"]["phase"] == "Superseded"
    assert first["status"]["billingResponsibility"]["endedAt"] == since
    assert "currentAccount" not in first["status"]["billingResponsibility"]
    assert _bound(first) == ("False", "Superseded", since)
    assert old["status"]["phase"] == "Released"
    assert _bound(old)[:2] == ("False", "Released")


async def test_projects(cluster: Cluster) -> None:
    projects = {item["metadata"]["name"]: item for item in (await cluster.get(_PROJECTS))["items"]}
    assert list(projects) == ["api", "db", "idle", "web"]
    web, idle = projects["web"], projects["idle"]
    assert web["spec"] == {"organizationRef": {"name": _OF}}
    assert web["status"]["billingResponsibility"]["account"] == "main"
    assert [(one["type"], one["status"], one["reason"]) for one in web["status"]["conditions"]] == [
        ("Ready", "True", "ProjectActive")
    ]
    assert [(one["status"], one["reason"]) for one in idle["status"]["conditions"]] == [("False", "ProjectInactive")]
    assert "billingResponsibility" not in idle["status"]
    assert await cluster.get(f"{_PROJECTS}/web") == web
    await _refused(cluster, f"{_PROJECTS}/old", 404, "NotFound")


async def test_nothing_personal_is_shown(cluster: Cluster) -> None:
    for path in (_ACCOUNTS, f"{_ACCOUNTS}/main", _BINDINGS, _PROJECTS):
        for accept in ("application/json", _TABLE):
            shown = (await cluster.client.get(path, headers={"accept": accept})).text
            assert not any(word in shown for word in ("Anna", "anna@example.com", "displayName", "alice"))


@pytest.mark.parametrize(
    ("path", "selector", "expected"),
    (
        (_ACCOUNTS, "", ["bare", "main", "spare"]),
        (_ACCOUNTS, "metadata.name=main", ["main"]),
        (_ACCOUNTS, "metadata.name==main", ["main"]),
        (_ACCOUNTS, "metadata.name!=main", ["bare", "spare"]),
        (_ACCOUNTS, "status.phase=Suspended", ["spare"]),
        (_ACCOUNTS, "status.phase!=Suspended,metadata.name!=bare", ["main"]),
        (_ACCOUNTS, "status.phase=Ready,status.phase=Suspended", []),
        (_ACCOUNTS, "metadata.name=Not A Name", []),
        (_BINDINGS, "", ["api-1", "db-1", "web-2"]),
        (_BINDINGS, "status.phase=Active", ["api-1", "db-1", "web-2"]),
        (_BINDINGS, "status.phase=Superseded", ["web-1"]),
        (_BINDINGS, "status.phase=Released", ["old-1"]),
        (_BINDINGS, "status.phase!=Active", ["old-1", "web-1"]),
        (_BINDINGS, "status.phase!=None", ["api-1", "db-1", "old-1", "web-1", "web-2"]),
        (_BINDINGS, "spec.billingAccountRef.name=main", ["api-1", "web-2"]),
        (_BINDINGS, "spec.billingAccountRef.name=spare,status.phase!=Active", ["web-1"]),
        (_BINDINGS, "spec.billingAccountRef.name!=main", ["db-1"]),
        (_BINDINGS, "spec.projectRef.name=web", ["web-2"]),
        (_BINDINGS, "spec.projectRef.name==web,status.phase!=Nothing", ["web-1", "web-2"]),
        (_BINDINGS, "spec.projectRef.name!=web,spec.billingAccountRef.name=main", ["api-1"]),
        (_BINDINGS, "metadata.name=web-2", ["web-2"]),
        (_BINDINGS, "metadata.name=web-1", []),
        (_BINDINGS, "metadata.name=web-1,status.phase!=Active", ["web-1"]),
        (_BINDINGS, "metadata.name=web-2,spec.projectRef.name=api", []),
        (_BINDINGS, "metadata.name=web", []),
        (_PROJECTS, "metadata.name=web", ["web"]),
        (_PROJECTS, "metadata.name!=web", ["api", "db", "idle"]),
    ),
)
async def test_field_selectors(cluster: Cluster, path: str, selector: str, expected: list[str]) -> None:
    assert await cluster.names(path, fieldSelector=selector) == expected
    assert await _paged(cluster, path, selector=selector) == expected


@pytest.mark.parametrize(
    ("selector", "finds"),
    (
        ("tier=gold", False),
        ("tier==gold", False),
        ("tier", False),
        ("tier in (gold, silver)", False),
        ("tier>3", False),
        ("!tier", True),
        ("tier!=gold", True),
        ("tier notin (gold)", True),
        ("tier!=gold,area", False),
        ("example.com/tier!=gold, !area", True),
    ),
)
async def test_label_selectors(cluster: Cluster, selector: str, finds: bool) -> None:
    assert bool(await cluster.names(_ACCOUNTS, labelSelector=selector)) is finds


async def test_pages(cluster: Cluster) -> None:
    page = await cluster.get(_ACCOUNTS, limit=2)
    assert [item["metadata"]["name"] for item in page["items"]] == ["bare", "main"]
    version = page["metadata"]["resourceVersion"]
    await cluster.tell(project(_OF, "newer"))
    await cluster.tell(bind(_OF, "newer", "main", "newer"))
    rest = await cluster.get(_ACCOUNTS, limit=2, after=page["metadata"]["continue"])
    assert [item["metadata"]["name"] for item in rest["items"]] == ["spare"]
    assert rest["metadata"] == {"resourceVersion": version}, "of the first page, from which a watch goes on"
    assert await cluster.get(_ACCOUNTS, after=page["metadata"]["continue"]) == rest, "without a limit, all the rest"
    await cluster.tell(project(_OF, "newer", 2, state="Deleted"))
    assert await _paged(cluster, _BINDINGS, page=1) == ["api-1", "db-1", "web-2"]
    token = page["metadata"]["continue"]
    await _refused(cluster, _PROJECTS, 400, "BadRequest", after=token)
    await _refused(cluster, _ACCOUNTS, 400, "BadRequest", after="e30")


async def test_all_namespaces(cluster: Cluster) -> None:
    other = "of-lists-too"
    await cluster.tell(project(other, "web"), profile(other), account(other, "main"), bind(other, "web", "main", "b"))
    for path, expected in (
        (f"{BILLING}/billingaccounts", ["bare", "main", "spare", "main"]),
        (f"{BILLING}/billingaccountbindings", ["api-1", "db-1", "web-2", "web-1"]),
        (f"{RESOURCES}/projects", ["api", "db", "idle", "web", "web"]),
    ):
        whole = await cluster.get(path)
        assert whole["metadata"] == {"resourceVersion": "0"}
        assert [
            item["metadata"]["name"] for item in whole["items"] if item["metadata"]["namespace"] in (_OF, other)
        ] == expected
        names = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in whole["items"]]
        turned, token = [], ""
        while True:
            page = await cluster.get(path, limit=2, after=token)
            turned += [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in page["items"]]
            token = page["metadata"].get("continue", "")
            if not token:
                break
        assert turned == names
    selected = await cluster.names(f"{BILLING}/billingaccountbindings", fieldSelector="status.phase=Superseded")
    assert "web-1" in selected
    await _refused(cluster, f"{BILLING}/billingaccounts", 405, "MethodNotAllowed", watch="true")


async def test_tables(cluster: Cluster) -> None:
    table = await cluster.get(_ACCOUNTS, accept=_TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert shown == ["Name", "Phase", "Profile", "Projects", "Age"]
    assert [row["cells"][:4] for row in table["rows"]] == [
        ["bare", "Provisioning", "later", 0],
        ["main", "Ready", "card", 2],
        ["spare", "Suspended", "card", 1],
    ]
    assert {row["object"]["kind"] for row in table["rows"]} == {"PartialObjectMetadata"}
    whole = await cluster.get(_ACCOUNTS, accept=_TABLE, includeObject="Object", limit=1)
    assert whole["rows"][0]["object"]["kind"] == "BillingAccount"
    assert "continue" in whole["metadata"]
    none = await cluster.get(f"{_ACCOUNTS}/main", accept=_TABLE, includeObject="None")
    assert [row["object"] for row in none["rows"]] == [None]
    await _refused(cluster, _ACCOUNTS, 400, "BadRequest", includeObject="All")
    bindings = await cluster.get(_BINDINGS, accept=_TABLE)
    assert [column["name"] for column in bindings["columnDefinitions"]][2:5] == ["Account", "Phase", "Since"]
    projects = await cluster.get(_PROJECTS, accept=_TABLE)
    cells = {row["cells"][0]: row["cells"][1:3] for row in projects["rows"]}
    assert cells["idle"] == ["<none>", "<none>"]
    assert cells["api"][0] == "main"


async def test_metadata_alone(cluster: Cluster) -> None:
    found = await cluster.get(_ACCOUNTS, accept=_METADATA)
    assert found["kind"] == "PartialObjectMetadataList"
    assert [sorted(item) for item in found["items"]] == [["apiVersion", "kind", "metadata"]] * 3


async def test_versions_that_lists_must_know(cluster: Cluster) -> None:
    version = (await cluster.get(_ACCOUNTS))["metadata"]["resourceVersion"]
    await cluster.get(_ACCOUNTS, resourceVersion=version, resourceVersionMatch="Exact")
    await cluster.get(_ACCOUNTS, resourceVersion="0")
    await cluster.get(_ACCOUNTS, resourceVersion=1, resourceVersionMatch="NotOlderThan")
    for limit in (0, 1):
        await _refused(cluster, _ACCOUNTS, 410, "Expired", resourceVersion=1, resourceVersionMatch="Exact", limit=limit)
    await _refused(cluster, _ACCOUNTS, 400, "BadRequest", resourceVersion="new")
    await _refused(cluster, _ACCOUNTS, 422, "Invalid", resourceVersionMatch="Exact")
    await _refused(cluster, _ACCOUNTS, 422, "Invalid", sendInitialEvents="true")
    refused = await _refused(cluster, _ACCOUNTS, 504, "Timeout", resourceVersion=int(version) + 1000)
    assert refused["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_what_is_refused(cluster: Cluster) -> None:
    missing = await _refused(cluster, f"{_ACCOUNTS}/none", 404, "NotFound")
    assert missing["message"] == 'billingaccounts.billing.milo.io "none" not found'
    assert missing["details"] == {"name": "none", "group": "billing.milo.io", "kind": "billingaccounts"}
    for name in ("web", "web-0", "web-01", "web-9", "Web-1", f"web-{2**63 - 1}", f"web-{2**63}", f"web-{10**19}"):
        await _refused(cluster, f"{_BINDINGS}/{name}", 404, "NotFound")
    for selector in ("metadata.labels.a=b", "spec.currencyCode=EUR", "metadata.name", "metadata.name=a=b"):
        await _refused(cluster, _ACCOUNTS, 400, "BadRequest", fieldSelector=selector)
    await _refused(cluster, _ACCOUNTS, 400, "BadRequest", fieldSelector="spec.projectRef.name=web")
    for selector in ("=gold", "tier in gold", "tier in (gold", "-tier", "tier,,area", "tier=gold,"):
        await _refused(cluster, _ACCOUNTS, 400, "BadRequest", labelSelector=selector)
    await _refused(cluster, f"{BILLING}/namespaces/Not%20One/billingaccounts", 400, "BadRequest")
    await _refused(cluster, f"{_ACCOUNTS}/Main", 400, "BadRequest")
    await _refused(cluster, _ACCOUNTS, 400, "BadRequest", limit="many")
    await _refused(cluster, _ACCOUNTS, 406, "NotAcceptable", accept="application/yaml")
    for path in (
        f"{_ACCOUNTS}/",
        "/apis//",
        f"{_ACCOUNTS}//main",
        f"{_ACCOUNTS}/a%2fb",
        f"{_ACCOUNTS}/main/status",
        "/apis/none",
    ):
        await _refused(cluster, path, 404, "NotFound")
    await cluster.get(_ACCOUNTS, pretty="true", timeout="5s", unheard="of")


async def test_nothing_can_be_changed(cluster: Cluster) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for path in (_ACCOUNTS, f"{_ACCOUNTS}/main", "/apis", "/version", f"/api/v1/namespaces/{_OF}"):
            answer = await cluster.client.request(method, path, content=b"{}")
            assert (answer.status_code, answer.json()["reason"]) == (405, "MethodNotAllowed")
            assert answer.headers["allow"] == "GET, HEAD"
    answer = await cluster.client.post("/apis/none", content=b"{}")
    assert answer.status_code == 404, "where there is nothing no method matters"
    answer = await cluster.client.head(_ACCOUNTS)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_list_without_a_limit_is_one_snapshot_however_long(cluster: Cluster) -> None:
    organization, names = "of-many-projects", [f"p{number:04d}" for number in range(1201)]
    await cluster.tell_at_once(*(project(organization, name) for name in names))
    path = f"{RESOURCES}/namespaces/{organization}/projects"
    assert await cluster.names(path) == names
    assert await _paged(cluster, path, page=400) == names
    table = await cluster.get(path, accept=_TABLE)
    assert [row["cells"][0] for row in table["rows"]] == names


async def test_what_is_selected_is_found_however_far_apart(cluster: Cluster) -> None:
    organization, selected = "of-few-among-many", ["a0001", "a0700", "a1300"]
    async with cluster.engine.begin() as connection:
        for statement in _MANY_ACCOUNTS:
            await connection.execute(text(statement), {"organization": organization, "selected": selected})
    path = f"{BILLING}/namespaces/{organization}/billingaccounts"
    for few in (selected, selected[1:2]):
        left_out = "".join(f",metadata.name!={name}" for name in selected if name not in few)
        selector = f"status.phase=Archived{left_out}"
        assert await cluster.names(path, fieldSelector=selector) == few
        assert await _paged(cluster, path, page=1, selector=selector) == few


_MANY_ACCOUNTS = (
    """
    INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds)
    SELECT :organization, name, 1, 1, 1, CASE WHEN name = ANY(:selected) THEN 'Archived' ELSE 'Provisioning' END,
        '[]', '[]'
    FROM (SELECT 'a' || to_char(n, 'FM0000') AS name FROM generate_series(1, 1300) AS n) AS every
    """,
    """
    INSERT INTO account_phases
    SELECT organization, account, 1, NULL, phase, 'Created', '', 'alice', 'c1', now(), 1, 1
    FROM accounts WHERE organization = :organization
    """,
)


async def _paged(cluster: Cluster, path: str, page: int = 2, selector: str = "") -> list[str]:
    """Return the names in a list that is read page by page."""
    names, token = [], ""
    while True:
        found = await cluster.get(path, limit=page, fieldSelector=selector, after=token)
        assert len(found["items"]) <= page
        names += [item["metadata"]["name"] for item in found["items"]]
        token = found["metadata"].get("continue", "")
        if not token:
            return names


async def _refused(
    cluster: Cluster, path: str, status: int, reason: str, *, accept: str | None = None, **parameters: object
) -> Any:
    found = await cluster.get(path, status, accept=accept, **parameters)
    assert (found["kind"], found["apiVersion"], found["status"]) == ("Status", "v1", "Failure")
    assert (found["code"], found["reason"]) == (status, reason)
    return found


def _bound(shown: Any) -> tuple[str, str, str]:
    (condition,) = shown["status"]["conditions"]
    assert condition["type"] == "Bound"
    return condition["status"], condition["reason"], condition["lastTransitionTime"]
