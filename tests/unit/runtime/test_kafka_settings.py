"""How Kafka is connected to: which settings need and exclude each other, and what a client is made of."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID
from faststream.kafka.security import parse_security
from pydantic import ValidationError

from workers.runtime.kafka import (
    KafkaSecurityRefused,
    broker_security,
    kafka_options,
    kafka_reading_options,
    token_provider,
)
from workers.runtime.oauth import ClientCredentials, OAuthTokens
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
        ("SASL_SSL", {}, "WHOPAYS_KAFKA_SECURITY_PROTOCOL=SASL_SSL needs it"),
        ("SSL", SCRAM, "no effect with WHOPAYS_KAFKA_SECURITY_PROTOCOL=SSL: leave it out"),
        ("SASL_SSL", {**OAUTH, "kafka_sasl_username": "a"}, "PROTOCOL=SASL_SSL with OAUTHBEARER: leave it out"),
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
    plain = settings(kafka_bootstrap_servers="kafka:9092")
    assert kafka_options(plain) == {"bootstrap_servers": "kafka:9092", "security_protocol": "PLAINTEXT"}
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


def test_readers_read_what_is_committed_from_the_beginning() -> None:
    assert kafka_reading_options(settings()) == kafka_options(settings()) | {
        "isolation_level": "read_committed", "enable_auto_commit": False, "auto_offset_reset": "earliest",
    }  # fmt: skip


async def test_who_asks_for_tokens_for_it() -> None:
    provider = token_provider(settings("SASL_SSL", **OAUTH, kafka_sasl_oauthbearer_scope="kafka"))
    assert isinstance(provider, OAuthTokens)
    assert provider._credentials == ClientCredentials("https://login.example/token", "whopays", "s3cret", "kafka")
    assert token_provider(settings("SASL_SSL", **SCRAM)) is None


def _written(folder: Path, password: bytes) -> tuple[str, str, str]:
    """Return the files of a certificate, of its key, and of both together; the key is sealed with the password."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whopays")])
    begins = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, begins, begins + timedelta(days=36_500))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    for file, content in (("cert.pem", certificate), ("key.pem", sealed), ("both.pem", certificate + sealed)):
        (folder / file).write_bytes(content)
    return str(folder / "cert.pem"), str(folder / "key.pem"), str(folder / "both.pem")


def test_a_key_is_opened_with_its_password(tmp_path: Path) -> None:
    certificate, key, both = _written(tmp_path, b"s3cret")
    said = {"kafka_ssl_certificate_location": certificate, "kafka_ssl_key_location": key}
    kafka_options(settings("SSL", **said, kafka_ssl_key_password="s3cret"))
    kafka_options(settings("SSL", kafka_ssl_certificate_location=both, kafka_ssl_key_password="s3cret"))
    for wrong, named in ((said, f"KEY_LOCATION: {key}"), ({"kafka_ssl_certificate_location": both}, "CERTIFICATE_LOC")):
        for password in ({}, {"kafka_ssl_key_password": "other"}):
            with pytest.raises(KafkaSecurityRefused, match=named) as refused:
                kafka_options(settings("SSL", **wrong, **password))
            assert str(refused.value).endswith(": it is not PEM, does not match, or has another password")


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for name in ("missing", "text"):
        with pytest.raises(KafkaSecurityRefused, match="WHOPAYS_KAFKA_SSL_CA_LOCATION.*" + name):
            kafka_options(settings("SSL", kafka_ssl_ca_location=str(tmp_path / name)))
        with pytest.raises(KafkaSecurityRefused, match="WHOPAYS_KAFKA_SSL_CERTIFICATE_LOCATION.*" + name):
            kafka_options(settings("SSL", kafka_ssl_certificate_location=str(tmp_path / name)))
