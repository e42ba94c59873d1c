"""The settings for connecting to Kafka, named as in librdkafka.

`security.protocol` is `WHOPAYS_KAFKA_SECURITY_PROTOCOL`, and so on. A broker's certificate and its host name are always
checked.
"""

from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from workers.runtime.urls import insist_on_safe_url

_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaSettings(BaseSettings):
    """The connection settings of every client: brokers, TLS and SASL."""

    kafka_bootstrap_servers: str = Field(
        default="localhost:9092", description="Kafka brokers to connect to first, `HOST:PORT`, separated by commas."
    )

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to connect to Kafka: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`."
    )
    kafka_ssl_ca_location: str | None = Field(
        default=None, description="File (PEM) of the authorities whose brokers are trusted; if not set, the system's."
    )
    kafka_ssl_certificate_location: str | None = Field(
        default=None, description="File (PEM) of the client's certificate (mTLS)."
    )
    kafka_ssl_key_location: str | None = Field(
        default=None, description="File (PEM) of that certificate's key; if not set, the certificate's file has it."
    )
    kafka_ssl_key_password: SecretStr | None = Field(default=None, description="Password of that key, if it has one.")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="With SASL: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`."
    )
    kafka_sasl_username: str | None = Field(default=None, description="User for `PLAIN` and `SCRAM`.")
    kafka_sasl_password: SecretStr | None = Field(default=None, description="Password for `PLAIN` and `SCRAM`.")
    kafka_sasl_oauthbearer_token_endpoint_url: str | None = Field(
        default=None, description="For `OAUTHBEARER`: https URL of the token endpoint (client credentials)."
    )
    kafka_sasl_oauthbearer_client_id: str | None = Field(default=None, description="For `OAUTHBEARER`: the client id.")
    kafka_sasl_oauthbearer_client_secret: SecretStr | None = Field(
        default=None, description="For `OAUTHBEARER`: the client secret."
    )
    kafka_sasl_oauthbearer_scope: str | None = Field(
        default=None, description="For `OAUTHBEARER`: the requested scope, if any."
    )

    @field_validator("kafka_security_protocol", "kafka_sasl_mechanism", mode="before")
    @classmethod
    def _in_any_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("kafka_sasl_oauthbearer_token_endpoint_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is not None:
            insist_on_safe_url("the endpoint", value)
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        needed, unused = self._needed_and_unused()
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"{_variable(name)} is missing: {self._why()} needs it")
        for name in unused:
            if getattr(self, name) is not None:
                raise ValueError(f"{_variable(name)} has no effect with {self._why()}: leave it out, or change that")
        return self

    @property
    def kafka_is_encrypted(self) -> bool:
        """Whether connections use TLS."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def kafka_mechanism(self) -> str | None:
        """The SASL mechanism; None without SASL."""
        return self.kafka_sasl_mechanism if self.kafka_security_protocol.startswith("SASL_") else None

    def _why(self) -> str:
        protocol = f"{_variable('kafka_security_protocol')}={self.kafka_security_protocol}"
        return protocol if self.kafka_mechanism is None else f"{protocol} with {self.kafka_mechanism}"

    def _needed_and_unused(self) -> tuple[list[str], list[str]]:
        """Return which settings are required, and which would have no effect, for this protocol and mechanism."""
        fields = list(KafkaSettings.model_fields)
        of_tls = [name for name in fields if name.startswith("kafka_ssl_")]
        of_tokens = [name for name in fields if name.startswith("kafka_sasl_oauthbearer_")]
        of_passwords = ["kafka_sasl_username", "kafka_sasl_password"]
        needed: list[str] = []
        unused = [] if self.kafka_is_encrypted else list(of_tls)
        if not self.kafka_security_protocol.startswith("SASL_"):
            unused += ["kafka_sasl_mechanism", *of_passwords, *of_tokens]
        elif self.kafka_mechanism is None:
            needed.append("kafka_sasl_mechanism")
        elif self.kafka_mechanism in _WITH_PASSWORD:
            needed += of_passwords
            unused += of_tokens
        else:
            needed += [name for name in of_tokens if not name.endswith("_scope")]
            unused += of_passwords
        if self.kafka_ssl_certificate_location is None:
            unused += ["kafka_ssl_key_location", "kafka_ssl_key_password"]
        return needed, unused


def _variable(name: str) -> str:
    return f"WHOPAYS_{name.upper()}"
