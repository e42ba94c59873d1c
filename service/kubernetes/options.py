"""The parameters of a list or a watch, parsed as Kubernetes does; unknown ones are ignored."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import parse_qsl

import orjson

from db.questions.resources.keys import FIRST, Key
from service.kubernetes.resources import Resource
from service.kubernetes.selectors import Selection, read_selection
from service.kubernetes.statuses import Refusal, bad_request, invalid
from service.kubernetes.tables import Included, read_included
from service.problems import quoted

_LARGEST = 2**63 - 1
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_POSITION = re.compile(r"[0-9]{1,20}")
_NOT_OLDER_THAN, _EXACT = "NotOlderThan", "Exact"
_MATCH = "resourceVersionMatch"


@dataclass(frozen=True, slots=True)
class Options:
    """How to list or watch.

    `position` is None without a `resourceVersion`; 0 means any. A page begins after `after`, and belongs to a list that
    began at the position `began_at`. `sends_initial_events` is None if the parameter is absent.
    """

    selection: Selection
    included: Included
    is_watch: bool
    position: int | None
    is_exact: bool
    limit: int
    after: Key
    began_at: int | None
    asks: str
    has_bookmarks: bool
    sends_initial_events: bool | None
    timeout_seconds: int


def parameters(query: bytes) -> dict[str, str]:
    """Return the parameters of a query; of repeated ones, the first."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise bad_request("the query is malformed") from None
    return dict(reversed(pairs))


def is_watched(query: bytes) -> bool:
    """Return whether a query asks for a watch, even if it is otherwise invalid."""
    try:
        return _flag(parameters(query), "watch")
    except Refusal:
        return False


def read_options(resource: Resource, organization: str | None, given: Mapping[str, str]) -> Options:
    """Return the options of a list or a watch. Raises Refusal."""
    is_watch = _flag(given, "watch")
    initial = _flag(given, "sendInitialEvents") if "sendInitialEvents" in given else None
    _check_match(given, is_watch=is_watch, initial=initial)
    position = _position(given.get("resourceVersion", ""))
    fields, labels = given.get("fieldSelector", ""), given.get("labelSelector", "")
    asks = _digest(resource.plural, organization or "", fields, labels)
    began_at, after = (None, FIRST) if is_watch else _read_continue(given.get("continue", ""), asks)
    if began_at is not None and position:
        raise bad_request("specifying resource version is not allowed when using continue")
    return Options(
        selection=read_selection(resource, fields, labels),
        included=read_included(given.get("includeObject", "")),
        is_watch=is_watch,
        position=position,
        is_exact=given.get(_MATCH) == _EXACT,
        limit=max(0, _integer(given, "limit")),
        after=after,
        began_at=began_at,
        asks=asks,
        has_bookmarks=_flag(given, "allowWatchBookmarks"),
        sends_initial_events=initial,
        timeout_seconds=max(0, _integer(given, "timeoutSeconds")),
    )


def write_continue(options: Options, began_at: int, after: Key) -> str:
    """Return the `continue` token for the page after a key, of a list that began at a position."""
    document = orjson.dumps({"v": 1, "rv": began_at, "after": after, "of": options.asks})
    return urlsafe_b64encode(document).decode().rstrip("=")


def _read_continue(token: str, asks: str) -> tuple[int | None, Key]:
    if not token:
        return None, FIRST
    try:
        document = orjson.loads(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
    except (ValueError, binascii.Error):
        document = None
    match document:
        case {"v": 1, "rv": int(began_at), "after": [str(organization), str(name), int(number)], "of": str(of)} if (
            of == asks and "\0" not in organization + name and max(began_at, number) <= _LARGEST
        ):
            return began_at, (organization, name, number)
        case _:
            raise bad_request("continue key is not valid: it is not of this list")


def _check_match(given: Mapping[str, str], *, is_watch: bool, initial: bool | None) -> None:
    """Raise Refusal with all conflicts between options."""
    match, version = given.get(_MATCH, ""), given.get("resourceVersion", "")
    known = (_NOT_OLDER_THAN,) if is_watch else (_EXACT, _NOT_OLDER_THAN)
    forbidden = {
        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan": is_watch
        and initial is not None
        and match != _NOT_OLDER_THAN,
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided": is_watch
        and match
        and initial is None,
        "resourceVersionMatch is forbidden unless resourceVersion is provided": not is_watch and match and not version,
        'resourceVersionMatch "exact" is forbidden for resourceVersion "0"': match == _EXACT and version == "0",
        "resourceVersionMatch is forbidden when continue is provided": match and given.get("continue"),
        "sendInitialEvents is forbidden for list": not is_watch and initial is not None,
    }
    causes = [
        ("FieldValueForbidden", f"Forbidden: {said}", "sendInitialEvents" if said.endswith("list") else _MATCH)
        for said, is_so in forbidden.items()
        if is_so
    ]
    if match and match not in known:
        said = f'Unsupported value: "{quoted(match)}": supported values: {", ".join(known)}'
        causes.append(("FieldValueNotSupported", said, _MATCH))
    if causes:
        raise invalid(causes)


def _position(version: str) -> int | None:
    if not version:
        return None
    if not _POSITION.fullmatch(version) or int(version) > _LARGEST:
        raise bad_request(f'resourceVersion: Invalid value: "{quoted(version)}": it is no position')
    return int(version)


def _flag(given: Mapping[str, str], name: str) -> bool:
    return name in given and given[name].lower() not in ("false", "0")


def _integer(given: Mapping[str, str], name: str) -> int:
    value = given.get(name, "")
    if not value:
        return 0
    if not _INTEGER.fullmatch(value) or abs(int(value)) > _LARGEST:
        raise bad_request(f'{name}: "{quoted(value)}" is no integer')
    return int(value)


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()
