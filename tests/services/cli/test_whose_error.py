"""An error names its real cause: a port, a file, the database, and not whatever is nearby."""

import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.command_line import Ran, Whopays
from tests.support.installations import Installation


@pytest.fixture
def taken() -> Iterator[str]:
    """A port of this host that another process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(listening.getsockname()[1])


def _said(ran: Ran, status: int) -> str:
    said = ran.expect(status).err
    assert "PostgreSQL" not in said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("arguments", (("verify", "--watch"),))
async def test_a_port_that_is_taken(whopays: Whopays, taken: str, arguments: tuple[str, ...]) -> None:
    said = _said(await whopays(*arguments, WHOPAYS_METRICS_PORT=taken), 2)
    assert f"The metrics cannot be served at 127.0.0.1, port {taken}: Address already in use" in said


async def test_a_port_that_is_taken_ends_a_worker(quiet_installation: Installation, taken: str) -> None:
    worker = await quiet_installation.launch(WHOPAYS_METRICS_PORT=taken)
    assert await worker.ended() == 1
    assert f"error: The metrics cannot be served at 127.0.0.1, port {taken}" in "\n".join(worker.lines)
    assert "PostgreSQL" not in "\n".join(worker.lines)
    assert not worker.started.is_set()


@pytest.mark.parametrize(
    ("place", "words"),
    (
        ("nowhere/log.jsonl", "No such file or directory"),
        ("a-file/log.jsonl", "Not a directory"),
        (f"{'x' * 300}", "File name too long"),
    ),
)
async def test_a_file_that_cannot_be_written(whopays: Whopays, tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "a-file").touch()
    said = _said(await whopays("export-log", str(tmp_path / place)), 1)
    assert place in said.replace("\n", "")
    assert words in said


@pytest.mark.parametrize(
    ("parameters", "words"),
    (
        ("sslmode=require", "rejected SSL upgrade"),
        ("target_session_attrs=read-only", "read-only"),
        ("options=-c%20nosuch=1", "nosuch"),
    ),
)
async def test_what_the_database_refuses_is_the_databases(
    whopays: Whopays, playground: Installation, parameters: str, words: str
) -> None:
    url = f"{playground.settings.database_url}?{parameters}"
    said = (await whopays("who", "acme", "web", WHOPAYS_DATABASE_URL=url)).expect(1).err
    assert "PostgreSQL at postgresql://" in said
    assert words in said.replace("\n", " ")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "parameters",
    (
        "application_name=told",
        "sslmode=disable",
        "sslmode=prefer",
        "connect_timeout=20",
        "target_session_attrs=read-write",
        "options=-c%20application_name%3Dtold",
        "gssencmode=disable&channel_binding=prefer",
    ),
)
async def test_what_libpq_takes_is_taken(whopays: Whopays, playground: Installation, parameters: str) -> None:
    url = f"{playground.settings.database_url}?{parameters}"
    ran = await whopays("account", "acme", f"none-{uuid4().hex[:8]}", WHOPAYS_DATABASE_URL=url)
    assert "no account" in ran.expect(1).err.lower()


async def test_the_first_of_several_hosts_that_answers(whopays: Whopays, playground: Installation) -> None:
    before, at, after = playground.settings.database_url.rpartition("@")
    url = f"{before}{at}127.0.0.1:1,{after}"
    ran = await whopays("account", "acme", f"none-{uuid4().hex[:8]}", WHOPAYS_DATABASE_URL=url)
    assert "no account" in ran.expect(1).err.lower()
