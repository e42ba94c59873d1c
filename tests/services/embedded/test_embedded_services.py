"""The embedded servers are real, keep their data, and belong to one user at a time."""

import json
import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from embedded import EmbeddedError, EmbeddedServices, data_folder
from embedded.ports import LOOPBACK
from embedded.postgresql import PostgreSQL
from tests.services.embedded.running import Holder, published, query


async def test_both_servers_answer_and_data_survive_a_restart(kept_folder: Path) -> None:
    with EmbeddedServices(kept_folder) as services:
        addresses = services.start()
        [(version, encoding, fsync, commit)] = await query(
            addresses,
            "SELECT version(), current_setting('server_encoding'), current_setting('fsync'),"
            " current_setting('synchronous_commit')",
        )
        assert str(version).startswith("PostgreSQL 18")
        assert (encoding, fsync, commit) == ("UTF8", "on", "on")
        assert await query(addresses, "SELECT value FROM kept") == [("before",)]
        assert await published(addresses, 1) == [b"before"]
        logs = {path.name for path in (kept_folder / "logs").iterdir()}
        assert {"postgresql.log", "kafka.log"} <= logs
        children = psutil.Process().children(recursive=True)
        mapped: set[str] = set()
        for child in children:
            with suppress(psutil.NoSuchProcess):  # of PostgreSQL's, which come and go
                if child.name() == "java":
                    mapped |= {one.path for one in child.memory_maps()}
        assert any(path.endswith(".aot") for path in mapped)
        # Others on this machine can reach the port, but do not have the password.
        stranger = replace(addresses, database_url=addresses.database_url.replace("@", "x@"))
        with pytest.raises(Exception, match="password authentication failed"):
            await query(stranger, "SELECT 1")


def test_a_second_user_is_refused_by_the_first_ones_process_id(kept_folder: Path) -> None:
    holder = Holder(kept_folder)
    try:
        with pytest.raises(EmbeddedError, match=f"in use by process {holder.process.pid}"):
            EmbeddedServices(kept_folder).start()
        with pytest.raises(EmbeddedError, match=f"in use by process {holder.process.pid}"):
            EmbeddedServices.reset(kept_folder)
    finally:
        holder.close()


def test_ports_are_kept_but_not_insisted_on(kept_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = json.loads((kept_folder / "services.json").read_text())["ports"]
    # Another process takes the broker's port after it was found free.
    monkeypatch.setattr(data_folder, "is_free", lambda _port: True)
    services = EmbeddedServices(kept_folder, durable=False)
    with socket.create_server((LOOPBACK, before["kafka_port"])), services:
        addresses = services.start()
    assert addresses.kafka_bootstrap_servers != f"{LOOPBACK}:{before['kafka_port']}"
    assert f":{before['postgresql_port']}/" in addresses.database_url


def test_a_failed_start_shows_the_log_and_leaves_the_folder_free(kept_folder: Path) -> None:
    services = EmbeddedServices(kept_folder, postgresql_settings={"shared_buffers": "plenty"})
    for _ in range(2):
        with pytest.raises(EmbeddedError) as failure:
            services.start()
        assert 'invalid value for parameter "shared_buffers": "plenty"' in str(failure.value)
        assert str(kept_folder / "logs" / "postgresql.log") in str(failure.value)


def test_a_server_cannot_be_waited_for_before_it_is_launched(tmp_path: Path) -> None:
    server = PostgreSQL(data_folder.DataFolder(tmp_path, print), durable=False, settings={})
    with pytest.raises(RuntimeError, match="PostgreSQL is not launched"):
        server.wait_until_ready()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_started_by_root_postgresql_runs_as_whoever_owns_its_data(kept_folder: Path) -> None:
    data = kept_folder / "postgresql"
    owner = data.stat().st_uid
    folder = data_folder.DataFolder(kept_folder, print)
    folder.acquire()
    server = PostgreSQL(folder, durable=False, settings={})
    try:
        _give(data, 54321)
        server.launch()
        server.wait_until_ready()
    finally:
        server.stop()
        _give(data, owner)
        folder.release()


def _give(data: Path, owner: int) -> None:
    for path in (data, *data.rglob("*")):
        os.chown(path, owner, -1)


def test_reset_deletes_what_is_ours(tmp_path: Path) -> None:
    folder = data_folder.DataFolder(tmp_path / "ours", print)
    folder.acquire()
    folder.password()
    (folder.path / "kafka").mkdir()
    folder.release()
    EmbeddedServices.reset(folder.path)
    assert {path.name for path in folder.path.iterdir()} == {"whopays-embedded.lock", "servers.lock"}


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for use in (EmbeddedServices(tmp_path).start, lambda: EmbeddedServices.reset(tmp_path)):
        with pytest.raises(EmbeddedError, match="was not made by whopays"):
            use()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as closed_soon:
        nobody_listens = f"http://{LOOPBACK}:{closed_soon.getsockname()[1]}"
    monkeypatch.setenv("WHOPAYS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", nobody_listens)
    monkeypatch.setenv("https_proxy", nobody_listens)
    reports: list[str] = []
    with pytest.raises(EmbeddedError, match=r"Check the network.*WHOPAYS_KAFKA_BOOTSTRAP_SERVERS") as failure:
        EmbeddedServices(tmp_path / "data", report=reports.append).start()
    assert os.fspath(tmp_path / "cache") in str(failure.value)
    assert "45 MB, once" in reports[0]
