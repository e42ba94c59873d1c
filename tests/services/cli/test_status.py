"""`whopays status`: whether everything is well, and if not, what is not and where to read on."""

from dataclasses import replace
from typing import Any

from sqlalchemy import text

from schemas.topics import TOPIC_PLANS
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.messages import account, profile, project
from tests.support.waiting import until
from workers.runtime.roles import CONSUMERS

_AWAY = "postgresql://whopays@127.0.0.1:1/none"
_CHECKING = {"WHOPAYS_AUTH": "jwt", "WHOPAYS_ISSUERS": '{"https://me": {"audiences": ["us"], "jwks": "k.json"}}'}
"""Where tokens are checked, the broker stamps the commands."""


async def test_what_is_not_well_is_named_with_what_to_do(quiet_installation: Installation) -> None:
    installation, whopays = quiet_installation, whopays_of(quiet_installation)

    async def found(status: int, **environment: str) -> dict[str, dict[str, Any]]:
        document = (await whopays("status", "--json", **environment)).expect(status).document
        assert document["well"] == (status == 0)
        return {one["what"]: one for one in document["checks"]}

    def not_well(checks: dict[str, dict[str, Any]]) -> set[str]:
        return {what for what, one in checks.items() if one["verdict"] in ("trouble", "unknown")}

    await send(installation, [profile("acme"), project("acme", "web")])
    nobody = await found(1)
    assert not_well(nobody) == set(map(str, CONSUMERS)), "no process reads"
    assert "1 record to be read" in nobody["projects"]["says"]
    assert nobody["watermark"]["verdict"] == nobody["audit"]["verdict"] == "note"
    assert nobody["maintenance"]["verdict"] == "note"
    assert nobody["admin-commands"]["toDo"] == "Start one: whopays run --only admin-commands"

    await installation.start()
    await send(installation, [account("acme", "main")])
    await exactly_published(installation)

    async def is_well() -> bool:
        return (await whopays("status")).status == 0

    await until(is_well, "that everything is well")
    said = (await whopays("status")).expect(0).out
    assert "Everything is well." in said
    assert max(map(len, said.splitlines())) <= 80
    assert "\x1b" not in said, "plain where it is no terminal"

    taste = (await found(0, WHOPAYS_TOPIC_PARTITIONS="7"))["topics"]
    divided = sum(not plan.single_partition for plan in TOPIC_PLANS)
    assert (taste["verdict"], taste["toDo"]) == ("note", "whopays topics check")
    assert taste["says"] == f"{divided} settings not as whopays would choose."
    unsafe = await found(1, **_CHECKING)
    assert not_well(unsafe) == {"topics"}
    assert not unsafe.keys() & {*map(str, CONSUMERS)}, "the topics come first"
    name = f"{installation.prefix}admin-commands"
    assert unsafe["topics"]["says"] == f"{name}: message.timestamp.type is CreateTime, not LogAppendTime."

    await send(installation, [replace(project("acme", "web"), value=b"?")])
    await all_consumed(installation)
    dead = await found(1)
    assert not_well(dead) == {"dead letters"}
    assert dead["dead letters"]["says"] == "1 are waiting: 1 Undecodable."
    assert dead["dead letters"]["section"] == "docs/operations.md#dead-letters"

    away = await found(2, WHOPAYS_DATABASE_URL=_AWAY)
    assert {what: one["verdict"] for what, one in away.items()} == {"database": "unknown", "topics": "well"}
    other = (await found(1, WHOPAYS_INSTALLATION="other"))["database"]
    assert (other["verdict"], other["toDo"]) == ("trouble", "Do what the message says.")
    assert other["says"].endswith('not "other". Correct WHOPAYS_INSTALLATION or WHOPAYS_DATABASE_URL.')
    no_broker = await found(1, WHOPAYS_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (no_broker["Kafka"]["verdict"], not_well(no_broker)) == ("unknown", {"Kafka", "dead letters"})

    async with installation.engine.begin() as connection:
        await connection.execute(text("UPDATE known_topics SET cluster = 'elsewhere'"))
    others = await found(1)
    assert not_well(others) == {"topics", "dead letters"}
    assert others["topics"]["says"].endswith(", and were on elsewhere.")
    assert others["topics"]["section"] == "docs/operations.md#when-the-topics-are-not-the-same"

    async with installation.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    older = await found(1)
    assert not_well(older) == {"database"}
    assert "older than this version" in older["database"]["says"]
