"""What people type: the real kubectl reads, watches, describes and explains."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.services.kubernetes.cluster import Cluster
from tests.services.kubernetes.kubectl import Kubectl
from tests.support.messages import account, bind, command, profile, project
from tests.support.waiting import patience

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

_OF = "of-kubectl"


@pytest_asyncio.fixture(scope="module")
async def kubectl(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The program, and a story: spare pays for web, which was main's before, and main for api."""
    await cluster.tell(
        project(_OF, "web"),
        project(_OF, "api"),
        profile(_OF),
        account(_OF, "main"),
        account(_OF, "spare"),
        bind(_OF, "web", "main", "b1"),
        bind(_OF, "api", "main", "b2"),
        bind(_OF, "web", "spare", "b3"),
    )
    return Kubectl(cluster.url, tmp_path_factory.mktemp("kubectl"))


async def test_what_there_is(kubectl: Kubectl) -> None:
    assert _lines(await kubectl("api-resources", "--no-headers")) == [
        ["billingaccountbindings", "bab", "billing.milo.io/v1alpha1", "true", "BillingAccountBinding"],
        ["billingaccounts", "ba", "billing.milo.io/v1alpha1", "true", "BillingAccount"],
        ["projects", "resources.milo.io/v1alpha1", "true", "Project"],
    ]
    assert "Server Version: v1." in await kubectl("version")


async def test_get(kubectl: Kubectl) -> None:
    table = _lines(await kubectl("-n", _OF, "get", "ba"))
    assert table[0] == ["NAME", "PHASE", "PROFILE", "PROJECTS", "AGE"]
    assert [line[:4] for line in table[1:]] == [["main", "Ready", "card", "1"], ["spare", "Ready", "card", "1"]]
    wide = _lines(await kubectl("-n", _OF, "get", "billingaccount", "main", "-o", "wide"))
    assert wide[0][5:] == ["CURRENCY", "KIND", "REASON"]
    assert wide[1][5:] == ["EUR", "CreditCard", "RequirementsMet"]
    projects = _lines(await kubectl("-n", _OF, "get", "projects"))
    assert (projects[0], projects[2][:2]) == (["NAME", "ACCOUNT", "SINCE"], ["web", "spare"])
    chunks = _lines(await kubectl("get", "bab", "-A", "--chunk-size=1", "--no-headers"))
    assert [line[1] for line in chunks if line[0] == _OF] == ["api-1", "web-2"]
    ended = await kubectl("-n", _OF, "get", "bab", "--field-selector", "status.phase=Superseded", "--no-headers")
    assert [line[:4] for line in _lines(ended)] == [["web-1", "web", "main", "Superseded"]]
    assert "No resources found" in await kubectl("-n", _OF, "get", "ba", "-l", "tier=gold")


async def test_get_as_documents(kubectl: Kubectl, cluster: Cluster) -> None:
    path = f"/apis/billing.milo.io/v1alpha1/namespaces/{_OF}/billingaccountbindings/web-2"
    assert await kubectl.document("-n", _OF, "get", "bab", "web-2") == await cluster.get(path)
    listed = await kubectl.document("-n", _OF, "get", "ba,bab,projects")
    assert [item["kind"] for item in listed["items"]] == [
        *["BillingAccount"] * 2,
        *["BillingAccountBinding"] * 2,
        *["Project"] * 2,
    ]
    assert "linkedProjectsCount: 1" in await kubectl("-n", _OF, "get", "ba", "main", "-o", "yaml")


async def test_describe_and_explain(kubectl: Kubectl) -> None:
    described = await kubectl("-n", _OF, "describe", "ba", "main")
    assert "Linked Projects Count:   1" in described
    assert "Events:" in described
    explained = await kubectl("explain", "ba.spec.paymentTerms.invoiceFrequency")
    assert "Monthly" in explained
    assert "How often invoices are issued." in explained
    recursive = await kubectl("explain", "bab", "--recursive")
    assert "currentAccount\t<string>" in recursive
    assert "Who pays for the project" in await kubectl("explain", "projects.resources.milo.io.status")


async def test_what_is_refused(kubectl: Kubectl) -> None:
    assert '(NotFound): billingaccounts.billing.milo.io "none" not found' in await kubectl(
        "-n", _OF, "get", "ba", "none", status=1
    )
    assert "(MethodNotAllowed)" in await kubectl("-n", _OF, "delete", "ba", "main", status=1)
    assert "(MethodNotAllowed): watch is not supported" in await kubectl("get", "ba", "-A", "-w", status=1)


async def test_watching_one_and_all(kubectl: Kubectl, cluster: Cluster) -> None:
    await kubectl("-n", _OF, "wait", "ba/main", "--for=condition=Ready", "--timeout=60s")
    every = ("-n", _OF, "get", "ba", "-w", "--no-headers", "--output-watch-events")
    one = ("-n", _OF, "get", "ba", "spare", "-w", "--no-headers", "--output-watch-events")
    async with _watching(kubectl, *every) as all_lines, _watching(kubectl, *one) as lines:
        first = [(await _next(all_lines))[:3] for _ in range(2)]
        assert first == [["ADDED", "main", "Ready"], ["ADDED", "spare", "Ready"]]
        assert (await _next(lines))[:5] == ["ADDED", "spare", "Ready", "card", "1"]
        await cluster.tell(command("SuspendAccount", "s1", _OF, account="main", reason="PaymentFailure"))
        assert (await _next(all_lines))[:3] == ["MODIFIED", "main", "Suspended"]
        # Of one object kubectl drops the first event, taking it for what it has printed: change it until it watches.
        later, days = asyncio.create_task(_next(lines)), 31
        while not later.done():
            terms = {"netDays": days}
            await cluster.tell(command("UpdateAccount", f"u{days}", _OF, account="spare", paymentTerms=terms))
            await asyncio.wait({later}, timeout=0.3)
            days += 1
        assert (await later)[:5] == ["MODIFIED", "spare", "Ready", "card", "1"], "nothing of what was before"


@asynccontextmanager
async def _watching(kubectl: Kubectl, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    process = await kubectl.start(*arguments)
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.kill()
        await process.communicate()


async def _next(lines: asyncio.StreamReader) -> list[str]:
    async with asyncio.timeout(patience(20)):
        return (await lines.readline()).decode().split()


def _lines(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]
