"""All settings, from the environment (`WHOPAYS_…`) or a `.env` file; docs/settings.md is their table."""

import json
import os
from base64 import b64decode
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_serializer, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from db.address import with_password
from db.placing import shard_of
from db.sealing import KEY_BYTES, LocalKeys
from schemas.policy import OperatorPolicy
from workers.runtime.issuers import Issuer, read_issuers
from workers.runtime.kafka_settings import KafkaSettings
from workers.runtime.secret_files import MAY_BE_SECRET, SUFFIX, SecretFiles, secret_settings

Auth = Literal["jwt", "trusted"]
Kind = Literal["CreditCard", "DirectDebit", "BankTransfer", "Invoice"]


_ENV_FILE = ".env"
_DATABASE_URL = "postgresql://localhost/whopays"
_NOT_SETTINGS = frozenset({"WHOPAYS_CACHE_DIR", "WHOPAYS_CASES", "WHOPAYS_TOKEN_COMMAND", "WHOPAYS_TOKEN_FILE"})
"""Variables of the embedded servers, the acceptance cases and `whopays send`, which are not settings."""


class MissingKey(Exception):
    """No key-encryption key is configured, or not the selected one."""


class AuthNotConfigured(Exception):
    """No way of authentication is chosen, or no issuer is named; the message says what to choose."""


class Settings(KafkaSettings):
    """What an operator configures. Every field's description is its line in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="WHOPAYS_", env_file=_ENV_FILE, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: Annotated[str, MAY_BE_SECRET] = Field(
        default=_DATABASE_URL,
        repr=False,
        description="Address of the PostgreSQL database, `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.",
    )
    database_password: SecretStr | None = Field(
        default=None, description="Password of the database's user, where the address has none."
    )
    installation: str = Field(
        default="whopays",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="Name of this installation: the `source` of its events is `/whopays/NAME`. Must never change.",
    )
    topic_prefix: str = Field(default="billing.", description="Prefix of every topic's name.")
    topic_partitions: int = Field(
        default=12,
        ge=1,
        description="Partitions of the topics that `whopays topics create` creates; should divide `WHOPAYS_SHARDS`.",
    )
    topic_replication_factor: int = Field(
        default=-1,
        description="Replicas of the topics that `whopays topics create` creates; -1 leaves it to the broker.",
    )
    shards: int = Field(
        default=48,
        ge=1,
        le=1024,
        description="Shards of the installation, fixed when its database is created, and changed by `whopays reshard`.",
    )
    first_shard: int = Field(
        default=0, ge=0, le=32_000, description="Number of the first shard: 0 until `whopays reshard` changes it."
    )
    auth: Auth | None = Field(
        default=None,
        description=(
            "Authentication: `jwt` accepts tokens of `WHOPAYS_ISSUERS`, `trusted` believes the attribute `authid`. "
            "[Must be chosen](rights.md#tokens-or-trust)."
        ),
    )
    issuers: dict[str, Issuer] = Field(
        default_factory=dict,
        description=(
            'Issuers whose tokens are accepted, as JSON: `{"https://login.example": {"audiences": ["whopays"], '
            '"jwks": "/etc/keys.json"}}`; `jwks` is a file or an https URL.'
        ),
    )
    grants_claim: str = Field(
        default="grants", min_length=1, description="Name of the claim in which a token lists its grants."
    )
    console_issuer: str | None = Field(
        default=None,
        pattern=r"^(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1|\[::1\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$",
        description=(
            "Issuer of `WHOPAYS_ISSUERS` at which people sign in to the console, by OpenID Connect; "
            "if not set, they paste a token."
        ),
    )
    console_client_id: str | None = Field(
        default=None, min_length=1, description="Client id of the console at that issuer: a public client, with PKCE."
    )
    console_scope: str = Field(
        default="openid",
        pattern=r"(^| )openid( |$)",
        description="Scopes that the console asks for, separated by blanks; `openid` is one of them.",
    )
    payment_profile_kinds: frozenset[Kind] = Field(
        default=frozenset[Kind]({"CreditCard"}),
        description="Accepted kinds of payment profile, as a JSON list.",
    )
    payment_profile_kinds_by_country: dict[str, frozenset[Kind]] = Field(
        default_factory=dict,
        description='Countries that accept fewer kinds, as JSON: `{"DE": ["DirectDebit"]}`.',
    )
    currencies: frozenset[str] | None = Field(
        default=None, description="Currencies on offer, as a JSON list; all if not set."
    )
    data_residencies: frozenset[str] | None = Field(
        default=None, description="Regions of data residency on offer, as a JSON list; all if not set."
    )
    encryption_keys: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='Key-encryption keys by id, 32 bytes each in base64: `{"a": "…"}`. Workers need one.',
    )
    encryption_key_id: str | None = Field(
        default=None, description="Id of the key that seals new data; if not set, the last one by name."
    )
    max_value_bytes: int = Field(
        default=256 * 1024, ge=1024, le=512 * 1024, description="Largest accepted value of a record, in bytes."
    )
    batch_max_records: int = Field(
        default=500,
        ge=1,
        description="Maximum number of records decided in one transaction; several transactions run at a time.",
    )
    remembered_records: int = Field(
        default=25_000,
        ge=0,
        description="Maximum number of projects, and of each other kind of record, that a worker remembers.",
    )
    timers_poll_seconds: float = Field(
        default=0.25, gt=0, le=1, description="Interval at which the timers look for what is due, in seconds."
    )
    relay_slots: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Slots among which relays divide the shards, the same for all; "
        "to change it, [restart them](operations.md#more-relays).",
    )
    relay_batch_rows: int = Field(
        default=4000, ge=1, description="Maximum number of events that the relay publishes in one transaction."
    )
    relay_poll_seconds: float = Field(
        default=0.5, gt=0, description="Interval at which the relay looks for events when nothing wakes it, in seconds."
    )
    relay_transaction_seconds: float = Field(
        default=10.0,
        gt=0,
        lt=40,
        description="Time that a Kafka transaction may take before the relay starts over, in seconds.",
    )
    relay_lease_seconds: float = Field(
        default=10.0,
        ge=2,
        description="Time after the last sign of life of a process with a relay slot, a replay or a maintenance chore "
        "at which another takes over, in seconds.",
    )
    maintenance_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="Longest time that the role `maintenance` rests once nothing is left to do, in seconds.",
    )
    keep_commands_days: float | None = Field(
        default=None,
        gt=0,
        description="Days after which a command's row of `inbox` is forgotten but for what its id means; "
        "if not set, never. [Keep and forget](operations.md#keep-and-forget).",
    )
    keep_dead_letters_days: float | None = Field(
        default=None,
        gt=0,
        description="Days after which the content of a dead letter that was redriven or discarded is erased, and the "
        "rest too once its event is archived; if not set, never. [Keep and forget](operations.md#keep-and-forget).",
    )
    replay_rate: int = Field(
        default=5000,
        ge=1,
        description="Maximum events per second that the role `replays` writes, for a replay without a `--rate`.",
    )
    archive_url: SecretStr | None = Field(
        default=None,
        description="Where the [archive](archive.md) of the log is: a folder, or a URL that fsspec knows "
        "(`s3://bucket/folder`); if not set, nothing is archived.",
    )
    archive_after_days: float = Field(
        default=90.0, ge=0, le=36_500, description="Age at which partitions of the log move to the archive, in days."
    )
    database_pool_size: int = Field(default=16, ge=2, description="Most connections to PostgreSQL in a process's pool.")
    database_is_disposable: bool = Field(
        default=False, description="Accept database settings that lose commits in a crash (`fsync = off` …)."
    )
    stop_seconds: float = Field(
        default=5.0, gt=0, description="Time that a stopping process allows its batches to finish, in seconds."
    )
    metrics_address: str = Field(
        default="127.0.0.1",
        description="Address of this host to serve the metrics at; `0.0.0.0` or `::` for all addresses.",
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port for metrics, probes and `whopays health`; 0 for none."
    )
    traces: Literal["off", "otlp"] = Field(
        default="off",
        description="Where [traces](traces.md) go: nowhere (`off`), or by OpenTelemetry's protocol over HTTP (`otlp`) "
        "to the collector that the variables `OTEL_…` name.",
    )
    hang_seconds: float = Field(
        default=120.0,
        gt=0,
        description="Seconds without progress after which `/livez` reports that a role of `whopays run` hangs. "
        "Longer than any statement may take (a minute).",
    )
    serve_address: str = Field(
        default="127.0.0.1", description="Address of this host at which `whopays serve` answers questions."
    )
    serve_port: int = Field(
        default=8080, ge=0, le=65535, description="Port of `whopays serve`; 0 for a free one, which it names."
    )
    serve_statement_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Time that one statement of a question may take, in seconds."
    )
    serve_heavy_requests: int = Field(
        default=4,
        ge=1,
        description="Large lookups and answers in lines that `whopays serve` handles at once; more wait, then get 429.",
    )
    serve_cors_origins: frozenset[str] = Field(
        default_factory=frozenset,
        description='Origins whose pages may ask `whopays serve`, as a JSON list (`["https://console.example"]`).',
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="Format of log lines: for machines (`json`) or for people (`console`)."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Lowest level that is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it by this name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings, by descending precedence: arguments, environment, `.env`, files."""
        variables: dict[str, str | None] = {}
        for source in (dotenv_settings, env_settings):
            if isinstance(source, EnvSettingsSource | DotEnvSettingsSource):
                variables |= source.env_vars
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls, variables)

    @model_validator(mode="before")
    @classmethod
    def _put_password_into_address(cls, data: dict[str, Any]) -> dict[str, Any]:
        password = data.get("database_password")
        if not password:
            return data
        said = password.get_secret_value() if isinstance(password, SecretStr) else str(password)
        address = with_password(str(data.get("database_url", _DATABASE_URL)), said)
        return data | {"database_url": address, "database_password": None}

    @field_validator("topic_prefix")
    @classmethod
    def _legal_topic_prefix(cls, value: str) -> str:
        if len(value) > 100 or not all(sign.isascii() and (sign.isalnum() or sign in "._-") for sign in value):
            raise ValueError("a topic prefix has at most 100 of the characters a-z, A-Z, 0-9, '.', '_' and '-'")
        return value

    @field_validator("issuers", mode="before")
    @classmethod
    def _are_issuers(cls, value: object) -> dict[str, Issuer]:
        return read_issuers(value)

    @field_serializer("issuers")
    def _serialized_issuers(self, value: dict[str, Issuer]) -> dict[str, dict[str, object]]:
        return {one.name: {"audiences": sorted(one.audiences), "jwks": one.jwks} for one in value.values()}

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

    def insist_on_auth(self) -> Auth:
        """Return the chosen authentication. Raises AuthNotConfigured if there is none: no default would be safe."""
        if self.auth is None:
            raise AuthNotConfigured(
                "WHOPAYS_AUTH is not set, and has no default. Choose how senders of commands and questions are known:\n"
                "  WHOPAYS_AUTH=jwt      by a token of an issuer that WHOPAYS_ISSUERS names\n"
                "  WHOPAYS_AUTH=trusted  by what a message says, unchecked: for development, or where everyone who can "
                "write to the topics is trusted\n"
                "See docs/rights.md."
            )
        if self.auth == "jwt" and not self.issuers:
            raise AuthNotConfigured(
                "With WHOPAYS_AUTH=jwt, WHOPAYS_ISSUERS must name at least one issuer of tokens, for instance:\n"
                '  WHOPAYS_ISSUERS=\'{"https://login.example": {"audiences": ["whopays"], "jwks": "https://…"}}\'\n'
                "See docs/rights.md."
            )
        return self.auth

    def policy(self) -> OperatorPolicy:
        """Return the operator's policy: what it accepts."""
        return OperatorPolicy(
            currencies=self.currencies,
            data_residencies=self.data_residencies,
            payment_profile_kinds=frozenset(self.payment_profile_kinds),
            payment_profile_kinds_by_country=self.payment_profile_kinds_by_country,
        )

    def keys(self) -> LocalKeys:
        """Return the key-encryption keys. Raises MissingKey if there is no key to encrypt with."""
        if not self.encryption_keys:
            raise MissingKey(
                "There is no key to encrypt personal data with. Set WHOPAYS_ENCRYPTION_KEYS to the output of:\n"
                "  whopays new-key\n"
                "and keep it: without it nobody can read what it encrypted."
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

    @property
    def shard_numbers(self) -> range:
        """The shards in use; lower ones are closed."""
        return range(self.first_shard, self.first_shard + self.shards)

    def shard_of(self, boundary: str) -> int:
        """Return the shard of an organization."""
        return shard_of(boundary, self.shards, self.first_shard)

    def topic(self, name: str) -> str:
        """Return a topic's name with its prefix."""
        return f"{self.topic_prefix}{name}"


def unknown_variables() -> list[str]:
    """Return a line for each variable of the environment, or of `.env`, that looks like a setting but is not one.

    Values are not shown: a misspelt variable may hold a password.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - most folders have no such file, and most variables are known

    prefix = str(Settings.model_config.get("env_prefix"))
    fields = Settings.model_fields
    known = sorted(name.upper() for name in (*fields, *(f"{name}{SUFFIX}" for name in secret_settings(fields))))
    said = {*os.environ, *(dotenv_values(_ENV_FILE) if Path(_ENV_FILE).exists() else ())}
    unknown = {name for name in said if name.upper().startswith(prefix)} - _NOT_SETTINGS
    lines = []
    for name in sorted(unknown):
        setting = name.upper().removeprefix(prefix)
        if setting in known:
            continue
        nearest = get_close_matches(setting, known, n=1)
        hint = f" Did you mean {prefix}{nearest[0]}?" if nearest else " See docs/settings.md."
        lines.append(f"{name} is not a setting and is ignored.{hint}")
    return lines


def settings_table() -> str:
    """Return the table in docs/settings.md, generated from the fields."""
    lines = ["| variable | default | what it decides |", "| --- | --- | --- |"]
    secrets = secret_settings(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = json.dumps(sorted(default)) if isinstance(default, frozenset) else default
        file = f" or `…{SUFFIX}`" if name in secrets else ""
        lines.append(f"| `WHOPAYS_{name.upper()}`{file} | `{shown}` | {field.description} |")
    return "\n".join(lines) + "\n"
