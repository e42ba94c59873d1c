"""How an embedded PostgreSQL is made, started, and known to be ready; none is."""

import os
import pwd
from pathlib import Path

import pytest

from embedded.data_folder import DataFolder
from embedded.errors import EmbeddedError
from embedded.ports import free_ports
from embedded.postgresql import PostgreSQL


def _server(folder: DataFolder, *, durable: bool = True, **settings: str) -> PostgreSQL:
    server = PostgreSQL(folder, durable=durable, settings=settings)
    server.ports = {"postgresql_port": 30001}
    return server


def test_a_new_one_is_made_beside_and_then_taken_into_use(folder: DataFolder) -> None:
    new, data = folder.path / "postgresql.new", folder.path / "postgresql"
    new.mkdir()
    (new / "left").write_text("by one that was killed")
    made = _server(folder).preparation()
    assert made is not None
    assert (made.name, Path(made.command[0]).name, made.command[1:3]) == (
        "PostgreSQL (initdb)", "initdb", ["--pgdata", "postgresql.new"],
    )  # fmt: skip
    assert "--no-sync" not in made.command
    assert not new.exists()
    password = folder.path / "postgresql.password"
    assert password.read_text() == folder.password()
    new.mkdir()
    (new / "PG_VERSION").write_text("18\n")
    server = _server(folder)
    server.prepared()
    assert not password.exists()
    assert server.preparation() is None
    (data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="was made by PostgreSQL 17, this is PostgreSQL 18"):
        server.preparation()


def test_only_what_need_not_last_does_not_wait_for_the_disk(folder: DataFolder) -> None:
    made = _server(folder, durable=False).preparation()
    assert made is not None
    assert "--no-sync" in made.command
    for durable, waits in ((True, True), (False, False)):
        program = _server(folder, durable=durable, port="7").program()
        assert program.name == "PostgreSQL"
        assert ("fsync=off" not in program.command, "full_page_writes=off" not in program.command) == (waits, waits)
        assert [word for word in program.command if word.startswith("port=")] == ["port=7"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_started_by_root_it_is_nobodys_or_whose_its_data_are(folder: DataFolder) -> None:
    nobody = pwd.getpwnam("nobody")
    assert _server(folder).program().user == (nobody.pw_uid, nobody.pw_gid)
    (folder.path / "postgresql").mkdir()
    os.chown(folder.path / "postgresql", 54321, 54322)
    assert _server(folder).program().user == (54321, 54322)


def test_it_is_ready_once_its_process_file_says_so(folder: DataFolder) -> None:
    server = _server(folder)
    file = folder.path / "postgresql" / "postmaster.pid"
    assert not server.is_ready()
    file.parent.mkdir()
    said = ["4711", str(file.parent), "1767225600", "30001", "", "127.0.0.1", "  1  2"]
    for status, is_ready in ((None, False), ("starting", False), ("ready   ", True)):
        file.write_text("".join(f"{line}\n" for line in (*said, *([] if status is None else [status]))))
        assert server.is_ready() == is_ready, status
    server._ended_server = "4711"
    assert not server.is_ready(), "it is that of one that was killed"
    server._ended_server = "4710"
    assert server.is_ready()


def test_what_creates_the_database_says_why_it_cannot(folder: DataFolder) -> None:
    server = _server(folder)
    (server.ports["postgresql_port"],) = free_ports(1)
    with pytest.raises(EmbeddedError, match=r"The database whopays could not be created: .*Connection refused"):
        server.create_database()
    assert not (folder.path / "postgresql.created").exists()
