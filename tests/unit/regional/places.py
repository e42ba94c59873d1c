"""Where a model finds fault: JSON pointers, and what it says there."""

from typing import Any

from pydantic import BaseModel, ValidationError

from schemas.pointers import pointer
from schemas.policy import OperatorPolicy


def faults(model: type[BaseModel], data: Any, policy: OperatorPolicy | None = None) -> dict[str, str]:
    """Return the message for each place, read as a command is read; empty if the data are valid."""
    try:
        model.model_validate(data, by_alias=True, by_name=False, context=None if policy is None else {"policy": policy})
    except ValidationError as error:
        return {pointer(item["loc"]): item["msg"] for item in error.errors(include_url=False)}
    return {}
