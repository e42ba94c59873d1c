"""How an embedded broker is formatted, started and stopped; none is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from embedded.data_folder import DataFolder
from embedded.kafka import Kafka
from embedded.kafka_security import KafkaSecurity
from embedded.processes import Program
from embedded.services import EmbeddedServices

_QUICK_ALONE = "-XX:TieredStopAtLevel=1"


def _broker(folder: DataFolder, **more: Any) -> Kafka:
    given: dict[str, Any] = {"settings": {}, "report": print, **more}
    broker = Kafka(folder, **given)
    broker.ports = {name: port for port, name in enumerate(broker.port_names, 30001)}
    return broker


def _configured(folder: DataFolder) -> dict[str, str]:
    """Return what the broker reads."""
    lines = (folder.path / "kafka.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def _command(program: Program | None) -> Sequence[str]:
    assert program is not None
    return program.command


@pytest.mark.parametrize(("for_load", "is_quick"), ((False, True), (True, False)))
def test_java_compiles_at_length_for_load_alone(folder: DataFolder, for_load: bool, is_quick: bool) -> None:
    command = _broker(folder, for_load=for_load).program().command
    assert (_QUICK_ALONE in command) == is_quick
    assert command[-2:] == ["kafka.Kafka", "kafka.properties"]


def test_it_is_formatted_once_for_its_cluster(folder: DataFolder) -> None:
    (folder.path / "kafka.new").mkdir()
    (folder.path / "kafka.new" / "left").write_text("by one that was killed")
    broker = _broker(folder, cluster_id="-of-many", settings={"node.id": "7"})
    assert _command(broker.preparation())[-4:] == [
        "format", "--cluster-id=-of-many", "--config", "kafka.properties",
    ]  # fmt: skip
    assert not (folder.path / "kafka.new").exists()
    said = _configured(folder)
    assert (said["log.dirs"], said["node.id"]) == ("kafka.new", "7")
    assert said["listeners"] == "CLIENT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    (folder.path / "kafka.new").mkdir()
    broker.prepared()
    assert broker.preparation() is None
    assert broker.program().name == "Apache Kafka"
    assert _configured(folder)["log.dirs"] == "kafka"
    assert _configured(folder)["listeners"] == "CLIENT://127.0.0.1:30001,CONTROLLER://127.0.0.1:30002"
    assert (broker.bootstrap_servers, broker.servers_for_certificates) == ("127.0.0.1:30001", "127.0.0.1:30003")


def test_each_has_a_cluster_of_its_own_unless_told(folder: DataFolder) -> None:
    ids = {_command(_broker(folder).preparation())[-3].removeprefix("--cluster-id=") for _ in range(2)}
    assert [len(one) for one in ids] == [22, 22]


def test_what_formats_a_secure_one_leaves_no_password(folder: DataFolder) -> None:
    security = KafkaSecurity(folder.path, ["ann"])
    broker = _broker(folder, security=security)
    said = _command(broker.preparation())[-1]
    assert said.startswith("@")
    arguments = Path(said[1:]).read_text().splitlines()
    assert f"SCRAM-SHA-256=[name=ann,password={security.passwords['ann']}]" in arguments
    assert _configured(folder)["advertised.listeners"] == "CLIENT://127.0.0.1:1,BROKER://127.0.0.1:3"
    (folder.path / "kafka.new").mkdir()
    broker.prepared()
    assert not Path(said[1:]).exists()
    security.forget_arguments()


def test_one_that_is_trained_gets_time_to_write_what_it_learned(folder: DataFolder, tmp_path: Path) -> None:
    trained, other = _broker(folder, trains_into=tmp_path / "made").program(), _broker(folder).program()
    assert f"-XX:AOTCacheOutput={tmp_path / 'made'}" in trained.command
    assert not [word for word in other.command if "AOT" in word]
    assert sum(seconds for _, seconds in trained.stop_signals) > 2 * sum(seconds for _, seconds in other.stop_signals)


def test_what_its_owner_says_comes_before_what_is_said_here(tmp_path: Path) -> None:
    services = EmbeddedServices(tmp_path, kafka_settings={"min.insync.replicas": "2"}, postgresql_settings={"jit": "1"})
    services._folder.acquire()
    try:
        for server in services._servers:
            server.ports = dict.fromkeys(server.port_names, 30001)
        postgresql, kafka = (server.program().command for server in services._servers)
    finally:
        services.stop()
    assert _configured(services._folder)["min.insync.replicas"] == "2"
    assert _QUICK_ALONE in kafka
    assert list(postgresql[-2:]) == ["-c", "jit=1"]
