"""Which installation the commands talk to: that of the environment, or else of a `whopays dev` in this folder.

`whopays dev` writes the settings of its installation to `.whopays/running.json` in the folder it is started in, and
deletes the file when it ends. The other commands use it as long as that process lives and holds a lock on it. They
use all of it or nothing: if the environment or `.env` says anything about which installation is meant, the file is
ignored, so that two installations are never mixed.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cli.terminal.ending import importing

if TYPE_CHECKING:
    from workers.runtime.settings import Settings

HOME = Path(".whopays")
RUNNING = HOME / "running.json"

WHICH = frozenset({"database_url", "kafka_bootstrap_servers", "installation", "topic_prefix", "shards", "first_shard"})
"""Settings that identify an installation."""

_ELSEWHERE = frozenset({"database_url_file", "database_password", "database_password_file"})
"""Variables that set the address, or a part of it, in another way."""

_CONNECTION = frozenset(
    {"kafka_security_protocol", "kafka_ssl_ca_location", "kafka_sasl_mechanism", "kafka_sasl_username"}
)
_LENT = (
    WHICH | _CONNECTION | {"auth", "issuers", "grants_claim", "metrics_address", "metrics_port", "encryption_key_id"}
)
_PREFIX = "whopays_"


def load_settings() -> "Settings":
    """Return the settings of the environment, or those of a `whopays dev` running in this folder."""
    with importing():
        from workers.runtime.settings import Settings  # noqa: PLC0415 - `whopays health` does without

    said = Settings()
    warn_of_unknown_variables()
    lent = {name: value for name, value in running_here().items() if name not in said.model_fields_set}
    return Settings(**lent) if lent else said


def database_address() -> str:
    """Return the address of the database, without loading all settings if it is set directly."""
    said = said_here()
    if _ELSEWHERE.isdisjoint(said):
        for place in (said, running_here()):
            if (address := place.get("database_url")) is not None:
                return str(address)
    return load_settings().database_url


def running_here() -> dict[str, Any]:
    """Return the settings of a `whopays dev` running in this folder; empty if another installation is meant."""
    return _read() if (WHICH | _ELSEWHERE).isdisjoint(said_here()) else {}


def said_here() -> dict[str, str | None]:
    """Return the raw values in the environment, or else in `.env`, by the name of the setting."""
    said: dict[str, str | None] = {}
    if Path(".env").exists():
        from dotenv import dotenv_values  # noqa: PLC0415 - most folders have no such file

        said |= dotenv_values(".env")
    said |= os.environ
    return {
        name.lower().removeprefix(_PREFIX): value for name, value in said.items() if name.lower().startswith(_PREFIX)
    }


def warn_of_unknown_variables() -> None:
    """Print which variables look like settings but are not."""
    from workers.runtime.settings import unknown_variables  # noqa: PLC0415 - as above

    for line in unknown_variables():
        print(f"warning: {line}", file=sys.stderr)


@contextmanager
def remembered(settings: "Settings") -> Iterator[bool]:
    """Let other commands in this folder find the installation that this process runs, until the block ends.

    Yield whether they do: if another `whopays dev` already runs in this folder, they still find that one.
    """
    if _read():
        yield False
        return
    lent = settings.model_dump(mode="json", include=set(_LENT))
    lent["encryption_keys"] = {key_id: key.get_secret_value() for key_id, key in settings.encryption_keys.items()}
    if settings.kafka_sasl_password is not None:
        lent["kafka_sasl_password"] = settings.kafka_sasl_password.get_secret_value()
    HOME.mkdir(mode=0o700, exist_ok=True)
    new = HOME / f"{RUNNING.name}.{os.getpid()}"
    new.unlink(missing_ok=True)
    # It contains the passwords of database and broker, and the keys to personal data.
    new.touch(mode=0o600)
    with new.open("w", encoding="utf-8") as file:
        # Locked before it can be found; the system releases the lock exactly when this process ends.
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({"process": os.getpid(), "settings": lent}, file, indent=2)
        file.flush()
        new.replace(RUNNING)
        try:
            yield True
        finally:
            if RUNNING.exists() and os.path.samestat(RUNNING.stat(), os.fstat(file.fileno())):
                RUNNING.unlink()


def _read() -> dict[str, Any]:
    """Return the settings in the file of a running `whopays dev`; empty if it was killed."""
    try:
        with RUNNING.open(encoding="utf-8") as file:
            if not _is_locked(file):
                return {}
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    settings = content.get("settings") if isinstance(content, dict) else None
    return settings if isinstance(settings, dict) else {}


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
