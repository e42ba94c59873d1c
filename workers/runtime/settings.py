"""All settings, from the environment (`WHOPAYS_…`) or a `.env` file; docs/settings.md is their table."""

import json
from base64 import b64decode
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.sealing import KEY_BYTES, LocalKeys
from schemas.policy import OperatorPolicy

Kind = Literal["CreditCard", "DirectDebit", "BankTransfer", "Invoice"]


class MissingKey(Exception):
    """No key-encryption key is given."""


class Settings(BaseSettings):
    """What an operator decides. Every field's description is its line in docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix="WHOPAYS_", env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field(
        default="postgresql://localhost/whopays",
        description="Address of the PostgreSQL database, `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.",
    )
    kafka_bootstrap_servers: str = Field(
        default="localhost:9092", description="Kafka brokers to begin with, `HOST:PORT`, separated by commas."
    )
    installation: str = Field(
        default="whopays",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="Name of this installation: the `source` of its events is `/whopays/NAME`. Never changes.",
    )
    topic_prefix: str = Field(default="billing.", description="What every topic's name begins with.")
    topic_partitions: int = Field(
        default=12,
        ge=1,
        description="Partitions of a topic that `whopays topics create` makes; should divide the shards.",
    )
    topic_replication_factor: int = Field(
        default=-1, description="Replicas of a topic that `whopays topics create` makes; -1 leaves it to the broker."
    )
    shards: int = Field(
        default=48, ge=1, le=1024, description="Shards of the installation, fixed when its database is made."
    )
    auth: Literal["trusted"] = Field(
        default="trusted", description="How it is known who asks: `trusted` believes the attribute `authid`."
    )
    payment_profile_kinds: frozenset[Kind] = Field(
        default=frozenset[Kind]({"CreditCard"}),
        description="Kinds of payment profile that are accepted, as a JSON list.",
    )
    payment_profile_kinds_by_country: dict[str, frozenset[Kind]] = Field(
        default_factory=dict,
        description='Countries in which fewer kinds are accepted, as JSON: `{"DE": ["DirectDebit"]}`.',
    )
    currencies: frozenset[str] | None = Field(
        default=None, description="Currencies that are offered, as a JSON list; all when not set."
    )
    data_residencies: frozenset[str] | None = Field(
        default=None, description="Regions of data residency that are offered, as a JSON list; all when not set."
    )
    encryption_keys: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='Key-encryption keys for personal data, 32 bytes in base64 by id: `{"a": "…"}`. Workers need one.',
    )
    encryption_key_id: str | None = Field(
        default=None, description="Id of the key that seals what is new; the last one by name when not set."
    )
    max_value_bytes: int = Field(
        default=256 * 1024, ge=1024, le=512 * 1024, description="Largest value of a record that is read, in bytes."
    )
    batch_max_records: int = Field(
        default=500, ge=1, description="Most records that are decided in one transaction, of several at a time."
    )
    remembered_records: int = Field(
        default=25_000,
        ge=0,
        description="Most projects, and accounts, payment profiles and organizations, that a worker remembers.",
    )
    timers_poll_seconds: float = Field(
        default=0.25, gt=0, le=1, description="How often the timers look for what is due, in seconds."
    )
    relay_batch_rows: int = Field(
        default=4000, ge=1, description="Most events that the relay publishes in one transaction."
    )
    relay_poll_seconds: float = Field(
        default=0.5, gt=0, description="How often the relay looks for events when nothing wakes it, in seconds."
    )
    relay_transaction_seconds: float = Field(
        default=10.0, gt=0, lt=40, description="How long a Kafka transaction may take before the relay begins anew."
    )
    relay_lease_seconds: float = Field(
        default=10.0, ge=2, description="How long after its last sign of life another relay takes over, in seconds."
    )
    database_pool_size: int = Field(default=16, ge=2, description="Connections to PostgreSQL per process.")
    database_is_disposable: bool = Field(
        default=False, description="Accept database settings that forget commits in a crash (`fsync = off` …)."
    )
    stop_seconds: float = Field(
        default=5.0, gt=0, description="How long a stopping process waits for the batches in its hands, in seconds."
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the metrics and of `whopays health`; 0 for none."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="How log lines are written: for machines (`json`) or for people (`console`)."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe line logged."
    )

    @field_validator("topic_prefix")
    @classmethod
    def _legal_topic_prefix(cls, value: str) -> str:
        if len(value) > 100 or not all(sign.isascii() and (sign.isalnum() or sign in "._-") for sign in value):
            raise ValueError("a topic prefix has at most 100 of the characters a-z, A-Z, 0-9, '.', '_' and '-'")
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _are_keys(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for key_id, key in value.items():
            try:
                size = len(b64decode(key.get_secret_value(), validate=True))
            except ValueError as error:
                raise ValueError(f'the key "{key_id}" is not base64') from error
            if size != KEY_BYTES:
                raise ValueError(f'the key "{key_id}" has {size} bytes, not {KEY_BYTES}')
        return value

    def policy(self) -> OperatorPolicy:
        """Return what the operator accepts."""
        return OperatorPolicy(
            currencies=self.currencies,
            data_residencies=self.data_residencies,
            payment_profile_kinds=frozenset(self.payment_profile_kinds),
            payment_profile_kinds_by_country=self.payment_profile_kinds_by_country,
        )

    def keys(self) -> LocalKeys:
        """Return the key-encryption keys. Raises MissingKey when there is none to seal with."""
        if not self.encryption_keys:
            raise MissingKey(
                "There is no key to encrypt personal data with. Set WHOPAYS_ENCRYPTION_KEYS to the output of:\n"
                "  whopays new-key\n"
                "and keep it: without it nobody can read what was encrypted with it."
            )
        active = self.encryption_key_id or max(self.encryption_keys)
        if active not in self.encryption_keys:
            raise MissingKey(f'WHOPAYS_ENCRYPTION_KEY_ID is "{active}", which is not among WHOPAYS_ENCRYPTION_KEYS.')
        return LocalKeys(
            {key_id: b64decode(key.get_secret_value()) for key_id, key in self.encryption_keys.items()}, active
        )

    @property
    def source(self) -> str:
        """The `source` attribute of everything that this installation publishes."""
        return f"/whopays/{self.installation}"

    def topic(self, name: str) -> str:
        """Return a topic's name with its prefix."""
        return f"{self.topic_prefix}{name}"


def settings_table() -> str:
    """Return docs/settings.md's table, made from the fields."""
    lines = ["| variable | default | what it decides |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = json.dumps(sorted(default)) if isinstance(default, frozenset) else default
        lines.append(f"| `WHOPAYS_{name.upper()}` | `{shown}` | {field.description} |")
    return "\n".join(lines) + "\n"
