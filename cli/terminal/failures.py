"""Error messages: what failed, where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EPIPE

from asyncpg import InterfaceError, InternalClientError, PostgresError, UndefinedTableError
from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.exc import DBAPIError

from cli.terminal.ending import CommandFailed
from db.address import DatabaseUnreachable, shown_address
from workers.runtime.settings import Settings

_UNSUPPORTED = "unsupported startup parameter"
_KAFKA, _NO_BROKER = "aiokafka.errors.KafkaError", "aiokafka.errors.KafkaConnectionError"
_POSITIONS = "workers.publishing.positions.PositionsUnreadable"

ON_PURPOSE = frozenset(
    {
        "db.address.BadAddress",
        "db.history.HistoryDamaged",
        "db.reading_positions.ReadingWentBack",
        "db.refusal.DatabaseRefused",
        "db.sealing.Unopenable",
        "embedded.errors.EmbeddedError",
        "service.serving.NotServed",
        "workers.consuming.start_positions.TopicWentBack",
        "workers.publishing.packing.LogDamaged",
        "workers.redriving.AnotherRedrives",
        "workers.replaying.refusal.ReplayRefused",
        "workers.runtime.kafka.KafkaSecurityRefused",
        "workers.runtime.metrics_server.MetricsNotServed",
        "workers.runtime.secret_files.SecretFileRefused",
        "workers.runtime.settings.AuthNotConfigured",
        "workers.runtime.settings.MissingKey",
        "workers.runtime.traces.TracesNotInstalled",
        "workers.topics.admission.KafkaRefused",
        "workers.topics.cluster.TopicMissing",
    }
)
"""Errors whose own message says what was wrong and what to do. Listed by name, because importing all of them would
take longer than answering a question; a command that raises one has imported it."""


def in_words(error: Exception) -> str | None:
    """Return the message of an error for the user; None for an unexpected error."""
    match error:
        case ValidationError() if error.title == Settings.__name__:
            return _bad_settings(error)
        case SettingsError():
            # The message names the field and its source, but contains no value.
            return f"The settings cannot be read: {error}. Lists are written as JSON."
        case OSError() if error.errno != EPIPE:  # the reader of a pipe may have exited
            return _trouble(error)
        case _:
            return None if ON_PURPOSE.isdisjoint(_kinds(error)) else str(error)


@contextmanager
def reaching(settings: Settings) -> Iterator[None]:
    """Turn the errors of an unusable database or broker into CommandFailed."""
    try:
        yield
    except (DBAPIError, PostgresError, InterfaceError, InternalClientError, DatabaseUnreachable) as error:
        raise CommandFailed(_database_trouble(settings, error)) from error
    except Exception as error:
        kinds = _kinds(error)
        if _POSITIONS in kinds:
            raise CommandFailed(f"{error}. Check that all of its brokers run: whopays topics check") from error
        if _KAFKA in kinds:
            trouble = "no broker answers" if _NO_BROKER in kinds else _words(error)
            raise CommandFailed(
                f"Kafka at {settings.kafka_bootstrap_servers} cannot be used: {trouble}\n"
                "Check WHOPAYS_KAFKA_BOOTSTRAP_SERVERS and that the broker runs, or start one with: whopays dev"
            ) from error
        raise


def _kinds(error: Exception) -> set[str]:
    """Return the names of an error's class and its base classes."""
    return {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}


def _trouble(error: OSError) -> str:
    """Return the system's message, and the file it is about."""
    words = error.strerror or _words(error)
    return f"{error.filename}: {words}" if error.filename else words


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
    lines = ["The settings (environment or .env) are invalid:"]
    for item in error.errors():
        # Only names of settings and their constraints: a value may contain a password.
        name = f"{Settings.model_config.get('env_prefix', '')}{item['loc'][0]}".upper() if item["loc"] else "settings"
        lines.append(f"  {name}: {item['msg'].removeprefix('Value error, ').replace('Input should', 'should')}")
    return "\n".join(lines)
