"""Three brokers that replicate to each other, as in production: each can be killed and restarted on its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from embedded.data_folder import DataFolder
from embedded.kafka import Kafka, new_cluster_id
from embedded.ports import LOOPBACK
from tests.faults.own_servers import Breakable
from tests.support.folders import temporary_folder
from tests.support.waiting import until

BROKERS = 3
_WHOLE_SECONDS = 240
_REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # A missing replica delays whoever waits for all replicas, for 30 seconds by default.
    "replica.lag.time.max.ms": "5000",
    # Three servers share the cores of one.
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class Cluster:
    """Brokers that also form the quorum of controllers."""

    def __init__(self, brokers: list[Breakable[Kafka]]) -> None:
        self.brokers = brokers

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers."""
        return ",".join(broker.server.bootstrap_servers for broker in self.brokers)

    async def whole(self) -> None:
        """Wait until every partition has all its replicas, and all of them are in sync."""
        await until(self._is_whole, "replicas in sync", _WHOLE_SECONDS)

    async def _is_whole(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        try:
            await admin.start()
            topics = await admin.describe_topics()
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()
        partitions = [partition for topic in topics for partition in topic["partitions"]]
        return all(len(one["isr"]) == len(one["replicas"]) == BROKERS for one in partitions)


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """Start three brokers, in folders that are thrown away afterwards."""
    async with AsyncExitStack() as stack:
        temporary = stack.enter_context(temporary_folder())
        folders = [DataFolder(temporary / f"broker-{number}", print) for number in range(1, BROKERS + 1)]
        voters = []
        for number, folder in enumerate(folders, 1):
            folder.acquire()
            stack.callback(folder.release)
            voters.append(f"{number}@{LOOPBACK}:{folder.choose_ports(Kafka.port_names)['kafka_controller_port']}")
        cluster_id = new_cluster_id()
        quorum = {"controller.quorum.voters": ",".join(voters)}
        brokers = [
            Breakable(
                folder,
                Kafka(
                    folder,
                    settings=_REPLICATED | quorum | {"node.id": str(number)},
                    report=print,
                    cluster_id=cluster_id,
                ),
            )
            for number, folder in enumerate(folders, 1)
        ]
        for broker in brokers:
            await broker.prepare()
        for broker in brokers:
            await broker.launch()
            stack.push_async_callback(broker.close)
        await asyncio.gather(*(broker.wait_until_ready() for broker in brokers))
        yield Cluster(brokers)
