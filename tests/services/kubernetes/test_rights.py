"""What is seen through the Kubernetes resources: as much as a token reaches, told in Kubernetes' own words."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.services.http.rights import PEOPLE, Grants, Guarded, grant, guarded
from tests.services.kubernetes.cluster import BILLING, RESOURCES
from tests.services.kubernetes.kubectl import Kubectl
from tests.support.tokens import TokenIssuer

_OF_ACME = f"{BILLING}/namespaces/acme"
_EVERYWHERE = [grant("viewer", "*")]


@pytest_asyncio.fixture(scope="module")
async def asked(services: Addresses, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A server that needs tokens."""
    async with guarded(services, template, TokenIssuer(tmp_path_factory.mktemp("issuer"))) as made:
        yield made


async def _names(asked: Guarded, path: str, grants: Grants) -> list[str]:
    answer = await asked.get(path, grants)
    assert answer.status_code == 200, answer.text
    return [one["metadata"]["name"] for one in answer.json()["items"]]


async def _refused(asked: Guarded, path: str, grants: Grants | None, status: int = 403) -> dict[str, Any]:
    answer = await asked.get(path, grants)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    assert (told["kind"], told["code"]) == ("Status", status)
    return told


async def test_lists_of_a_namespace(asked: Guarded) -> None:
    of_account, of_project = PEOPLE["of an account"], PEOPLE["of a project"]
    assert await _names(asked, f"{_OF_ACME}/billingaccounts", of_account) == ["main"]
    assert await _names(asked, f"{_OF_ACME}/billingaccounts", of_project) == []
    # A binding is seen from either end.
    every = f"{_OF_ACME}/billingaccountbindings?fieldSelector=status.phase!=none"
    assert await _names(asked, every, of_project) == ["web-1", "web-2", "web-3"]
    assert await _names(asked, every, of_account) == ["again-1", "api-1", "late-1", "web-1", "web-3"]
    for grants, projects in ((of_account, []), (of_project, ["web"])):
        assert await _names(asked, f"{RESOURCES}/namespaces/acme/projects", grants) == projects
    selector = "?fieldSelector=spec.projectRef.name="
    assert await _names(asked, f"{_OF_ACME}/billingaccountbindings{selector}web", of_account) == []
    assert await _names(asked, f"{_OF_ACME}/billingaccountbindings{selector}web", of_project) == ["web-3"]
    assert await _names(asked, f"{_OF_ACME}/billingaccounts?fieldSelector=metadata.name=spare", of_account) == []


async def test_all_namespaces_are_for_whom_all_are_granted(asked: Guarded) -> None:
    assert await _names(asked, f"{RESOURCES}/projects", [*_EVERYWHERE, grant("viewer")]) == [
        "again", "asleep", "idle", "late", "off", "p-1", "p.1", "p1", "web", "web",
    ]  # fmt: skip
    narrow = [grant("viewer", "*", projects=["we*"]), grant("viewer", accounts=["spare"], projects=["late"])]
    assert await _names(asked, f"{RESOURCES}/projects", narrow) == ["late", "web", "web"]
    assert await _names(asked, f"{BILLING}/billingaccounts", narrow) == ["spare"]
    told = await _refused(asked, f"{BILLING}/billingaccounts", PEOPLE["viewer"])
    assert told["message"].endswith("at the cluster scope")


async def test_what_is_named_and_out_of_reach_is_forbidden(asked: Guarded) -> None:
    of_account, of_project = PEOPLE["of an account"], PEOPLE["of a project"]
    for known, unknown, grants in (
        (f"{_OF_ACME}/billingaccounts/spare", f"{_OF_ACME}/billingaccounts/never", of_account),
        (f"{RESOURCES}/namespaces/acme/projects/web", f"{RESOURCES}/namespaces/acme/projects/never", of_account),
        (f"{_OF_ACME}/billingaccountbindings/off-1", f"{_OF_ACME}/billingaccountbindings/nil-1", of_account),
        (f"{BILLING}/namespaces/globex/billingaccounts", f"{BILLING}/namespaces/none/billingaccounts", of_project),
        ("/api/v1/namespaces/globex", "/api/v1/namespaces/none", of_project),
    ):
        told = [await _refused(asked, path, grants) for path in (known, unknown)]
        words = [(known, unknown)] * 2
        assert {one["reason"] for one in told} == {"Forbidden"}
        names = [path.rpartition("/")[2] if "namespaces/acme" in path else path.split("/")[-1] for path in words[0]]
        assert told[0]["message"].replace(names[0], "?").replace("globex", "?") == told[1]["message"].replace(
            names[1], "?"
        ).replace('"none"', '"?"')
    for asked_for, verb in (("/spare", "get"), ("", "list"), ("?watch=true", "watch")):
        path = f"{BILLING}/namespaces/globex/billingaccounts{asked_for}"
        assert f"cannot {verb} resource" in (await _refused(asked, path, of_project))["message"]
    assert "cannot get resource" in (await _refused(asked, "/api/v1/namespaces/globex", of_project))["message"]
    assert (await asked.get(f"{_OF_ACME}/billingaccountbindings/web-1", of_account)).status_code == 200
    assert (await asked.get(f"{_OF_ACME}/billingaccountbindings/web-1", of_project)).status_code == 200
    assert (await asked.get(f"{_OF_ACME}/billingaccountbindings/web-9", of_project)).status_code == 404


async def test_whoever_is_not_known(asked: Guarded) -> None:
    for path in ("/version", "/api", "/apis", "/openapi/v3", f"{_OF_ACME}/billingaccounts", "/api/v1/namespaces/acme"):
        assert (await _refused(asked, path, None, 401))["reason"] == "Unauthorized"
    assert (await asked.get("/version", PEOPLE["nobody"])).status_code == 200


@pytest.mark.skipif(None in (shutil.which("kubectl"), shutil.which("openssl")), reason="kubectl is not installed")
async def test_kubectl_with_a_token(asked: Guarded, tmp_path: Path) -> None:
    async with _over_tls(asked.served.port, tmp_path) as url:
        token = asked.token(PEOPLE["of an account"])
        kubectl = Kubectl(url, tmp_path)
        login = ("--insecure-skip-tls-verify", f"--token={token}", "-n", "acme")
        assert (await kubectl(*login, "get", "ba", "-o", "name")).strip() == "billingaccount.billing.milo.io/main"
        said = await kubectl(*login, "get", "ba", "spare", status=1)
        assert 'billingaccounts.billing.milo.io "spare" is forbidden: User "somebody" cannot get resource' in said
        said = await kubectl(*login[:1], "--token=a.b.c", "get", "ba", status=1)
        assert "You must be logged in to the server" in said


@asynccontextmanager
async def _over_tls(port: int, folder: Path) -> AsyncIterator[str]:
    """Yield the address at which a server is reached by TLS: kubectl gives its token to no other."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]  # fmt: skip
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "2"]
    await asyncio.to_thread(subprocess.run, [*command, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass_on(reader, before), _pass_on(behind, writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
