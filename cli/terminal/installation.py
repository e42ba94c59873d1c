"""Which installation the commands talk to: the environment decides; where it is silent, a `whopays dev` of this folder.

`whopays dev` writes the addresses of its servers to `.whopays/running.json` in the folder it is started in, and deletes
the file when it ends. The other commands read it as long as that process lives.
"""

import json
import os
from pathlib import Path
from typing import Any

from workers.runtime.settings import Settings

HOME = Path(".whopays")
RUNNING = HOME / "running.json"

_SHARED = (
    "database_url",
    "kafka_bootstrap_servers",
    "installation",
    "topic_prefix",
    "shards",
    "metrics_port",
    "encryption_key_id",
)


def load_settings() -> Settings:
    """Return the settings from the environment, completed by a `whopays dev` that runs in this folder."""
    said = Settings()
    running = {name: value for name, value in _running_here().items() if name not in said.model_fields_set}
    return Settings(**running) if running else said


def remember(settings: Settings) -> None:
    """Let other commands in this folder find the installation that this process runs."""
    shared = settings.model_dump(mode="json", include=set(_SHARED))
    shared["encryption_keys"] = {key_id: key.get_secret_value() for key_id, key in settings.encryption_keys.items()}
    HOME.mkdir(mode=0o700, exist_ok=True)
    RUNNING.unlink(missing_ok=True)
    # The address holds the password of the database, and the keys open personal data.
    RUNNING.touch(mode=0o600)
    RUNNING.write_text(json.dumps({"process": os.getpid(), "settings": shared}, indent=2) + "\n", encoding="utf-8")


def forget() -> None:
    """Take back what `remember` of this process wrote."""
    if _read().get("process") == os.getpid():
        RUNNING.unlink(missing_ok=True)


def _running_here() -> dict[str, Any]:
    running = _read()
    if not running or not _lives(running["process"]):
        return {}
    settings: dict[str, Any] = running["settings"]
    return settings


def _read() -> dict[str, Any]:
    try:
        content = json.loads(RUNNING.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
