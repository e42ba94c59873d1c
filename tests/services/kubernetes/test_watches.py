"""Watching: every change of what get shows, exactly as it was, without one missing or told twice."""

import asyncio
from typing import Any

from sqlalchemy import text

from db.placing import shard_of
from db.published import note_published
from tests.services.kubernetes.cluster import BILLING, RESOURCES, Cluster
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.waiting import patience
from workers.runtime.settings import Settings

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_SHARDS = Settings().shards


def _accounts(organization: str) -> str:
    return f"{BILLING}/namespaces/{organization}/billingaccounts"


def _bindings(organization: str) -> str:
    return f"{BILLING}/namespaces/{organization}/billingaccountbindings"


async def _begin(cluster: Cluster, path: str) -> str:
    """Return the version of a list in a log that is not empty."""
    await cluster.tell(project(path.split("/")[5], "first"))
    return await _version(cluster, path)


async def _version(cluster: Cluster, path: str) -> str:
    return str((await cluster.get(path))["metadata"]["resourceVersion"])


def _ready(organization: str, *accounts: str, projects: tuple[str, ...] = ("web",)) -> list[Said]:
    return [
        *(project(organization, name) for name in projects),
        profile(organization),
        *(account(organization, name) for name in accounts),
    ]


async def test_a_watch_tells_each_state_of_an_account_as_it_was(cluster: Cluster) -> None:
    path = _accounts("telling")
    begin = await _begin(cluster, path)
    await cluster.tell(
        *_ready("telling", "main", "spare"),
        bind("telling", "web", "main", "b1"),
        bind("telling", "web", "spare", "b2"),
        command("SuspendAccount", "s1", "telling", account="spare", reason="PaymentFailure"),
        command("UpdateAccount", "u1", "telling", account="main", displayName="No longer the main one"),
        command("UpdateAccount", "u2", "telling", account="main", paymentTerms={"netDays": 45}),
        project("telling", "web", 2, state="Deleted"),
    )
    async with cluster.watch(path, resourceVersion=begin) as events:
        replayed = [_account(event) for event in await events.several(8)]
        await cluster.tell(command("DetachPaymentProfile", "d1", "telling", account="main"))
        assert _account(await events.next()) == ("MODIFIED", "main", "Incomplete", 0, 45)
    assert replayed == [
        ("ADDED", "main", "Ready", 0, 30),
        ("ADDED", "spare", "Ready", 0, 30),
        ("MODIFIED", "main", "Ready", 1, 30),
        ("MODIFIED", "main", "Ready", 0, 30),
        ("MODIFIED", "spare", "Ready", 1, 30),
        ("MODIFIED", "spare", "Suspended", 1, 30),
        # Its display name is not shown.
        ("MODIFIED", "main", "Ready", 0, 45),
        ("MODIFIED", "spare", "Suspended", 0, 30),
    ]


async def test_the_last_state_told_is_what_get_shows(cluster: Cluster) -> None:
    organization = "last-told"
    path = _accounts(organization)
    async with cluster.watch(path, resourceVersion=await _begin(cluster, path)) as events:
        await cluster.tell(*_ready(organization, "main"), bind(organization, "web", "main", "b1"))
        (_, created), (_, bound) = await events.several(2)
    shown = await cluster.get(f"{path}/main")
    assert created["status"] | {"linkedProjectsCount": 1} == bound["status"]
    assert {**bound, "metadata": None} == {**shown, "metadata": None}
    assert {**bound["metadata"], "resourceVersion": ""} == {**shown["metadata"], "resourceVersion": ""}
    assert int(created["metadata"]["resourceVersion"]) < int(bound["metadata"]["resourceVersion"])


async def test_a_binding_that_ends_leaves_a_watch_or_is_modified(cluster: Cluster) -> None:
    organization = "ending"
    path = _bindings(organization)
    begin = await _begin(cluster, path)
    await cluster.tell(
        *_ready(organization, "main", "spare"),
        bind(organization, "web", "main", "b1"),
        bind(organization, "web", "spare", "b2"),
        project(organization, "web", 2, state="Deleted"),
        project(organization, "api"),
        bind(organization, "api", "main", "b3"),
    )
    told: dict[str, list[tuple[str, str, str]]] = {}
    for selector, number in (
        ("", 5),
        ("status.phase!=Nothing", 5),
        ("status.phase=Superseded", 1),
        ("status.phase!=Released", 4),
        ("spec.billingAccountRef.name=spare", 2),
        ("spec.projectRef.name=api", 1),
        ("metadata.name=web-1", 2),
    ):
        async with cluster.watch(path, resourceVersion=begin, fieldSelector=selector) as events:
            told[selector] = [
                (type_, shown["metadata"]["name"], shown["status"]["phase"])
                for type_, shown in await events.several(number)
            ]
    assert told == {
        "": [
            ("ADDED", "web-1", "Active"),
            ("DELETED", "web-1", "Active"),
            ("ADDED", "web-2", "Active"),
            ("DELETED", "web-2", "Active"),
            ("ADDED", "api-1", "Active"),
        ],
        "status.phase!=Nothing": [
            ("ADDED", "web-1", "Active"),
            ("MODIFIED", "web-1", "Superseded"),
            ("ADDED", "web-2", "Active"),
            ("MODIFIED", "web-2", "Released"),
            ("ADDED", "api-1", "Active"),
        ],
        "status.phase=Superseded": [("ADDED", "web-1", "Superseded")],
        "status.phase!=Released": [
            ("ADDED", "web-1", "Active"),
            ("MODIFIED", "web-1", "Superseded"),
            ("ADDED", "web-2", "Active"),
            ("DELETED", "web-2", "Active"),
        ],
        "spec.billingAccountRef.name=spare": [("ADDED", "web-2", "Active"), ("DELETED", "web-2", "Active")],
        "spec.projectRef.name=api": [("ADDED", "api-1", "Active")],
        "metadata.name=web-1": [("ADDED", "web-1", "Active"), ("DELETED", "web-1", "Active")],
    }
    ended = {
        shown["metadata"]["name"]: shown
        for shown in (await cluster.get(path, fieldSelector="status.phase!=Active"))["items"]
    }
    async with cluster.watch(path, resourceVersion=begin, fieldSelector="status.phase!=Nothing") as events:
        for type_, shown in await events.several(4):
            if type_ == "MODIFIED":
                assert shown["status"] == ended[shown["metadata"]["name"]]["status"]


async def test_accounts_enter_and_leave_a_selection(cluster: Cluster) -> None:
    path = _accounts("entering")
    begin = await _begin(cluster, path)
    await cluster.tell(
        *_ready("entering", "main"),
        command("DetachPaymentProfile", "d1", "entering", account="main"),
        command("AttachPaymentProfile", "a1", "entering", account="main", paymentProfile="card"),
    )
    async with cluster.watch(path, resourceVersion=begin, fieldSelector="status.phase=Ready") as events:
        told = [(type_, shown["status"]["phase"]) for type_, shown in await events.several(3)]
    assert told == [("ADDED", "Ready"), ("DELETED", "Ready"), ("ADDED", "Ready")]


async def test_a_watch_that_is_resumed_at_any_event_misses_none_and_tells_none_twice(cluster: Cluster) -> None:
    organization, projects = "resuming", ("p1", "p2", "p3")
    begins = {path: await _begin(cluster, path) for path in (_accounts(organization), _bindings(organization))}
    await cluster.tell(*_ready(organization, "main", "spare", projects=projects))
    await cluster.tell_at_once(
        *(bind(organization, name, "main", f"b-{name}") for name in projects),
        command("TransferProjects", "t1", organization, fromAccount="main", toAccount="spare"),
        command("SuspendAccount", "s1", organization, account="spare", reason="Administrative"),
        command("SuspendAccount", "s2", organization, account="main", reason="Administrative"),
    )
    for path, begin in begins.items():
        async with cluster.watch(path, resourceVersion=begin, timeoutSeconds=1) as events:
            whole = await events.rest()
        assert len(whole) > 8
        positions = sorted({int(shown["metadata"]["resourceVersion"]) for _, shown in whole})
        for position in positions[:-1]:
            later = [event for event in whole if int(event[1]["metadata"]["resourceVersion"]) > position]
            async with cluster.watch(path, resourceVersion=position) as events:
                assert await events.several(len(later)) == later


async def test_what_is_there_comes_first(cluster: Cluster) -> None:
    organization = "initial"
    path = _accounts(organization)
    await cluster.tell(*_ready(organization, "main", "spare"))
    version = await _version(cluster, path)
    async with cluster.watch(path) as events:
        assert [event[:2] for event in map(_account, await events.several(2))] == [
            ("ADDED", "main"),
            ("ADDED", "spare"),
        ]
    initial: dict[str, Any] = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with cluster.watch(path, **initial, resourceVersion=version) as events:
        assert [type_ for type_, _ in await events.several(2)] == ["ADDED", "ADDED"]
        type_, mark = await events.next()
        assert (type_, mark["kind"]) == ("BOOKMARK", "BillingAccount")
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(mark["metadata"]["resourceVersion"]) >= int(version)
        await cluster.tell(bind(organization, "web", "main", "b1"))
        assert _account(await events.next())[:4] == ("MODIFIED", "main", "Ready", 1)
    none = initial | {"sendInitialEvents": "false"}
    async with cluster.watch(path, **none) as events:
        await cluster.tell(command("SuspendAccount", "s1", organization, account="spare", reason="Administrative"))
        assert _account(await events.next())[:3] == ("MODIFIED", "spare", "Suspended")
    async with cluster.watch(path, **none, resourceVersion=0) as events:
        await cluster.tell(command("UpdateAccount", "u1", organization, account="main", paymentTerms={"netDays": 45}))
        assert _account(await events.next()) == ("MODIFIED", "main", "Ready", 1, 45), "nothing of what was before"
    async with cluster.watch(path, resourceVersion=0, fieldSelector="metadata.name=main") as events:
        assert _account(await events.next()) == ("ADDED", "main", "Ready", 1, 45), "one object as it is"


async def test_a_list_of_an_empty_log_can_be_gone_on_with(cluster: Cluster) -> None:
    organization = next(name for name in (f"empty{i}" for i in range(10_000)) if shard_of(name, _SHARDS) == 46)
    path = _bindings(organization)
    assert await _version(cluster, path) == "0"
    await cluster.tell(
        *_ready(organization, "main", "spare"),
        bind(organization, "web", "main", "b1"),
        bind(organization, "web", "spare", "b2"),
    )
    async with cluster.watch(path, resourceVersion=0) as events:
        assert [(type_, shown["metadata"]["name"]) for type_, shown in await events.several(3)] == [
            ("ADDED", "web-1"),
            ("DELETED", "web-1"),
            ("ADDED", "web-2"),
        ]


async def test_a_watch_begins_before_anything_happens(cluster: Cluster) -> None:
    path = _accounts("silent")
    begin = await _begin(cluster, path)
    async with asyncio.timeout(patience(60)), cluster.watch(path, resourceVersion=begin) as events:
        await cluster.tell(account("silent", "main"))
        type_, shown = await events.next()
        assert (type_, shown["metadata"]["name"]) == ("ADDED", "main")


async def test_a_watch_ends_with_a_bookmark(cluster: Cluster) -> None:
    organization = "bookmarks"
    path = _bindings(organization)
    begin = await _begin(cluster, path)
    await cluster.tell(*_ready(organization, "main"))
    marked: dict[str, Any] = {"allowWatchBookmarks": "true", "timeoutSeconds": 1, "resourceVersion": begin}
    async with cluster.watch(path, **marked) as events:
        told = await events.rest()
    assert {type_ for type_, _ in told} == {"BOOKMARK"}
    assert told[-1][1] == {
        "kind": "BillingAccountBinding",
        "apiVersion": "billing.milo.io/v1alpha1",
        "metadata": {"resourceVersion": await _version(cluster, path)},
    }
    async with cluster.watch(path, timeoutSeconds=1, resourceVersion=begin) as events:
        assert await events.rest() == [], "nobody asked for bookmarks"


async def test_a_label_that_is_required_is_never_there(cluster: Cluster) -> None:
    organization = "labels"
    path = _accounts(organization)
    await cluster.tell(*_ready(organization, "main"))
    async with cluster.watch(path, timeoutSeconds=1, labelSelector="tier=gold") as events:
        await cluster.tell(account(organization, "spare"))
        assert await events.rest() == []


async def test_tables(cluster: Cluster) -> None:
    organization = "tables"
    path = _accounts(organization)
    await cluster.tell(*_ready(organization, "main", "spare"))
    async with cluster.watch(path, accept=_TABLE, allowWatchBookmarks="true", timeoutSeconds=1) as events:
        told = await events.rest()
    assert [(type_, len(shown["columnDefinitions"]) > 0) for type_, shown in told] == [
        ("ADDED", True),
        ("ADDED", False),
        ("BOOKMARK", False),
    ]
    assert [shown["kind"] for _, shown in told] == ["Table"] * 3
    assert [row["cells"][:3] for _, shown in told[:2] for row in shown["rows"]] == [
        ["main", "Ready", "card"],
        ["spare", "Ready", "card"],
    ]
    assert [row["object"]["metadata"] for row in told[2][1]["rows"]] == [
        {"resourceVersion": told[2][1]["metadata"]["resourceVersion"]}
    ]


async def test_changes_of_accounts_that_only_the_archive_tells_of(cluster: Cluster) -> None:
    """The events that made them are no longer in the table: what follows is told all the same."""
    organization = next(name for name in (f"quiet{i}" for i in range(10_000)) if shard_of(name, _SHARDS) == 46)
    path = _accounts(organization)
    await cluster.tell(*_ready(organization, "main", "spare"))
    last = int(await _version(cluster, path))
    await cluster.tell(project(organization, "later"))
    async with cluster.engine.begin() as connection:
        await note_published(connection, {46: last + 1})
    async with cluster.engine.begin() as connection:
        await connection.execute(text("DELETE FROM log WHERE shard = 46 AND position <= :last"), {"last": last})
    begin = await _version(cluster, path)
    expected = [
        ("MODIFIED", "main", "Ready", 1, 30),
        ("MODIFIED", "main", "Ready", 1, 45),
        ("MODIFIED", "spare", "Suspended", 0, 30),
    ]
    ready = {"resourceVersion": begin, "fieldSelector": "status.phase=Ready"}
    async with (
        cluster.watch(path, resourceVersion=begin) as every,
        cluster.watch(path, **ready) as of_ready,
    ):
        told = []
        for message in (
            bind(organization, "web", "main", "b1"),
            command("UpdateAccount", "u1", organization, account="main", paymentTerms={"netDays": 45}),
            command("SuspendAccount", "s1", organization, account="spare", reason="PaymentFailure"),
        ):
            await cluster.tell(message)
            told.append(await every.next())
        assert [_account(event) for event in told] == expected
        assert [_account(event) for event in await of_ready.several(2)] == expected[:2]
        gone = await of_ready.next()
    assert _account(gone) == ("DELETED", "spare", "Ready", 0, 30)
    assert gone[1]["metadata"]["resourceVersion"] == told[-1][1]["metadata"]["resourceVersion"]
    # Once more, all at once: what an account was when it was archived is not known but for its phase.
    async with cluster.watch(path, resourceVersion=begin) as every, cluster.watch(path, **ready) as of_ready:
        again = [_account(event) for event in await every.several(3)]
        assert [event[:4] for event in again] == [event[:4] for event in expected]
        assert again[1:] == expected[1:]
        assert (await of_ready.several(3))[2] == gone


async def test_metadata_alone_of_each_object(cluster: Cluster) -> None:
    """As informers of metadata ask: the list as a list of them, a watch by the kind of each."""
    organization = "metadata"
    path = _accounts(organization)
    await cluster.tell(*_ready(organization, "main"))
    async with cluster.watch(path, accept=_METADATA, allowWatchBookmarks="true", timeoutSeconds=1) as events:
        told = await events.rest()
    assert [(type_, shown["kind"], sorted(shown)) for type_, shown in told] == [
        (type_, "PartialObjectMetadata", ["apiVersion", "kind", "metadata"]) for type_ in ("ADDED", "BOOKMARK")
    ]
    assert told[0][1]["metadata"]["name"] == "main"
    await cluster.get(path, 406, accept=_METADATA)


async def test_changes_that_are_no_longer_kept(cluster: Cluster) -> None:
    organization = next(name for name in (f"gone{i}" for i in range(10_000)) if shard_of(name, _SHARDS) == 47)
    path = _accounts(organization)
    await cluster.tell(
        *_ready(organization, "main"), command("DetachPaymentProfile", "d", organization, account="main")
    )
    async with cluster.engine.begin() as connection:
        await connection.execute(text("DELETE FROM log WHERE shard = 47 AND position <= 2"))
    refused = await cluster.get(path, 410, watch="true", resourceVersion=1)
    assert (refused["kind"], refused["reason"], refused["code"]) == ("Status", "Expired", 410)
    async with cluster.watch(path, resourceVersion=2, timeoutSeconds=1) as events:
        assert [type_ for type_, _ in await events.rest()], "what follows is kept"
    async with cluster.watch(path, resourceVersion=0, timeoutSeconds=1) as events:
        told = [(type_, shown["status"]["phase"]) for type_, shown in await events.rest()]
    assert told == [("ADDED", "Incomplete")], "of what is not kept, what has become of it"


async def test_what_is_refused(cluster: Cluster) -> None:
    path = _accounts("refusing")
    projects = f"{RESOURCES}/namespaces/refusing/projects"
    assert (await cluster.get(projects, 405, watch="true"))["reason"] == "MethodNotAllowed"
    assert (await cluster.get(path, 422, watch="true", sendInitialEvents="true"))["reason"] == "Invalid"
    assert (await cluster.get(path, 400, watch="true", resourceVersion="x"))["reason"] == "BadRequest"
    assert (await cluster.get(path, 504, watch="true", resourceVersion=10**6))["reason"] == "Timeout"
    for more in ({}, {"resourceVersion": "999999"}):
        head = await cluster.client.head(path, params={"watch": "true", **more})
        assert (head.status_code, head.headers["allow"]) == (405, "GET"), "nothing is waited for"


def _account(event: tuple[str, Any]) -> tuple[str, str, str, int, int]:
    type_, shown = event
    status = shown["status"]
    terms = shown["spec"]["paymentTerms"]
    return type_, shown["metadata"]["name"], status["phase"], status["linkedProjectsCount"], terms["netDays"]
