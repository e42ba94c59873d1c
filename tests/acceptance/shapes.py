"""The shapes of `holds`, `closure`, `cause`, `conditions` and `blockers` (`docs/contract.md`, sections 6 and 7)."""

from collections.abc import Callable, Iterator

from tests.acceptance.json_types import Json, to_json
from tests.acceptance.vocabulary import CONDITIONS, HOLD_REASONS, PHASE_REASONS, to_decimal, to_instant

_BLOCKERS_SHOW_AT_MOST = 20

Check = Callable[[Json], bool]


def holds(value: Json) -> Iterator[str]:
    """Yield what is wrong with a list of holds."""
    if not isinstance(value, list):
        yield f"holds is no list: {_shown(value)}"
        return
    for hold in value:
        yield from _members(
            "a hold",
            hold,
            reason=lambda reason: reason in HOLD_REASONS,
            message=_text_or_null,
            by=_text,
            placedAt=_instant,
            reactivation=lambda one: one is None or isinstance(one, dict),
        )
        if isinstance(hold, dict) and isinstance(hold.get("reactivation"), dict):
            request = hold["reactivation"]
            yield from _members("a reactivation", request, by=_text, resolution=_text, requestedAt=_instant)
    reasons = [hold.get("reason") for hold in value if isinstance(hold, dict)]
    if len(set(map(str, reasons))) != len(reasons):
        yield f"two holds of one reason: {reasons}"


def closure(value: Json) -> Iterator[str]:
    """Yield what is wrong with a requested closure; `null` is none."""
    if value is not None:
        yield from _members("closure", value, by=_text, reason=_text_or_null, requestedAt=_instant)


def cause(value: Json, causation_id: Json) -> Iterator[str]:
    """Yield what is wrong with a cause, which must have the id that the envelope names."""
    if not isinstance(value, dict):
        yield f"cause is no map: {_shown(value)}"
        return
    unknown = value.keys() - {"commandId", "factId", "by", "reason"}
    ids = [value[name] for name in ("commandId", "factId") if value.get(name) is not None]
    if unknown or len(ids) != 1 or not _text(value.get("by")) or not _text_or_null(value.get("reason")):
        yield f"cause is {_shown(value)}"
    elif ids[0] != causation_id:
        yield f"cause names {ids[0]}, causationid {causation_id}"


def conditions(value: Json) -> Iterator[str]:
    """Yield what is wrong with the conditions of an account."""
    types = [one.get("type") for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    if not isinstance(value, list) or sorted(map(str, types)) != sorted(CONDITIONS):
        yield f"conditions are {_shown(value)}"
        return
    for condition in value:
        yield from _members(
            "a condition",
            condition,
            type=_text,
            status=lambda status: status in ("True", "False"),
            reason=lambda reason: reason in PHASE_REASONS,
            message=_text_or_null,
            lastTransitionTime=_instant,
        )


def blockers(reason: Json, value: Json) -> Iterator[str]:
    """Yield what is wrong with the blockers of a violation."""
    if reason == "ChargesOutstanding":
        yield from _members("blockers", value, outstanding=_decimal, currencyCode=_text_or_null, asOf=_instant_or_null)
        if isinstance(value, dict) and len({one is None for one in value.values()}) > 1:
            yield f"blockers know of a balance in part: {_shown(value)}"
    elif reason == "ActiveBindingsExist" or value is not None:
        yield from _members("blockers", value, count=lambda count: type(count) is int and count > 0, projects=_texts)
        if isinstance(value, dict) and isinstance(value.get("projects"), list) and type(value.get("count")) is int:
            shown = len(value["projects"])
            if shown != min(value["count"], _BLOCKERS_SHOW_AT_MOST) or len(set(map(str, value["projects"]))) != shown:
                yield f"blockers show {shown} projects of {value['count']}"


def _members(what: str, value: Json, **checks: Check) -> Iterator[str]:
    """Yield a map of exactly these members, absence being `null`, each of which meets its check."""
    if not isinstance(value, dict):
        yield f"{what} is no map: {_shown(value)}"
        return
    for unknown in sorted(value.keys() - checks.keys()):
        yield f"{what} has a member {unknown}: {_shown(value)}"
    for name, holds_for in checks.items():
        if not holds_for(value.get(name)):
            yield f"{what} has the {name} {_shown(value.get(name))}"


def _text(value: Json) -> bool:
    return isinstance(value, str) and value != ""


def _text_or_null(value: Json) -> bool:
    return value is None or isinstance(value, str)


def _texts(value: Json) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _instant(value: Json) -> bool:
    return to_instant(value) is not None


def _instant_or_null(value: Json) -> bool:
    return value is None or _instant(value)


def _decimal(value: Json) -> bool:
    return value is None or to_decimal(value) is not None


def _shown(value: Json) -> str:
    return to_json(value)[:300]
