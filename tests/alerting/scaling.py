"""The rules of `deploy/prometheus`, in a hurry: what takes a day, or a quarter of an hour, is seen within a minute.

Waits (`for`), windows (`[5m]`) and offsets are divided by 30. A threshold in seconds, such as a lag, is divided by 6:
what it is compared with has an age even if all is well, a heartbeat of five seconds, a watermark of three. Thresholds
of anything else (shares, events a second, numbers) stay as they are, and so does everything else.
"""

import re
from typing import Any

WAITS, AGES = 30, 6

_DURATION = re.compile(r"(?<=[\[ ])(\d+)([smh])(?=[\]\s)]|$)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_THRESHOLD = re.compile(r"> (\d+)(?=\s|$)")
_OF_SECONDS = re.compile(r"_seconds(_bucket)?\b")


def scaled(rules: dict[str, Any]) -> dict[str, Any]:
    """Return rules as a Prometheus reads them, in a hurry."""
    return {
        "groups": [
            {**group, "rules": [_hurried(rule) for rule in group["rules"]]} for group in rules["groups"]
        ]
    }  # fmt: skip


def _hurried(rule: dict[str, Any]) -> dict[str, Any]:
    hurried = {**rule, "expr": _expression(rule["expr"])}
    if "for" in rule:
        hurried["for"] = _shorter(re.fullmatch(r"(\d+)([smh])", rule["for"]))
    return hurried


def _expression(expression: str) -> str:
    shorter = _DURATION.sub(_shorter, expression)
    if not _OF_SECONDS.search(expression):
        return shorter
    return _THRESHOLD.sub(lambda found: f"> {int(found[1]) / AGES:g}", shorter)


def _shorter(found: re.Match[str] | None) -> str:
    assert found is not None
    return f"{int(found[1]) * _SECONDS[found[2]] * 1000 // WAITS}ms"
