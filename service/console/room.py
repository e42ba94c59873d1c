"""Serves the console: the page at `/`, and its files below `/console/`."""

from collections.abc import Mapping
from secrets import token_hex
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from service.answers import SECURITY, Headers, accepts_gzip, is_known, refusal, write
from service.console.files import File, read_files
from service.problems import Problem
from service.state import State

FIRST_PARTS = ("", "console")
"""The first segments of the console's paths."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {connect}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = [
    *SECURITY,
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"vary", b"Accept-Encoding"),
]
_METHODS = ("GET", "HEAD")


def console(state: State) -> ASGIApp:
    """Return the application that serves the console; this reads the files, once."""
    settings = state.settings
    sign_in = {
        "isNeeded": state.tokens is not None,
        "issuer": settings.console_issuer,
        "clientId": settings.console_client_id,
        "scope": settings.console_scope,
    }
    return _Console(read_files(sign_in=sign_in), policy(settings.console_issuer))


def policy(issuer: str | None) -> str:
    """Return the console's Content-Security-Policy: it may connect to the service and the sign-in issuer only."""
    parts = urlsplit(issuer or "")
    return _POLICY.format(connect=f"'self' {parts.scheme}://{parts.netloc}" if issuer else "'self'")


class _Console:
    def __init__(self, files: Mapping[str, File], policy: str) -> None:
        self._files = {path.encode(): file for path, file in files.items()}
        self._headers = [*_HEADERS, (b"content-security-policy", policy.encode())]

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        file = self._files.get(scope["raw_path"])
        if file is None:
            await write(refusal(Problem("NotFound", "There is no such path.")), scope, send, token_hex(8))
        elif scope["method"] not in _METHODS:
            refused = Problem("MethodNotAllowed", "The console is read-only.", headers={"Allow": ", ".join(_METHODS)})
            await write(refusal(refused), scope, send, token_hex(8))
        else:
            await _send(file, self._headers, scope, send)


async def _send(file: File, always: Headers, scope: Scope, send: Send) -> None:
    asked = {name: value for name, value in scope["headers"] if name in (b"accept-encoding", b"if-none-match")}
    status, body = 200, file.body
    headers = [*always, (b"etag", file.tag.encode()), (b"cache-control", file.caching.encode())]
    if is_known(asked.get(b"if-none-match", b""), file.tag.encode()):
        status, body = 304, b""
    else:
        if accepts_gzip(asked.get(b"accept-encoding", b"")):
            body = file.compressed
            headers.append((b"content-encoding", b"gzip"))
        headers += [(b"content-type", file.media.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
