"""The token issuer of `whopays dev` and the demo: a key pair in their data folder."""

import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from cli.sending.rights import DEV_ISSUER
from cli.terminal.ending import CommandFailed
from workers.runtime.issuers import read_issuers
from workers.runtime.settings import Settings

AUDIENCE = "whopays"
_ALGORITHM = "Ed25519"
_PUBLIC, _PRIVATE = "issuer-keys.json", "issuer-signing-key.json"


@dataclass(frozen=True, slots=True)
class DevIssuer:
    """An issuer whose private key is in a folder, readable only by its owner."""

    folder: Path

    def make(self) -> None:
        """Make a key pair, unless there is one. The public key comes last: if it exists, so does the private one."""
        if self.jwks.exists():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = OKPKey.generate_key("Ed25519")
        kid = key.thumbprint()
        write_secret(self.folder / _PRIVATE, json.dumps({**key.as_dict(private=True), "kid": kid}))
        public = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": _ALGORITHM}
        write_secret(self.jwks, json.dumps({"keys": [public]}, indent=2))

    @property
    def jwks(self) -> Path:
        """The file of its public key."""
        return self.folder.absolute() / _PUBLIC

    def token(self, person: str, grants: Iterable[Mapping[str, Any]], seconds: int) -> str:
        """Return a token that is valid for `seconds` from now on. Raises CommandFailed if the key is missing."""
        try:
            said = json.loads((self.folder / _PRIVATE).read_text(encoding="utf-8"))
        except OSError as error:
            raise CommandFailed(
                f"There is no key to sign tokens with in {self.folder} ({error.strerror}). It is made by whopays dev: "
                "start that first, in this folder, without WHOPAYS_AUTH and WHOPAYS_ISSUERS."
            ) from None
        now = int(time.time())
        head = {"alg": _ALGORITHM, "typ": "JWT", "kid": said["kid"]}
        claims = {
            "iss": DEV_ISSUER,
            "aud": AUDIENCE,
            "sub": person,
            "iat": now,
            "exp": now + seconds,
            "grants": list(grants),
        }
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        signature = JWSRegistry.algorithms[_ALGORITHM].sign(signed, OKPKey.import_key(said))
        return (signed + b"." + _encoded(signature)).decode()


def with_issuer(settings: Settings, folder: Path) -> Settings:
    """Return the settings; if tokens are checked and no issuer is set, with the one of the folder."""
    if settings.auth != "jwt" or settings.issuers:
        return settings
    issuer = DevIssuer(folder)
    issuer.make()
    configured = {DEV_ISSUER: {"audiences": [AUDIENCE], "jwks": str(issuer.jwks)}}
    return settings.model_copy(update={"issuers": read_issuers(configured)})


def write_secret(file: Path, content: str) -> None:
    """Replace a file with one that only its owner may read."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(content + "\n", encoding="utf-8")
    new.replace(file)


def _encoded(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")
