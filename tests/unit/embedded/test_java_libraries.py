"""Kafka's libraries: where they are kept, which files they must be, and who waits while others download."""

import fcntl
import hashlib
import os
import threading
from pathlib import Path

import pytest

from embedded.errors import EmbeddedError
from embedded.java_libraries import (
    KAFKA_VERSION,
    LOCK_FILE,
    Library,
    _is_pinned,
    _library,
    cache_directory,
    class_path,
    one_process_at_a_time,
)
from embedded.packages import folder_of_package


def test_a_line_of_the_lock() -> None:
    library = _library("org.apache.kafka kafka_2.13 4.3.0 5876 00ff")
    assert library == Library("org.apache.kafka", "kafka_2.13", "4.3.0", 5876, "00ff")
    assert library.file_name == "kafka_2.13-4.3.0.jar"


def test_where_downloads_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOPAYS_CACHE_DIR", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHOPAYS_CACHE_DIR", "deep")
    assert cache_directory() == tmp_path / "deep"
    monkeypatch.setenv("WHOPAYS_CACHE_DIR", "")
    assert cache_directory().name == "whopays"


def test_what_is_there_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOPAYS_CACHE_DIR", str(tmp_path))
    text = LOCK_FILE.read_text()
    folder = tmp_path / "java" / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    folder.mkdir(parents=True)
    said: list[str] = []
    assert class_path(said.append).split(os.pathsep) == [
        str(folder / _library(line).file_name) for line in text.splitlines()
    ]
    assert said == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHOPAYS_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(EmbeddedError, match=rf"cannot be kept in {tmp_path}/file/java: .*Set WHOPAYS_CACHE_DIR"):
        class_path(print)


def test_a_file_is_the_pinned_one(tmp_path: Path) -> None:
    file = tmp_path / "x.jar"
    file.write_bytes(b"x")
    library = Library("g", "x", "1", 1, hashlib.sha256(b"x").hexdigest())
    assert _is_pinned(library, file) is True
    file.write_bytes(b"y")
    assert _is_pinned(library, file) is False


def test_others_wait_and_say_so(tmp_path: Path) -> None:
    said: list[str] = []
    waits = threading.Event()

    def report(words: str) -> None:
        said.append(words)
        waits.set()

    def take() -> None:
        with one_process_at_a_time(tmp_path / "lock", report, "downloads"):
            said.append("taken")

    with (tmp_path / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        taking = threading.Thread(target=take)
        taking.start()
        assert waits.wait(60)
        assert said == ["Waiting for another process that downloads ..."]
        fcntl.flock(held, fcntl.LOCK_UN)
        taking.join(60)
    assert said[1:] == ["taken"]
    take()
    assert said[1:] == ["taken", "taken"]


def test_packages_are_found_without_importing_them() -> None:
    assert folder_of_package("embedded") == Path(LOCK_FILE).parent
    for name in ("no_such_package", "this"):
        with pytest.raises(EmbeddedError, match=f"The package {name}, which the embedded servers need"):
            folder_of_package(name)
