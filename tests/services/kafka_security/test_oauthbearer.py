"""A client that shows a token, had by client credentials, to a real broker."""

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from pydantic import SecretStr

from schemas.topics import Topic
from tests.services.kafka_security.conftest import Secured, SecuredInstallation
from workers.runtime.kafka import kafka_options
from workers.runtime.oauth import TokenRefused
from workers.runtime.settings import Settings
from workers.topics.acls import Party

CLIENT, SECRET = "whopays:1", "s3cret/&%"


def _unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts) + "."


@contextmanager
def endpoint(status: int = 200, answer: bytes | None = None) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """Yield the URL of a token endpoint that vouches for the resource manager, and what it was asked for."""
    asked: list[dict[str, list[str]]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked.append(parse_qs(self.rfile.read(length).decode()))
            scheme, _, given = self.headers["Authorization"].partition(" ")
            assert (scheme, b64decode(given)) == ("Basic", b"whopays%3A1:s3cret%2F%26%25")
            claims = {"sub": Party.RESOURCE_MANAGER, "iat": time.time(), "exp": time.time() + 300}
            said = answer or json.dumps({"access_token": _unsigned(claims), "expires_in": 300}).encode()
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(broker: Secured, url: str) -> Settings:
    return Settings(
        kafka_bootstrap_servers=broker.kafka.bootstrap_servers,
        kafka_security_protocol="SASL_SSL",
        kafka_ssl_ca_location=str(broker.security.authority),
        kafka_sasl_mechanism="OAUTHBEARER",
        kafka_sasl_oauthbearer_token_endpoint_url=url,
        kafka_sasl_oauthbearer_client_id=CLIENT,
        kafka_sasl_oauthbearer_client_secret=SecretStr(SECRET),
        kafka_sasl_oauthbearer_scope="kafka",
    )


async def test_who_the_token_names_has_their_rights(broker: Secured, secured: SecuredInstallation) -> None:
    with endpoint() as (url, asked):
        producer = AIOKafkaProducer(**kafka_options(settings(broker, url)))
        try:
            await producer.start()
            await producer.send_and_wait(secured.installation.settings.topic(Topic.PROJECTS), b"{}")
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(secured.installation.settings.topic(Topic.BINDINGS), b"{}", partition=0)
        finally:
            await producer.stop()
    # However many connections there are, a token that holds is not asked for again.
    assert asked == [{"grant_type": ["client_credentials"], "scope": ["kafka"]}]


@pytest.mark.parametrize(
    ("status", "answer"),
    ((401, b"{}"), (302, b""), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b'{"access_token": 7}')),
)
async def test_what_is_no_token_is_said_without_it(status: int, answer: bytes, broker: Secured) -> None:
    with endpoint(status, answer) as (url, asked):
        options = kafka_options(settings(broker, url))
        with pytest.raises(TokenRefused) as refused:
            await options["sasl_oauth_token_provider"].token()
        assert "s3cret" not in str(refused.value)
    assert asked


async def test_without_a_token_no_broker_answers(broker: Secured) -> None:
    with endpoint(401, b"{}") as (url, _):
        consumer = AIOKafkaConsumer(**kafka_options(settings(broker, url)))
        try:
            with pytest.raises(KafkaConnectionError):
                await consumer.start()
        finally:
            await consumer.stop()
