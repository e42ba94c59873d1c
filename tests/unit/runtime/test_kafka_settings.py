"""How Kafka is connected to: which settings need and exclude each other, and what a client is made of."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from faststream.kafka.security import parse_security
from pydantic import ValidationError

from workers.runtime.kafka import KafkaSecurityRefused, broker_security, kafka_options
from workers.runtime.settings import Settings

SCRAM = {"kafka_sasl_mechanism": "scram-sha-512", "kafka_sasl_username": "relay", "kafka_sasl_password": "s3cret"}
OAUTH = {
    "kafka_sasl_mechanism": "OAUTHBEARER",
    "kafka_sasl_oauthbearer_token_endpoint_url": "https://login.example/token",
    "kafka_sasl_oauthbearer_client_id": "whopays",
    "kafka_sasl_oauthbearer_client_secret": "s3cret",
}


def settings(protocol: Any = "PLAINTEXT", **said: Any) -> Settings:
    return Settings(kafka_security_protocol=protocol, **said)


@pytest.mark.parametrize(
    ("protocol", "said", "named"),
    (
        ("SASL_SSL", {}, "KAFKA_SASL_MECHANISM is missing"),
        ("SASL_SSL", {"kafka_sasl_mechanism": "PLAIN", "kafka_sasl_username": "a"}, "KAFKA_SASL_PASSWORD is missing"),
        ("SASL_SSL", {**OAUTH, "kafka_sasl_oauthbearer_client_id": None}, "CLIENT_ID is missing"),
        ("SASL_PLAINTEXT", {**SCRAM, "kafka_ssl_ca_location": "ca.pem"}, "KAFKA_SSL_CA_LOCATION has no effect"),
        ("PLAINTEXT", SCRAM, "KAFKA_SASL_MECHANISM has no effect"),
        ("SSL", SCRAM, "KAFKA_SASL_MECHANISM has no effect"),
        ("SASL_SSL", {**OAUTH, "kafka_sasl_username": "a"}, "KAFKA_SASL_USERNAME has no effect"),
        ("SASL_SSL", {**SCRAM, "kafka_sasl_oauthbearer_scope": "a"}, "SCOPE has no effect"),
        ("SSL", {"kafka_ssl_key_location": "key.pem"}, "KAFKA_SSL_KEY_LOCATION has no effect"),
        ("SASL_SSL", {**OAUTH, "kafka_sasl_oauthbearer_token_endpoint_url": "http://login.example"}, "https"),
        ("TLS", {}, "SASL_SSL"),
    ),
)
def test_settings_that_do_not_fit_are_refused_by_name(protocol: str, said: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(protocol, **said)
    assert named in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_plain_connections_need_nothing() -> None:
    assert kafka_options(settings()) == {"bootstrap_servers": "localhost:9092", "security_protocol": "PLAINTEXT"}
    assert broker_security(settings()) is None


@pytest.mark.parametrize(
    ("protocol", "said"),
    (
        ("SSL", {}),
        ("sasl_ssl", SCRAM),
        ("SASL_PLAINTEXT", SCRAM),
        ("SASL_SSL", {**SCRAM, "kafka_sasl_mechanism": "PLAIN"}),
        ("SASL_SSL", {**SCRAM, "kafka_sasl_mechanism": "SCRAM-SHA-256"}),
        ("SASL_SSL", OAUTH),
    ),
)
async def test_consumers_connect_as_every_other_client(protocol: str, said: dict[str, Any]) -> None:
    configured = settings(protocol, **said)
    every = kafka_options(configured)
    framework = parse_security(broker_security(configured))
    assert set(framework) <= {*every, "ssl_context"}
    for name in set(framework) - {"ssl_context"}:
        assert framework[name] == every[name]
    assert (every.get("sasl_oauth_token_provider") is not None) == (said == OAUTH)
    for context in (every.get("ssl_context"), framework["ssl_context"]):
        assert (context is not None) == protocol.upper().endswith("SSL")
        if context is not None:
            assert context.check_hostname
            assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for name in ("missing", "text"):
        with pytest.raises(KafkaSecurityRefused, match="WHOPAYS_KAFKA_SSL_CA_LOCATION.*" + name):
            kafka_options(settings("SSL", kafka_ssl_ca_location=str(tmp_path / name)))
        with pytest.raises(KafkaSecurityRefused, match="WHOPAYS_KAFKA_SSL_CERTIFICATE_LOCATION.*" + name):
            kafka_options(settings("SSL", kafka_ssl_certificate_location=str(tmp_path / name)))
