"""The console's files as they are served: read and compressed once, at paths that contain a hash of their content."""

import gzip
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).with_name("static")

_INDEX = "index.html"
_VERSION, _SIGN_IN = "{version}", "{sign-in}"
_MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"


@dataclass(frozen=True, slots=True)
class File:
    """A file: its bytes, plain and compressed, and the values of its headers."""

    body: bytes
    compressed: bytes
    media: str
    tag: str
    caching: str


def read_files(folder: Path = FOLDER, sign_in: Mapping[str, object] = MappingProxyType({})) -> Mapping[str, File]:
    """Return all files by the path at which they are served; `sign_in` is the sign-in configuration for the page.

    The page itself is `/`. It loads files below `/console/{version}/`, where the version is a hash of all of them: a
    file at such a path never changes, and an old page never loads a new file.
    """
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}
    version = _hash(*(part for name, body in contents.items() for part in (name.encode(), body)))
    index = contents.pop(_INDEX).replace(_VERSION.encode(), version.encode())
    index = index.replace(_SIGN_IN.encode(), html.escape(json.dumps(dict(sign_in))).encode())
    loaded = {f"/console/{version}/{name}": _file(name, body, _FOREVER) for name, body in contents.items()}
    return {"/": _file(_INDEX, index, _REVALIDATE), **loaded}


def _file(name: str, body: bytes, caching: str) -> File:
    compressed = gzip.compress(body, 9, mtime=0)
    return File(body, compressed, _MEDIA[Path(name).suffix], f'W/"{_hash(body)}"', caching)


def _hash(*parts: bytes) -> str:
    digest = blake2b(digest_size=9)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
