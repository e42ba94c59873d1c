"""A small provider of OpenID Connect: discovery, signing in, authorization codes with PKCE, tokens, keys."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_urlsafe
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.tokens import TokenIssuer

CLIENT = "whopays-console"


@dataclass
class Provider:
    """A provider at `url`, and the people who may sign in; `asked` is what came.

    It lies where it is told to: `claims` replace those of access tokens, `identity` those of ID tokens, `answered` what
    it sends people back with, and `described` what it says of itself.
    """

    issuer: TokenIssuer
    people: Mapping[str, Sequence[Mapping[str, Any]]]
    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    codes: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a server is configured with, so that people sign in here."""
        return {
            "WHOPAYS_AUTH": "jwt",
            "WHOPAYS_ISSUERS": json.dumps(self.issuer.configured),
            "WHOPAYS_CONSOLE_ISSUER": self.url,
            "WHOPAYS_CONSOLE_CLIENT_ID": CLIENT,
        }

    def redirect(self, asked: dict[str, str], person: str | None) -> str:
        """Return where to go on: back with a code for a person, or with why there is none."""
        said = {"state": asked["state"], "iss": self.url} | self.answered
        if person is None:
            return f"{asked['redirect_uri']}?{urlencode(said | {'error': 'login_required'})}"
        code = token_urlsafe()
        self.codes[code] = (person, asked)
        return f"{asked['redirect_uri']}?{urlencode({'code': code} | said)}"

    def tokens(self, asked: dict[str, str]) -> dict[str, str] | None:
        """Return the tokens for a code, once, to who began with its challenge."""
        person, began = self.codes.pop(asked.get("code", ""), ("", {}))
        digest = urlsafe_b64encode(sha256(asked.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if not began or began["code_challenge"] != digest or began["redirect_uri"] != asked.get("redirect_uri"):
            return None
        access = self.issuer.token(person, self.people[person], **self.claims).decode()
        claims = {"aud": CLIENT, "nonce": began["nonce"]} | self.identity
        identity = self.issuer.token(person, None, **claims).decode()  # type: ignore[arg-type]  # no grants
        self.given += [access, identity]
        return {"token_type": "Bearer", "access_token": access, "id_token": identity}


@contextmanager
def provider(folder: Path, people: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Provider]:
    """Yield a running provider."""
    running = Provider(TokenIssuer(folder), people)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(running))
    running.url = running.issuer.name = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            where = urlsplit(self.path)
            asked = dict(parse_qsl(where.query))
            provider.asked.append(f"{self.path} {self.headers.get('Referer', '')}")
            person = asked.pop("as", None) or self._signed_in()
            match where.path:
                case "/.well-known/openid-configuration":
                    ends = {f"{name}_endpoint": f"{provider.url}/{name}" for name in ("authorization", "token")}
                    self._answer(json.dumps({"issuer": provider.url, **ends, **provider.described}), "application/json")
                case "/authorization" if person or asked.get("prompt") == "none":
                    self.send_response(302)
                    self.send_header("Location", provider.redirect(asked, person))
                    if person:
                        self.send_header("Set-Cookie", f"person={person}; HttpOnly")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                case "/authorization":
                    links = (f'<a href="{self.path}&amp;as={name}">{name}</a>' for name in provider.people)
                    self._answer("<!doctype html><title>Who are you?</title>" + " ".join(links), "text/html")
                case _:
                    self._answer("", "text/plain")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            tokens = provider.tokens(dict(parse_qsl(body)))
            self._answer(json.dumps(tokens or {"error": "invalid_grant"}), "application/json", 200 if tokens else 400)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _signed_in(self) -> str | None:
            cookies = dict(part.strip().partition("=")[::2] for part in self.headers.get("Cookie", "").split(";"))
            return cookies.get("person")

        def _answer(self, body: str, media: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    return Handler
