"""The folder of a pair of servers: whose it is, what it keeps, and what it never touches."""

import fcntl
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedded import data_folder
from embedded.data_folder import DataFolder
from embedded.errors import EmbeddedError
from embedded.ports import LOOPBACK, free_ports, is_free

_OWNER, _SERVERS = "whopays-embedded.lock", "servers.lock"


@contextmanager
def _listening(port: int) -> Iterator[None]:
    with socket.create_server((LOOPBACK, port)):
        yield


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def folder(tmp_path: Path, said: list[str]) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "deep" / "data", said.append)
    folder.acquire()
    yield folder
    folder.release()


def test_it_is_made_for_its_owner_only(folder: DataFolder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert (folder.path / _OWNER).read_text() == f"{os.getpid()}\n"
    assert folder.log("kafka") == folder.path / "logs" / "kafka.log"
    assert folder.log("kafka").parent.is_dir()


def test_it_is_released_and_taken_again(folder: DataFolder, said: list[str]) -> None:
    held = folder.held_open
    with pytest.raises(EmbeddedError, match=rf"is in use by process {os.getpid()}\. End"):
        DataFolder(folder.path, said.append).acquire()
    folder.release()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(held)
    with pytest.raises(RuntimeError, match="not acquired"):
        _ = folder.held_open
    folder.release()
    folder.acquire()
    assert (folder.path / _OWNER).read_text() == f"{os.getpid()}\n", "not one process after the other"
    assert said == []


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").touch()
    with pytest.raises(EmbeddedError, match="is not empty and was not made by whopays"):
        DataFolder(tmp_path, print).acquire()
    assert [one.name for one in tmp_path.iterdir()] == ["letters"]
    (tmp_path / "letters").unlink()
    empty = DataFolder(tmp_path, print)
    empty.acquire()
    empty.release()


def test_whoever_holds_it_unnamed(folder: DataFolder) -> None:
    (folder.path / _OWNER).write_text("")
    with pytest.raises(EmbeddedError, match="in use by process unknown"):
        DataFolder(folder.path, print).acquire()


def test_servers_of_an_earlier_run_are_waited_for(folder: DataFolder, said: list[str]) -> None:
    folder.release()
    with (folder.path / _SERVERS).open() as of_a_server:
        fcntl.flock(of_a_server, fcntl.LOCK_EX)
        waiting = threading.Event()

        def report(words: str) -> None:
            said.append(words)
            waiting.set()

        again = DataFolder(folder.path, report)
        taking = threading.Thread(target=again.acquire)
        taking.start()
        assert waiting.wait(60)
        fcntl.flock(of_a_server, fcntl.LOCK_UN)
        taking.join(60)
    assert said == [f"Waiting for the servers of an earlier run in {folder.path} to end ..."]
    assert again.held_open
    again.release()


def test_servers_that_do_not_end(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.release()
    monkeypatch.setattr(data_folder, "_SECONDS_FOR_OLD_SERVERS", 0.0)
    with (folder.path / _SERVERS).open() as of_a_server:
        fcntl.flock(of_a_server, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedError, match="have not ended within 0 seconds"):
            folder.acquire()


def test_a_full_disk_is_named(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.check_space()
    monkeypatch.setattr(data_folder, "_SMALLEST_FREE_BYTES", 10**18)
    with pytest.raises(EmbeddedError, match=r"has only \d+ MB left; .* at least 1000000000000 MB"):
        folder.check_space()


def test_all_but_its_locks_is_deleted(folder: DataFolder, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    (folder.path / "link").symlink_to(other)
    (folder.path / "file").touch()
    (folder.path / "sub" / "sub").mkdir(parents=True)
    folder.remove("never there")
    folder.empty()
    assert {one.name for one in folder.path.iterdir()} == {_OWNER, _SERVERS}
    assert (other / "kept").exists()


def test_what_is_private_replaces_what_was_there(folder: DataFolder) -> None:
    (folder.path / "secret.new").write_text("left by one that was killed")
    for content in ("one", "two"):
        path = folder.write_private("secret", content)
        assert path == folder.path / "secret"
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (content, 0o600)
    assert not (folder.path / "secret.new").exists()


def test_password_and_ports_stay_what_they_were(folder: DataFolder) -> None:
    password = folder.password()
    assert len(password) == 32
    ports = folder.choose_ports(("a", "b"))
    assert sorted(ports) == ["a", "b"]
    again = DataFolder(folder.path, print)
    assert (again.password(), again.choose_ports(("a", "b"))) == (password, ports)
    assert again.choose_ports(("a",)) == {"a": ports["a"]}
    assert again.choose_ports(("c",)).keys() == {"c"}
    assert again.choose_ports(("a", "b")) == ports, "those of others stay known"
    assert again.choose_ports(("a", "b"), new=True) != ports
    assert again.password() == password


def test_ports_that_somebody_took_are_chosen_again(folder: DataFolder) -> None:
    ports = folder.choose_ports(("a", "b"))
    with _listening(ports["b"]):
        others = folder.choose_ports(("a", "b"))
    assert others["b"] != ports["b"]


def test_ports_are_free_and_below_those_of_clients() -> None:
    chosen = free_ports(4)
    assert len(set(chosen)) == 4
    assert all(20_000 <= port < 32_000 and is_free(port) for port in chosen)
    with _listening(chosen[0]):
        assert is_free(chosen[0]) is False
    assert LOOPBACK == "127.0.0.1"
