"""What goes wrong, in words: what it was, where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EPIPE

from aiokafka.errors import KafkaConnectionError, KafkaError
from asyncpg import InterfaceError, PostgresError, UndefinedTableError
from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.exc import DBAPIError

from cli.terminal.ending import CommandFailed
from db.address import BadAddress, DatabaseUnreachable, shown_address
from db.reading_positions import ReadingWentBack
from db.refusal import DatabaseRefused
from db.sealing import Unopenable
from embedded import EmbeddedError
from workers.consuming.start_positions import TopicWentBack
from workers.publishing.packing import LogDamaged
from workers.publishing.positions import PositionsUnreadable
from workers.runtime.metrics_server import MetricsNotServed
from workers.runtime.settings import MissingKey, Settings
from workers.topics.admission import KafkaRefused
from workers.topics.cluster import TopicMissing

_UNSUPPORTED = "unsupported startup parameter"

_ON_PURPOSE = (
    BadAddress,
    DatabaseRefused,
    EmbeddedError,
    KafkaRefused,
    LogDamaged,
    MetricsNotServed,
    MissingKey,
    ReadingWentBack,
    TopicMissing,
    TopicWentBack,
    Unopenable,
)
"""What says itself what was wrong, and what to do."""


def in_words(error: Exception) -> str | None:
    """Return what an error says to whoever runs the command; None for one that nobody raises on purpose."""
    match error:
        case ValidationError() if error.title == Settings.__name__:
            return _bad_settings(error)
        case SettingsError():
            # Its message names the field and where it was read from, but no value.
            return f"The settings cannot be read: {error}. Lists are written as JSON."
        case OSError() if error.errno != EPIPE:  # whoever read the output may have ended
            return _trouble(error)
        case _:
            return str(error) if isinstance(error, _ON_PURPOSE) else None


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """Turn what a database or a broker that cannot be used raises into CommandFailed."""
    try:
        yield
    except PositionsUnreadable as error:
        raise CommandFailed(f"{error}. Look whether all of its brokers run: whopays topics check") from error
    except KafkaError as error:
        raise CommandFailed(
            f"Kafka at {settings.kafka_bootstrap_servers} cannot be used: {_kafka_trouble(error)}\n"
            "Check WHOPAYS_KAFKA_BOOTSTRAP_SERVERS and that the broker runs, or start one with: whopays dev"
        ) from error
    except (DBAPIError, PostgresError, InterfaceError, DatabaseUnreachable) as error:
        raise CommandFailed(_database_trouble(settings, error)) from error


def _trouble(error: OSError) -> str:
    """Return what the system says, and of which file."""
    words = error.strerror or _words(error)
    return f"{error.filename}: {words}" if error.filename else words


def _kafka_trouble(error: KafkaError) -> str:
    return "no broker answers" if isinstance(error, KafkaConnectionError) else _words(error)


def _database_trouble(settings: Settings, error: Exception) -> str:
    cause = error.orig.__cause__ or error.orig if isinstance(error, DBAPIError) and error.orig else error
    where = shown_address(settings.database_url)
    if isinstance(cause, UndefinedTableError):
        return f"The database at {where} has no tables of whopays yet.\nRun: whopays migrate"
    if _UNSUPPORTED in str(cause):
        return (
            f"PostgreSQL at {where} is behind a PgBouncer that refuses the limits of a session: {_words(cause)}\n"
            'Connect to the server itself, or see "Behind PgBouncer" in docs/operations.md.'
        )
    return (
        f"PostgreSQL at {where} cannot be used: {_words(cause)}\n"
        "Check WHOPAYS_DATABASE_URL and that the server runs, or start one with: whopays dev"
    )


def _words(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__


def _bad_settings(error: ValidationError) -> str:
    lines = ["The settings (environment or .env) are not right:"]
    for item in error.errors(include_url=False):
        # Only names of settings and what they must be: a value may hold a password.
        name = f"{Settings.model_config.get('env_prefix', '')}{item['loc'][0]}".upper() if item["loc"] else "settings"
        lines.append(f"  {name}: {item['msg'].removeprefix('Value error, ').replace('Input should', 'should')}")
    return "\n".join(lines)
