"""Downloading Kafka's libraries: each must be the pinned one, and is asked for again where it is not."""

import hashlib
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from embedded import java_libraries
from embedded.errors import EmbeddedError
from embedded.java_libraries import Library, _download, _fetch


def _library(name: str, content: bytes, size: int) -> Library:
    return Library("org.example", name, "1.0", size, hashlib.sha256(content).hexdigest())


def _path(library: Library) -> str:
    return f"/org/example/{library.artifact}/1.0/{library.file_name}"


_FIRST, _SECOND = _library("first", b"first", 3_000_000), _library("second", b"second", 5_000_000)


class _Central(ThreadingHTTPServer):
    """A repository on this machine: it gives what it has for a path, one by one, and the last for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.has: dict[str, list[bytes]] = {}
        self.asked: list[str] = []


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Central)
        given = server.has.get(self.path)
        if self.path.endswith(".jar"):
            server.asked.append(self.path)
        self.send_response(404 if given is None else 200)
        self.end_headers()
        if given is not None:
            self.wfile.write(given.pop(0) if len(given) > 1 else given[0])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def central(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Central]:
    server = _Central()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("jgo.constants.MAVEN_CENTRAL_URL", f"http://127.0.0.1:{server.server_port}")
    serving = Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.server_close()


def test_what_is_not_whole_is_downloaded_again(central: _Central, tmp_path: Path) -> None:
    central.has[_path(_FIRST)] = [b"fir", b"other", b"first"]
    file = _fetch(_FIRST, tmp_path)
    assert (file.read_bytes(), len(central.asked)) == (b"first", 3)
    assert _fetch(_FIRST, tmp_path) == file
    assert len(central.asked) == 3, "it is kept"
    file.write_bytes(b"fir")
    assert _fetch(_FIRST, tmp_path).read_bytes() == b"first"


@pytest.mark.parametrize(
    ("has", "words"),
    (
        ([b"forged"], "first-1.0.jar is not the file whose SHA-256 is pinned"),
        (None, "RuntimeError: Artifact .* not found"),
    ),
)
def test_what_is_never_the_pinned_one_is_given_up(
    central: _Central, tmp_path: Path, has: list[bytes] | None, words: str
) -> None:
    if has is not None:
        central.has[_path(_FIRST)] = has
    with pytest.raises(EmbeddedError, match=rf"could not be downloaded: {words}[^\0]*copy the folder {tmp_path} from"):
        _fetch(_FIRST, tmp_path / "download")
    assert len(central.asked) == 3


def test_all_of_them_are_there_or_none(central: _Central, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java_libraries, "_PROGRESS_SECONDS", -1.0)
    folder, said = tmp_path / "kafka", list[str]()
    central.has[_path(_FIRST)] = [b"first"]
    with pytest.raises(EmbeddedError, match="could not be downloaded"):
        _download([_FIRST, _SECOND], tmp_path / "download", folder, said.append)
    assert not folder.exists()
    central.has[_path(_SECOND)] = [b"second"]
    said.clear()
    _download([_FIRST, _SECOND], tmp_path / "download", folder, said.append)
    assert sorted((one.name, one.read_bytes()) for one in folder.iterdir()) == [
        ("first-1.0.jar", b"first"), ("second-1.0.jar", b"second"),
    ]  # fmt: skip
    assert [one.name for one in tmp_path.iterdir()] == ["kafka"]
    first, part, whole, last = said
    assert first == f"Downloading Apache Kafka 4.3.0 (2 Java libraries, 8 MB, once) into {tmp_path} ..."
    assert part in ("  3 of 8 MB", "  5 of 8 MB")
    assert whole == "  8 of 8 MB"
    assert re.fullmatch(r"Downloaded 8 MB in \d{1,3} s\.", last)
    # One that was killed may have left a part.
    (tmp_path / "again.new").mkdir()
    monkeypatch.setattr(java_libraries, "_PROGRESS_SECONDS", 600.0)
    _download([_FIRST], tmp_path / "download", tmp_path / "again", said.append)
    assert len(said) == 4 + 2, "it has not taken long"
    assert [one.name for one in (tmp_path / "again").iterdir()] == ["first-1.0.jar"]
