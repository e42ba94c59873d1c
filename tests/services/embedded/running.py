"""What the tests of the embedded servers do with a running pair, and with the processes behind it."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from embedded import Addresses

PROJECT = Path(__file__).parents[3]
TOPIC = "kept"

_HOLDER = """
import sys
from pathlib import Path
from embedded import EmbeddedServices
services = EmbeddedServices(Path(sys.argv[1]), durable=False)
addresses = services.start()
print(addresses.database_url, addresses.kafka_bootstrap_servers, flush=True)
sys.stdin.read()
services.stop()
"""


class Holder:
    """Another process that holds a running pair in a folder until its standard input ends."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(folder)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        database_url, kafka = self.process.stdout.readline().split()
        self.addresses = Addresses(database_url, kafka)

    def descendants(self) -> list[psutil.Process]:
        """Return the supervisors, the servers, and what these started."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def supervisors(self) -> list[psutil.Process]:
        """Return the processes between this one and the servers."""
        return list(psutil.Process(self.process.pid).children())

    def close(self) -> None:
        """End the process in the orderly way."""
        self.process.communicate()


def kill(processes: list[psutil.Process]) -> None:
    """Kill all processes that are still alive, at once and without warning."""
    # Suspended first, so that none can shut down cleanly because another one has ended.
    for signalled in (psutil.Process.suspend, psutil.Process.kill):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                signalled(process)


def alive_after(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended, and return those that have not after so many seconds.

    What has ended counts as such before the process that inherited it has asked for its status.
    """
    return [one for one in psutil.wait_procs(processes, timeout=seconds)[1] if not _has_ended(one)]


def _has_ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def query(addresses: Addresses, statement: str) -> list[tuple[object, ...]]:
    """Run one statement and return its rows."""
    connection = await asyncpg.connect(addresses.database_url.replace("+asyncpg", ""))
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def create_topic(addresses: Addresses) -> None:
    """Create the tests' topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka_bootstrap_servers)
    try:
        await admin.start()
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def publish(addresses: Addresses, value: bytes, *, commit: bool = True) -> None:
    """Publish one record in a transaction of its own, which is aborted unless told to commit."""
    producer = AIOKafkaProducer(
        bootstrap_servers=addresses.kafka_bootstrap_servers, transactional_id="embedded-test", acks="all"
    )
    try:
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait(TOPIC, value)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def published(addresses: Addresses, count: int) -> list[bytes]:
    """Return the first `count` committed values of the tests' topic, through a consumer group."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=addresses.kafka_bootstrap_servers,
        group_id="embedded-test",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()
