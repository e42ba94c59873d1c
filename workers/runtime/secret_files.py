"""Secrets from files: any setting that holds a secret can be given as `…_FILE`, the path of a file that contains it.

That is how systemd credentials and Docker and Kubernetes secrets reach a process. A setting holds a secret if its type
says so: it contains `SecretStr`, or is marked `MAY_BE_SECRET`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"

MAY_BE_SECRET = object()
"""Marks a setting that may hold a secret but is plain text: `Annotated[str, MAY_BE_SECRET]`."""


class SecretFileRefused(Exception):
    """A file that should contain a secret cannot be used; the message quotes nothing of its content."""


def secret_settings(fields: Mapping[str, FieldInfo]) -> set[str]:
    """Return the names of the settings that can come from a file."""
    return {
        name for name, field in fields.items() if MAY_BE_SECRET in field.metadata or _holds_secret(field.annotation)
    }


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the files that `variables` name: the environment and `.env`, with names in lower case."""

    def __init__(self, settings: type[BaseSettings], variables: Mapping[str, str | None]) -> None:
        super().__init__(settings)
        self._prefix = str(settings.model_config.get("env_prefix", "")).lower()
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the content of a setting's file; None if no file is named. Raises SecretFileRefused."""
        direct, named = (f"{self._prefix}{field_name}{end}".lower() for end in ("", SUFFIX))
        path = self._variables.get(named)
        if path is None:
            return None, field_name, False
        if direct in self._variables:
            raise SecretFileRefused(f"{direct.upper()} and {named.upper()} are both given. Leave one of them out.")
        content = read_secret(path, named.upper())
        if not self.field_is_complex(field):
            return content, field_name, False
        try:
            return json.loads(content), field_name, True
        except ValueError:
            raise SecretFileRefused(f"{named.upper()}: the file {path} does not contain JSON.") from None

    def __call__(self) -> dict[str, Any]:
        """Return the settings that come from files. Raises SecretFileRefused."""
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(fields[name], name)[0] for name in secret_settings(fields)}
        return {name: value for name, value in found.items() if value is not None}


def read_secret(path: str, what: str) -> str:
    """Return a file's content without the final line end; `what` named the file. Raises SecretFileRefused."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SecretFileRefused(f"{what}: the file {path} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise SecretFileRefused(f"{what}: the file {path} is not UTF-8.") from None
    secret = content.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise SecretFileRefused(f"{what}: the file {path} is empty.")
    return secret


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))
