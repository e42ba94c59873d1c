"""Tokens for Kafka's `OAUTHBEARER`, by OAuth 2.0's client credentials grant (RFC 6749, section 4.4)."""

import asyncio
import json
import time
from base64 import b64encode
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.parse import quote_plus, urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

_SECONDS = 10.0
_LARGEST_BYTES = 64 * 1024
_SHARE_OF_LIFETIME = 0.8
_DEFAULT_LIFETIME_SECONDS = 60.0
"""The assumed lifetime of a token, if the endpoint does not say."""


class TokenRefused(KafkaConnectionError):  # type: ignore[misc]
    """The endpoint returned no token; treated as if no broker answered. The message does not quote the answer."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The token endpoint, and the client that requests a token."""

    url: str
    client_id: str
    client_secret: str
    scope: str | None


class OAuthTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Provides each connection with a token; a token is reused for four fifths of its lifetime."""

    def __init__(self, credentials: ClientCredentials) -> None:
        self._credentials = credentials
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """Return a token. Raises TokenRefused."""
        async with self._asking:
            if time.monotonic() >= self._until:
                began = time.monotonic()
                self._token, seconds = await asyncio.to_thread(_ask, self._credentials)
                self._until = began + _SHARE_OF_LIFETIME * seconds
            return self._token


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects: a secret is sent to the configured host only."""

    def redirect_request(self, *_: object) -> None:
        return None


def _ask(credentials: ClientCredentials) -> tuple[str, float]:
    form = {"grant_type": "client_credentials"}
    if credentials.scope is not None:
        form["scope"] = credentials.scope
    who = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}".encode()
    headers = {"Authorization": f"Basic {b64encode(who).decode()}", "Accept": "application/json"}
    request = Request(credentials.url, urlencode(form).encode(), headers)  # noqa: S310 (https or loopback only)
    try:
        with build_opener(_NoRedirects, ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
            document = json.loads(answer.read(_LARGEST_BYTES))
    except HTTPError as error:
        error.close()
        raise TokenRefused(f"{credentials.url} gives no token, but status {error.code}") from None
    except OSError as error:
        raise TokenRefused(f"{credentials.url} gives no token: {getattr(error, 'reason', None) or error}") from None
    except ValueError:
        raise TokenRefused(f"{credentials.url} gives no token: its answer is not JSON") from None
    said = document if isinstance(document, dict) else {}
    token, seconds = said.get("access_token"), said.get("expires_in", _DEFAULT_LIFETIME_SECONDS)
    if not isinstance(token, str) or not token or not isinstance(seconds, int | float):
        raise TokenRefused(f"{credentials.url} gives no token: its answer has no access_token")
    return token, float(seconds)
