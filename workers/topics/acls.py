"""What each party may do at the broker: access control lists as data, as `kafka-acls.sh` commands, and applied.

A producer of facts determines which projects exist and what pays; a consumer of `admin-commands` sees everything sent
there, including personal data. Only the broker restricts them (docs/contract.md section 12).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from shlex import quote

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest

from schemas.topics import INPUT_TOPICS, OUTPUT_TOPICS, Topic, replay_topic
from workers.runtime.settings import Settings


class Party(StrEnum):
    """A client of the broker; parties may share a principal, as the roles of one process do."""

    RESOURCE_MANAGER = "resource-manager"
    PAYMENTS = "payments"
    COMMANDS = "commands"
    WORKERS = "workers"
    RELAY = "relay"
    REPLAYS = "replays"
    SUBSCRIBERS = "subscribers"
    OPERATORS = "operators"


class Resource(IntEnum):
    """Resource types, as numbered in Kafka's protocol."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5


class Pattern(IntEnum):
    """Whether an entry applies to the exact resource name, or to all names with that prefix."""

    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """Operations, as numbered in Kafka's protocol."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


@dataclass(frozen=True, slots=True)
class Allowed:
    """Allowed operations on a resource."""

    resource: Resource
    name: str
    operations: tuple[Operation, ...]
    pattern: Pattern = Pattern.LITERAL


_READ = (Operation.READ, Operation.DESCRIBE)
_WRITE = (Operation.WRITE, Operation.DESCRIBE)
_OWNED = (*_READ, Operation.WRITE, Operation.CREATE, Operation.DELETE, Operation.DESCRIBE_CONFIGS)
_MANAGED = (Operation.CREATE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS, Operation.ALTER_CONFIGS)
_ALLOW, _EVERY_HOST, _CLUSTER = 3, "*", "kafka-cluster"
_INPUTS = tuple(INPUT_TOPICS)
_POSITIONS = (Topic.RELAY_POSITIONS, Topic.WATERMARKS)


def allowed(party: Party, settings: Settings) -> list[Allowed]:
    """Return the rights that a party needs, and no others.

    Consumer groups of subscribers, and of senders of commands, begin with the party's name and a dot.
    """
    own_groups = Allowed(Resource.GROUP, f"{party}.", _READ, Pattern.PREFIXED)
    match party:
        case Party.RESOURCE_MANAGER:
            return _topics(settings, (Topic.PROJECTS,), _WRITE)
        case Party.PAYMENTS:
            return _topics(settings, (Topic.PAYMENT_PROFILES,), _WRITE)
        case Party.COMMANDS:
            return [
                *_topics(settings, (Topic.ADMIN_COMMANDS,), _WRITE),
                *_topics(settings, (Topic.COMMAND_RESULTS,), _READ),
                own_groups,
            ]
        case Party.WORKERS:
            return [
                *_topics(settings, _INPUTS, (*_READ, Operation.DESCRIBE_CONFIGS)),
                *_topics(settings, _POSITIONS, _READ),
                _groups_of_workers(settings, _READ),
                *_admission(settings),
            ]
        case Party.RELAY:
            name = f"whopays-relay-{settings.topic_prefix}{settings.installation}-"
            return [
                *_topics(settings, OUTPUT_TOPICS, (*_WRITE, Operation.READ)),
                *_topics(settings, _POSITIONS, (*_WRITE, Operation.READ)),
                Allowed(Resource.TRANSACTIONAL_ID, name, _WRITE, Pattern.PREFIXED),
                *_admission(settings),
            ]
        case Party.REPLAYS:
            name = f"whopays-replay-{settings.topic_prefix}{settings.installation}-"
            topic = Allowed(Resource.TOPIC, settings.topic(replay_topic("")), _OWNED, Pattern.PREFIXED)
            return [
                topic,
                *_topics(settings, (Topic.REPLAY_POSITIONS,), (*_WRITE, Operation.READ)),
                *_topics(settings, _POSITIONS, _READ),
                Allowed(Resource.TRANSACTIONAL_ID, name, _WRITE, Pattern.PREFIXED),
                *_admission(settings),
            ]
        case Party.SUBSCRIBERS:
            return [
                *_topics(settings, (Topic.BINDINGS, Topic.ACCOUNTS, Topic.NOTICES, Topic.WATERMARKS), _READ),
                Allowed(Resource.TOPIC, settings.topic(replay_topic("")), _READ, Pattern.PREFIXED),
                own_groups,
            ]
        case Party.OPERATORS:
            return [
                *_topics(settings, tuple(Topic), _MANAGED),
                *_topics(settings, _INPUTS, (Operation.WRITE,)),
                *_topics(settings, (*OUTPUT_TOPICS, *_POSITIONS, Topic.REPLAY_POSITIONS), (Operation.READ,)),
                Allowed(Resource.TOPIC, settings.topic(replay_topic("")), _READ, Pattern.PREFIXED),
                # Audits, and commands that wait for an answer, look up the workers' offsets.
                _groups_of_workers(settings, (Operation.DESCRIBE,)),
                Allowed(Resource.CLUSTER, _CLUSTER, (Operation.DESCRIBE,)),
            ]


def as_commands(party: Party, principal: str, settings: Settings, *, client_config: str | None) -> list[str]:
    """Return the `kafka-acls.sh` commands that give a principal these rights."""
    config = "" if client_config is None else f" --command-config {quote(client_config)}"
    begin = f"kafka-acls.sh --bootstrap-server {quote(settings.kafka_bootstrap_servers)}{config} --add"
    return [
        f"{begin} --allow-principal {quote(principal)}"
        + "".join(f" --operation {_spoken(operation)}" for operation in one.operations)
        + _resource(one)
        for one in allowed(party, settings)
    ]


async def apply(client: AIOKafkaAdminClient, principals: Mapping[Party, str], settings: Settings) -> int:
    """Grant every party's principal its rights; return the number of entries. Idempotent.

    Raises KafkaError; rights granted before that stay.
    """
    count = 0
    for party, principal in principals.items():
        for one in allowed(party, settings):
            for operation in one.operations:
                request = CreateAclsRequest(
                    one.resource, one.name, one.pattern, principal, _EVERY_HOST, operation, _ALLOW
                )
                answer = (await client._send_request(request)).to_object()
                for created in answer["creation_responses"]:
                    if created["error_code"]:
                        raise for_code(created["error_code"])(created["error_message"])
                count += 1
    return count


def _topics(settings: Settings, topics: Iterable[str], operations: tuple[Operation, ...]) -> list[Allowed]:
    return [Allowed(Resource.TOPIC, settings.topic(topic), operations) for topic in topics]


def _groups_of_workers(settings: Settings, operations: tuple[Operation, ...]) -> Allowed:
    return Allowed(Resource.GROUP, f"whopays-{settings.installation}-", operations, Pattern.PREFIXED)


def _admission(settings: Settings) -> list[Allowed]:
    """Return the rights that every role needs to check at startup that the topics are the known ones."""
    looked_at = (Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)
    return [*_topics(settings, tuple(Topic), looked_at), Allowed(Resource.CLUSTER, _CLUSTER, (Operation.DESCRIBE,))]


def _spoken(operation: Operation) -> str:
    return "".join(word.capitalize() for word in operation.name.split("_"))


def _resource(one: Allowed) -> str:
    if one.resource is Resource.CLUSTER:
        return " --cluster"
    option = one.resource.name.lower().replace("_", "-")
    pattern = " --resource-pattern-type prefixed" if one.pattern is Pattern.PREFIXED else ""
    return f" --{option} {quote(one.name)}{pattern}"
