"""What goes wrong, in words: what it was, where, and what to do; tracebacks are for faults of the program itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from aiokafka.errors import KafkaConnectionError, KafkaError
from asyncpg import InterfaceError, PostgresError, UndefinedTableError
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.text import Text
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from typer.core import TyperCommand, TyperGroup

from cli.terminal.output import error_console
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

FAILED, NOT_CHECKED = 1, 2


class CommandFailed(Exception):
    """A command cannot do what it was asked; the message says why, and what to do."""


_ON_PURPOSE = (
    CommandFailed,
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


class Program(TyperGroup):
    """The whole command line: whatever its commands raise on purpose ends as a message and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with _told(FAILED):
            return super().invoke(ctx)


class Check(TyperCommand):
    """A command that looks whether all is well: FAILED says that it is not, NOT_CHECKED that nobody knows."""

    def invoke(self, ctx: Any) -> Any:
        """Look."""
        with _told(NOT_CHECKED):
            return super().invoke(ctx)


@contextmanager
def _told(status: int) -> Iterator[None]:
    try:
        yield
    except _ON_PURPOSE as error:
        _fail(str(error), status)
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        _fail(_bad_settings(error), status)
    except SettingsError as error:
        # Its message names the field and where it was read from, but no value.
        _fail(f"The settings cannot be read: {error}. Lists are written as JSON.", status)


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


def _fail(message: str, status: int) -> None:
    error_console().print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    raise typer.Exit(status)
