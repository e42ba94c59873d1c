"""What goes wrong, in words: what it was, where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaConnectionError, KafkaError
from asyncpg import InterfaceError, PostgresError, UndefinedTableError
from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from cli.terminal.ending import CommandFailed
from db.reading_positions import ReadingWentBack
from db.refusal import DatabaseRefused
from db.sealing import Unopenable
from embedded import EmbeddedError
from workers.consuming.start_positions import TopicWentBack
from workers.publishing.packing import LogDamaged
from workers.publishing.positions import PositionsUnreadable
from workers.runtime.settings import MissingKey, Settings
from workers.topics.admission import KafkaRefused
from workers.topics.cluster import TopicMissing

_ON_PURPOSE = (
    DatabaseRefused,
    EmbeddedError,
    KafkaRefused,
    LogDamaged,
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
        case _:
            return str(error) if isinstance(error, _ON_PURPOSE) else None


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """Turn what a database or a broker that cannot be used raises into CommandFailed."""
    try:
        yield
    except ArgumentError:
        raise CommandFailed(
            "WHOPAYS_DATABASE_URL is not an address such as postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
        ) from None
    except PositionsUnreadable as error:
        raise CommandFailed(f"{error}. Look whether all of its brokers run: whopays topics check") from error
    except KafkaError as error:
        raise CommandFailed(
            f"Kafka at {settings.kafka_bootstrap_servers} cannot be used: {_kafka_trouble(error)}\n"
            "Check WHOPAYS_KAFKA_BOOTSTRAP_SERVERS and that the broker runs, or start one with: whopays dev"
        ) from error
    except (DBAPIError, PostgresError, InterfaceError, OSError) as error:
        raise CommandFailed(_database_trouble(settings, error)) from error


def _kafka_trouble(error: KafkaError) -> str:
    return "no broker answers" if isinstance(error, KafkaConnectionError) else _words(error)


def _database_trouble(settings: Settings, error: Exception) -> str:
    cause = error.orig.__cause__ or error.orig if isinstance(error, DBAPIError) and error.orig else error
    where = make_url(settings.database_url).render_as_string(hide_password=True)
    if isinstance(cause, UndefinedTableError):
        return f"The database at {where} has no tables of whopays yet.\nRun: whopays migrate"
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
