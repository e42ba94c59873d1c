"""The official Python client: lists, pages, watches that it resumes by itself, and discovery."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest

from tests.services.kubernetes.cluster import Cluster
from tests.support.messages import account, bind, profile, project
from tests.support.waiting import patience

_OF = "of-python"
_ACCOUNTS = {"group": "billing.milo.io", "version": "v1alpha1", "namespace": _OF, "plural": "billingaccounts"}
_BINDINGS = _ACCOUNTS | {"plural": "billingaccountbindings"}


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Any]:
    """The client's interface for resources of any kind."""
    configuration = kubernetes.client.Configuration(host=cluster.url)
    with kubernetes.client.ApiClient(configuration) as client:
        yield kubernetes.client.CustomObjectsApi(client)


async def test_reading(cluster: Cluster, api: Any) -> None:
    await cluster.tell(*(project(_OF, name) for name in ("a", "b")), profile(_OF), account(_OF, "main"))
    await cluster.tell(*(bind(_OF, name, "main", name) for name in ("a", "b")))
    main = await asyncio.to_thread(api.get_namespaced_custom_object, **_ACCOUNTS, name="main")
    assert main["status"]["linkedProjectsCount"] == 2
    page = await asyncio.to_thread(api.list_namespaced_custom_object, **_BINDINGS, limit=1)
    rest = await asyncio.to_thread(
        api.list_namespaced_custom_object, **_BINDINGS, limit=1, _continue=page["metadata"]["continue"]
    )
    assert [one["metadata"]["name"] for one in (*page["items"], *rest["items"])] == ["a-1", "b-1"]
    everywhere = {name: value for name, value in _ACCOUNTS.items() if name != "namespace"}
    found = await asyncio.to_thread(api.list_cluster_custom_object, **everywhere, field_selector="metadata.name=main")
    assert _OF in {one["metadata"]["namespace"] for one in found["items"]}
    with pytest.raises(kubernetes.client.ApiException) as refused:
        await asyncio.to_thread(api.get_namespaced_custom_object, **_ACCOUNTS, name="none")
    assert refused.value.status == 404
    groups = await asyncio.to_thread(kubernetes.client.ApisApi(api.api_client).get_api_versions)
    assert [group.name for group in groups.groups] == ["billing.milo.io", "resources.milo.io"]
    version = await asyncio.to_thread(kubernetes.client.VersionApi(api.api_client).get_code)
    assert version.git_version.startswith("v1.")
    namespace: Any = await asyncio.to_thread(kubernetes.client.CoreV1Api(api.api_client).read_namespace, _OF)
    assert namespace.metadata.name == _OF


async def test_a_watch_that_the_client_resumes(cluster: Cluster, api: Any) -> None:
    organization = "of-python-watch"
    await cluster.tell(*(project(organization, f"p{number}") for number in range(6)))
    await cluster.tell(profile(organization), account(organization, "main"))
    said: list[int] = []
    has_begun = threading.Event()

    def follow() -> None:
        # Each request ends after a second, and the next one begins at the last version that the client knows.
        watch: Any = kubernetes.watch.Watch()  # type: ignore[no-untyped-call]  # its types leave it out
        named = _ACCOUNTS | {"namespace": organization}
        while not said or said[-1] != 6:
            since = {"resource_version": watch.resource_version} if watch.resource_version else {}
            for event in watch.stream(api.list_namespaced_custom_object, **named, **since, timeout_seconds=1):
                said.append(event["object"]["status"]["linkedProjectsCount"])
                has_begun.set()
                if said[-1] == 6:
                    watch.stop()

    following = asyncio.create_task(asyncio.to_thread(follow))
    async with asyncio.timeout(patience(60)):
        await asyncio.to_thread(has_begun.wait)
        for number in range(6):
            await cluster.tell(bind(organization, f"p{number}", "main", f"b{number}"))
        await following
    assert said == [0, 1, 2, 3, 4, 5, 6]
