"""What schemathesis is not told of: bodies that are lines of JSON, which are answered as 200 whatever follows."""

from typing import Any

import schemathesis

_LINES = "application/x-ndjson"


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, schema: dict[str, Any]) -> None:
    """Leave out bodies that are lines of JSON."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation.get("requestBody", {}).get("content", {}).pop(_LINES, None)
