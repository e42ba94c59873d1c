"""Which installation the commands talk to: the environment decides; if it is silent, a `whopays dev` of this folder.

`whopays dev` writes the settings of its installation to `.whopays/running.json` in the folder it is started in, and
deletes the file when it ends. The other commands use it as long as that process lives, as a whole or not at all: where
the environment or `.env` says anything about which installation is meant, the file is not used, so that two
installations are never mixed.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.runtime.settings import Settings

HOME = Path(".whopays")
RUNNING = HOME / "running.json"

WHICH = frozenset({"database_url", "kafka_bootstrap_servers", "installation", "topic_prefix", "shards"})
"""Settings that say which installation is meant."""

_LENT = WHICH | {"metrics_address", "metrics_port", "encryption_key_id"}
_PREFIX = "whopays_"


def load_settings() -> "Settings":
    """Return the settings of the environment, or those of a `whopays dev` that runs in this folder."""
    from workers.runtime.settings import Settings  # noqa: PLC0415 - `whopays health` does without

    said = Settings()
    warn_of_unknown_variables()
    lent = {name: value for name, value in running_here().items() if name not in said.model_fields_set}
    return Settings(**lent) if lent else said


def running_here() -> dict[str, Any]:
    """Return the settings of a `whopays dev` that runs in this folder; nothing where others are meant."""
    running = _read()
    if not running or not _lives(running["process"]) or not WHICH.isdisjoint(said_here()):
        return {}
    settings: dict[str, Any] = running["settings"]
    return settings


def said_here() -> dict[str, str | None]:
    """Return what the environment, or else `.env`, says, as it stands there, by the name of the setting."""
    said: dict[str, str | None] = {}
    if Path(".env").exists():
        from dotenv import dotenv_values  # noqa: PLC0415 - most folders have no such file

        said |= dotenv_values(".env")
    said |= os.environ
    return {
        name.lower().removeprefix(_PREFIX): value for name, value in said.items() if name.lower().startswith(_PREFIX)
    }


def warn_of_unknown_variables() -> None:
    """Say which variables look like settings and are not."""
    from workers.runtime.settings import unknown_variables  # noqa: PLC0415 - as above

    for line in unknown_variables():
        print(f"warning: {line}", file=sys.stderr)


def remember(settings: "Settings") -> bool:
    """Let other commands in this folder find the installation that this process runs.

    Return whether they do: they go on finding that of another `whopays dev` which runs in this folder already.
    """
    other = _read()
    if other and other["process"] != os.getpid() and _lives(other["process"]):
        return False
    lent = settings.model_dump(mode="json", include=set(_LENT))
    lent["encryption_keys"] = {key_id: key.get_secret_value() for key_id, key in settings.encryption_keys.items()}
    HOME.mkdir(mode=0o700, exist_ok=True)
    RUNNING.unlink(missing_ok=True)
    # The address holds the password of the database, and the keys open personal data.
    RUNNING.touch(mode=0o600)
    RUNNING.write_text(json.dumps({"process": os.getpid(), "settings": lent}, indent=2) + "\n", encoding="utf-8")
    return True


def forget() -> None:
    """Take back what `remember` of this process wrote."""
    if _read().get("process") == os.getpid():
        RUNNING.unlink(missing_ok=True)


def _read() -> dict[str, Any]:
    try:
        content = json.loads(RUNNING.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.keys() >= {"process", "settings"} else {}


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
