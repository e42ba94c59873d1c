"""Connection options of all Kafka clients, from the settings."""

import ssl
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512
from pydantic import SecretStr

from workers.runtime.kafka_settings import KafkaSettings
from workers.runtime.oauth import ClientCredentials, OAuthTokens

_CLASSES = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


class KafkaSecurityRefused(Exception):
    """A file for TLS cannot be used; the message says which one, and quotes nothing of its content."""


def kafka_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return the connection options of an aiokafka client. Raises KafkaSecurityRefused."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_is_encrypted:
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_mechanism is not None:
        options["sasl_mechanism"] = settings.kafka_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = _revealed(settings.kafka_sasl_password)
        options["sasl_oauth_token_provider"] = token_provider(settings)
    return options


def kafka_reading_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return the options of a consumer that reads committed records from the beginning, and commits no offsets."""
    return {
        **kafka_options(settings),
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
    }


def broker_security(settings: KafkaSettings) -> BaseSecurity | None:
    """Return the security options for FastStream, without the token provider. Raises KafkaSecurityRefused."""
    context = _ssl_context(settings) if settings.kafka_is_encrypted else None
    if settings.kafka_mechanism is None:
        return None if context is None else BaseSecurity(ssl_context=context)
    if settings.kafka_mechanism == "OAUTHBEARER":
        return SASLOAuthBearer(ssl_context=context, use_ssl=settings.kafka_is_encrypted)
    return _CLASSES[settings.kafka_mechanism](
        username=settings.kafka_sasl_username or "",
        password=_revealed(settings.kafka_sasl_password) or "",
        ssl_context=context,
        use_ssl=settings.kafka_is_encrypted,
    )


def token_provider(settings: KafkaSettings) -> AbstractTokenProvider | None:
    """Return the token provider for `OAUTHBEARER`; None for other mechanisms."""
    if settings.kafka_mechanism != "OAUTHBEARER":
        return None
    return OAuthTokens(
        ClientCredentials(
            url=settings.kafka_sasl_oauthbearer_token_endpoint_url or "",
            client_id=settings.kafka_sasl_oauthbearer_client_id or "",
            client_secret=_revealed(settings.kafka_sasl_oauthbearer_client_secret) or "",
            scope=settings.kafka_sasl_oauthbearer_scope,
        )
    )


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    authorities, certificate = settings.kafka_ssl_ca_location, settings.kafka_ssl_certificate_location
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise _refused("kafka_ssl_ca_location", authorities, error) from None
    if certificate is not None:
        key = settings.kafka_ssl_key_location
        password = _revealed(settings.kafka_ssl_key_password) or ""
        try:
            # Without a callback OpenSSL would prompt at the terminal for a missing password.
            context.load_cert_chain(certificate, key, lambda: password)
        except OSError as error:
            name = "kafka_ssl_certificate_location" if key is None else "kafka_ssl_key_location"
            raise _refused(name, key or certificate, error) from None
    return context


def _refused(name: str, path: str | None, error: OSError) -> KafkaSecurityRefused:
    is_read = isinstance(error, ssl.SSLError)
    trouble = "it is not PEM, does not match, or has another password" if is_read else f"{error.strerror}"
    return KafkaSecurityRefused(f"WHOPAYS_{name.upper()}: {path}: {trouble}")


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
