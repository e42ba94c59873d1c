"""What each party may do at a broker: as lines for Kafka's own command, and as what the broker is asked for."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError

from schemas.topics import INPUT_TOPICS, OUTPUT_TOPICS, Topic
from workers.runtime.settings import Settings
from workers.topics.acls import Operation, Party, Pattern, Resource, allowed, apply, as_commands

_SETTINGS = Settings(kafka_bootstrap_servers="kafka:1", topic_prefix="b.", installation="here")
_READ, _WRITE = {"Read", "Describe"}, {"Write", "Describe"}
_CHANGES = {"Write", "Create", "Delete", "AlterConfigs"}


def _rights(party: Party) -> dict[str, set[str]]:
    """Return which operations a party's lines allow, by the resource as the lines name it."""
    found: dict[str, set[str]] = {}
    for line in as_commands(party, "User:x", _SETTINGS, client_config=None):
        words = line.partition(" --allow-principal User:x ")[2].split(" --")
        operations = {word.split()[1] for word in words if "operation " in word}
        resource = " ".join(word for word in words if "operation " not in word)
        found[resource] = found.get(resource, set()) | operations
    return found


def test_the_numbers_are_those_of_the_protocol() -> None:
    """https://kafka.apache.org/protocol: resource types, pattern types and operations of access control lists."""
    assert {one.name: one.value for one in Resource} == {"TOPIC": 2, "GROUP": 3, "CLUSTER": 4, "TRANSACTIONAL_ID": 5}
    assert {one.name: one.value for one in Pattern} == {"LITERAL": 3, "PREFIXED": 4}
    assert {one.name: one.value for one in Operation} == {
        "READ": 3, "WRITE": 4, "CREATE": 5, "DELETE": 6, "ALTER": 7, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10,
        "ALTER_CONFIGS": 11,
    }  # fmt: skip


def test_whoever_reports_facts_or_sends_commands_writes_to_their_topic_alone() -> None:
    assert _rights(Party.RESOURCE_MANAGER) == {"topic b.projects": _WRITE}
    assert _rights(Party.PAYMENTS) == {"topic b.payment-profiles": _WRITE}
    assert _rights(Party.COMMANDS) == {
        "topic b.admin-commands": _WRITE,
        "topic b.command-results": _READ,
        "group commands. resource-pattern-type prefixed": _READ,
    }


def test_whoever_subscribes_changes_nothing() -> None:
    assert _rights(Party.SUBSCRIBERS) == {
        **{f"topic b.{name}": _READ for name in ("bindings", "accounts", "notices", "watermarks")},
        "topic b.replay. resource-pattern-type prefixed": _READ,
        "group subscribers. resource-pattern-type prefixed": _READ,
    }


@pytest.mark.parametrize("party", (Party.WORKERS, Party.RELAY, Party.REPLAYS))
def test_processes_look_at_all_topics_and_write_to_their_own(party: Party) -> None:
    rights = _rights(party)
    for topic in Topic:
        assert rights[f"topic b.{topic}"] >= {"Describe", "DescribeConfigs"}
    assert rights["cluster"] == {"Describe"}
    written = {resource for resource, operations in rights.items() if operations & _CHANGES}
    positions = (Topic.RELAY_POSITIONS, Topic.WATERMARKS)
    assert (
        written
        == {
            Party.WORKERS: set(),
            Party.RELAY: {
                *(f"topic b.{topic}" for topic in (*OUTPUT_TOPICS, *positions)),
                "transactional-id whopays-relay-b.here- resource-pattern-type prefixed",
            },
            Party.REPLAYS: {
                "topic b.replay. resource-pattern-type prefixed",
                "topic b.replay-positions",
                "transactional-id whopays-replay-b.here- resource-pattern-type prefixed",
            },
        }[party]
    )
    read = {resource for resource, operations in rights.items() if "Read" in operations}
    assert read >= {f"topic b.{topic}" for topic in positions}
    assert (read >= {f"topic b.{topic}" for topic in INPUT_TOPICS}) is (party is Party.WORKERS)
    assert ("group whopays-here- resource-pattern-type prefixed" in read) is (party is Party.WORKERS)


def test_operators_make_topics_and_redrive_and_read_no_input() -> None:
    rights = _rights(Party.OPERATORS)
    managed = {"Create", "Describe", "DescribeConfigs", "AlterConfigs"}
    for topic in Topic:
        assert rights[f"topic b.{topic}"] - managed == ({"Write"} if topic in INPUT_TOPICS else {"Read"})
        assert rights[f"topic b.{topic}"] >= managed
    assert rights["topic b.replay. resource-pattern-type prefixed"] == _READ
    assert rights["group whopays-here- resource-pattern-type prefixed"] == rights["cluster"] == {"Describe"}


def _client(asked: list[Any], code: int = 0) -> Any:
    async def send(request: Any) -> Any:
        asked.append(vars(request))
        responses = [{"error_code": code, "error_message": "why"}]
        return SimpleNamespace(to_object=lambda: {"creation_responses": responses})

    return SimpleNamespace(_send_request=send)


async def test_each_operation_is_an_entry_for_every_host() -> None:
    asked: list[Any] = []
    count = await apply(_client(asked), {Party.PAYMENTS: "User:p", Party.OPERATORS: "User:o"}, _SETTINGS)
    wanted = [
        (right.resource, right.name, right.pattern, principal, "*", operation, 3)
        for party, principal in ((Party.PAYMENTS, "User:p"), (Party.OPERATORS, "User:o"))
        for right in allowed(party, _SETTINGS)
        for operation in right.operations
    ]
    assert [tuple(one.values()) for one in asked] == wanted
    assert count == len(wanted)


async def test_what_a_broker_refuses_is_raised() -> None:
    with pytest.raises(ClusterAuthorizationFailedError, match="why"):
        await apply(_client([], ClusterAuthorizationFailedError.errno), {Party.PAYMENTS: "User:p"}, _SETTINGS)
