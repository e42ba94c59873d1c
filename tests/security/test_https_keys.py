"""An issuer's keys over https: from a server whose certificate is right, and from no other."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schemas.askers import Unidentified, Verified
from tests.security.conftest import Guard
from tests.security.key_server import KeyServer, answer, key_server
from tests.support.certificates import Authority
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

_LOCAL = "localhost"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that certificates are of, unless it is said otherwise."""
    return Authority("authority")


@contextmanager
def serving(folder: Path, authority: Authority, name: str = _LOCAL, **more: timedelta) -> Iterator[KeyServer]:
    """Yield a server with a certificate for a name."""
    certificate, key = authority.issue(name, **more)
    (folder / "both.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    with key_server(context) as server:
        yield server


def trust(authority: Authority, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an authority trusted, as docs/rights.md says."""
    (folder / "ca.pem").write_bytes(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))


def tokens_of(url: str) -> Tokens:
    """Return who verifies tokens of the issuer whose keys are there."""
    return Tokens(Settings(auth="jwt", issuers={ISSUER: {"audiences": ["whopays"], "jwks": url}}))  # type: ignore[dict-item]


async def test_keys_over_https(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(authority, tmp_path, monkeypatch)
    issuer, second = TokenIssuer(tmp_path), SigningKey(key_id="second")
    with serving(tmp_path, authority) as server:
        server.publish(issuer.key.public())
        async with tokens_of(server.url) as tokens:
            guard = Guard(tokens)
            await guard.accepts(issuer.token())
            # It never goes on to where the answer points: least of all without encryption.
            for place in (f"http://127.0.0.1:{server.server_port}/elsewhere", "https://localhost:1/", "/elsewhere"):
                server.answers = lambda request, place=place: answer(request, 302, Location=place)  # type: ignore[misc]
                assert not await tokens._keys[ISSUER].refresh()
            assert set(server.asked) == {"/keys?all=1"}
            await guard.accepts(issuer.token("bob"))
            server.answers = server.give
            server.publish(second.public())
            assert isinstance(await guard(issuer.token(key=second)), Verified)
            assert isinstance(await guard(issuer.token()), Unidentified)


@pytest.mark.parametrize("wrong", ("authority", "name", "expired"))
async def test_a_certificate_that_is_wrong(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    trust(Authority("another") if wrong == "authority" else authority, tmp_path, monkeypatch)
    name = "login.example" if wrong == "name" else _LOCAL
    lasts = timedelta(minutes=-5) if wrong == "expired" else timedelta(days=1)
    with capture_logs() as lines, serving(tmp_path, authority, name, lasts=lasts) as server:
        server.publish(TokenIssuer(tmp_path).key.public())
        async with tokens_of(server.url) as tokens:
            assert not await tokens._keys[ISSUER].refresh()
            assert tokens.unread() == [ISSUER]
        said = next(line for line in lines if line["event"] == "issuer_keys_not_read")
        assert "certificate verify failed" in said["why"]
        assert said["then"] == "its tokens wait"
        assert server.asked == []


@pytest.mark.parametrize(
    "url",
    (
        "http://login.example/keys", "http://192.0.2.1/keys", "http://127.0.0.1.example/keys", "http://localhost.example/",
        "http://[::2]/keys", "ftp://127.0.0.1/keys", "https://ada:secret@login.example/keys", "https:///keys",
    ),
)  # fmt: skip
def test_where_keys_are_not_asked_for(url: str) -> None:
    with pytest.raises(ValueError, match=r"over https|is a URL of a host") as refused:
        tokens_of(url)
    assert "secret" not in str(refused.value)
