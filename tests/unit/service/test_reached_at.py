"""Where questions are answered, for which hosts, and when signing in to the console would be in vain."""

from contextlib import suppress
from typing import Any, Literal

import pytest

from service.asker import check_host
from service.problems import Problem
from service.serving import NotServed, _insist_on_sign_in, _listening
from workers.runtime.issuers import read_issuers
from workers.runtime.settings import Settings

_ISSUER = "https://a.example"
_ISSUERS = read_issuers({_ISSUER: {"audiences": ["x"], "jwks": "/k"}})


@pytest.mark.parametrize(
    "host",
    (
        "localhost", "LOCALHOST:8080", "localhost.", "a.localhost", "a.b.localhost:1", "127.0.0.1", "127.9.9.9:8080",
        "[::1]", "[::1]:8080", "localhost:",
    ),
)  # fmt: skip
def test_whoever_names_this_host_is_answered(host: str) -> None:
    check_host([(b"host", host.encode())])
    check_host([])


@pytest.mark.parametrize(
    "host", ("example.org", "localhost.example.org", "notlocalhost", "10.0.0.1", "[2001:db8::1]:80", "", "a:b:c", "é")
)
def test_a_page_of_another_host_is_refused(host: str) -> None:
    for headers in ([host], ["localhost", host], [host, "localhost"]):
        with pytest.raises(Problem) as raised:
            check_host([(b"host", one.encode("latin-1")) for one in headers])
        assert (raised.value.name, [one.field for one in raised.value.violations]) == ("Forbidden", ["Host"])


def test_where_questions_are_answered_is_said_as_an_address() -> None:
    for address, written in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        with suppress(NotServed), _listening(Settings(serve_address=address, serve_port=0)) as (listener, where):
            assert where == f"http://{written}:{listener.getsockname()[1]}"


def test_a_port_in_use_and_an_address_of_another_host_are_named() -> None:
    with _listening(Settings(serve_port=0)) as (listener, _):
        listener.listen()
        port = listener.getsockname()[1]
        with (
            pytest.raises(NotServed, match=rf"at 127\.0\.0\.1, port {port}: "),
            _listening(Settings(serve_port=port)),
        ):
            raise AssertionError
    with pytest.raises(NotServed, match=r"at 192\.0\.2\.1, port 1: "), _listening(_at("192.0.2.1", "jwt")):
        raise AssertionError


def test_without_tokens_only_this_host_is_served() -> None:
    for address in ("0.0.0.0", "192.0.2.1", "::"):  # noqa: S104 - to be refused
        with pytest.raises(NotServed, match="listens on a loopback address"), _listening(_at(address, "trusted")):
            raise AssertionError
    with _listening(_at("127.0.0.1", "trusted", 0)), _listening(_at("0.0.0.0", "jwt", 0)):  # noqa: S104
        pass


def _at(address: str, auth: Literal["jwt", "trusted"], port: int = 1) -> Settings:
    return Settings(serve_address=address, serve_port=port, auth=auth, issuers=_ISSUERS)


@pytest.mark.parametrize(
    ("said", "refused"),
    (
        ({}, None),
        ({"console_issuer": _ISSUER, "console_client_id": "c"}, None),
        ({"console_issuer": _ISSUER}, "WHOPAYS_CONSOLE_CLIENT_ID"),
        ({"console_issuer": "https://b.example", "console_client_id": "c"}, "does not name it"),
        ({"console_issuer": _ISSUER, "console_client_id": "c", "auth": "trusted"}, "are not accepted"),
    ),
)
def test_people_can_sign_in_only_where_their_tokens_count(said: dict[str, Any], refused: str | None) -> None:
    settings = Settings(**{"auth": "jwt", "issuers": _ISSUERS, **said})
    if refused is None:
        _insist_on_sign_in(settings)
        return
    with pytest.raises(NotServed, match=refused):
        _insist_on_sign_in(settings)
