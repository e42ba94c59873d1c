"""How answers are written: headers, `ETag` and 304, `HEAD`, and compression."""

import asyncio
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from schemas.instants import format_instant
from service.problems import MEDIA, Problem
from service.snapshots import Snapshot

Headers = list[tuple[bytes, bytes]]

JSON = "application/json"
SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]
"""Headers of every answer, of the API and of the console."""
OF_QUESTIONS: Headers = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Accept, Accept-Encoding, Authorization"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    *SECURITY,
]
"""Headers of every answer to a question, including streams and problems."""

_WORTH_COMPRESSING, _WORTH_A_THREAD = 1024, 128 * 1024
_STATUSES_WITH_SNAPSHOT = frozenset({200, 304, 404, 503})
_GZIP_LEVEL = 4
_GZIP_WINDOW = 31


@dataclass(slots=True)
class Answer:
    """A complete answer; `snapshot` is what it was read from, if it is about one organization."""

    body: bytes
    snapshot: Snapshot | None = None
    has_tag: bool = True
    media: str = JSON
    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()


def answer(document: Any, snapshot: Snapshot | None = None, *, has_tag: bool = True) -> Answer:
    """Return a document as an answer, with an `ETag` unless the document contains the time of the request."""
    return Answer(orjson.dumps(document), snapshot, has_tag)


def refusal(problem: Problem, snapshot: Snapshot | None = None) -> Answer:
    """Return a problem as an answer."""
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return Answer(problem.body(), snapshot, media=MEDIA, status=problem.status, headers=headers)


def headers_of_snapshot(snapshot: Snapshot | None, status: int = 200) -> Headers:
    """Return the headers that describe the snapshot of an answer."""
    if snapshot is None or status not in _STATUSES_WITH_SNAPSHOT:
        return []
    headers = [(b"whopays-as-of", snapshot.as_of.encode())]
    if snapshot.closed is not None:
        headers.append((b"whopays-closed-until", format_instant(snapshot.closed).encode()))
    return headers


async def write(answer: Answer, scope: Scope, send: Send, request_id: str) -> None:
    """Send an answer as the request's headers demand: compressed, or 304 if the client has it already."""
    status, body = answer.status, answer.body
    accepted, known = _conditions(scope)
    headers = [
        *OF_QUESTIONS,
        (b"x-request-id", request_id.encode()),
        *answer.headers,
    ]
    if answer.has_tag and status == 200:
        tag = b'W/"' + blake2b(body, digest_size=12).hexdigest().encode() + b'"'
        headers.append((b"etag", tag))
        if known is not None and is_known(known, tag):
            status, body = 304, b""
    headers += headers_of_snapshot(answer.snapshot, status)
    if status != 304:
        headers.append((b"content-type", answer.media.encode()))
        if len(body) >= _WORTH_COMPRESSING and accepted is not None and accepts_gzip(accepted):
            body = await _compressed(body)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


@lru_cache(maxsize=256)
def accepts_gzip(accepted: bytes) -> bool:
    """Return whether an `Accept-Encoding` accepts gzip."""
    weights = {}
    for part in accepted.decode("latin-1").lower().split(","):
        coding, _, rest = part.strip().partition(";")
        weights[coding.strip()] = not _ZERO_WEIGHT.search(rest.replace(" ", ""))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


def is_known(known: bytes, tag: bytes) -> bool:
    """Return whether an `If-None-Match` names a tag, compared weakly."""
    return known.strip() == b"*" or tag.removeprefix(b"W/") in _TAG.findall(known)


def _conditions(scope: Scope) -> tuple[bytes | None, bytes | None]:
    accepted = known = None
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted = value if accepted is None else accepted + b"," + value
        elif name == b"if-none-match":
            known = value if known is None else known + b"," + value
    return accepted, known


async def _compressed(body: bytes) -> bytes:
    return _gzip(body) if len(body) < _WORTH_A_THREAD else await asyncio.to_thread(_gzip, body)


def _gzip(body: bytes) -> bytes:
    # zlib leaves the time out of the gzip header, so equal answers are equal bytes.
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


_ZERO_WEIGHT = re.compile(r"(?:^|;)q=0(?:\.0{0,3})?(?:;|$)")
_TAG = re.compile(rb'"[^"]*"')


async def until_disconnected(receive: Receive) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
