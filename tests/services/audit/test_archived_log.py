"""Partitions of old positions are taken out of the log, and an audit finds nothing wrong with it."""

from sqlalchemy import text

from db.log import PARTITION_POSITIONS
from db.placing import shard_of
from db.published import note_published
from db.shards import all_heads
from schemas.topics import Topic
from tests.services.audit.auditing import findings_of
from tests.support.installations import Installation
from tests.support.kafka import exactly_published, published, send
from tests.support.messages import account, bind, profile, project
from workers.publishing.restoring import restore_positions

_BEGIN = PARTITION_POSITIONS - 3
"""Where the logs end before the test sends anything: a few events go to the first partition, the rest to the second."""


async def test_what_was_archived_is_not_missed(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await _begin_late(installation)
    await installation.start()
    shards = installation.settings.shards
    names = {shard_of(name, shards): name for name in (f"o{number}" for number in range(20 * shards))}
    assert len(names) == shards
    for name in names.values():
        await send(installation, [profile(name), account(name, "main"), project(name, "web")])
    await exactly_published(installation)
    for name in names.values():
        await send(installation, [bind(name, "web", "main", "bind-web"), project(name, "api"), project(name, "app")])
    await exactly_published(installation)
    assert await _archive(installation) >= shards
    assert await findings_of(installation) == []


async def _begin_late(installation: Installation) -> None:
    async with installation.engine.begin() as connection:
        await connection.execute(
            text("UPDATE shards SET position = :position, hash = sha256('before')"), {"position": _BEGIN}
        )
        await note_published(connection, dict.fromkeys(await all_heads(connection), _BEGIN))
    await restore_positions(installation.engine, installation.settings)


async def _archive(installation: Installation) -> int:
    """Detach the first partition, and return how many of its events the compacted topics still hold."""
    async with installation.engine.begin() as connection:
        heads = await all_heads(connection)
        assert min(head.position for head in heads.values()) >= PARTITION_POSITIONS
        await connection.execute(text("ALTER TABLE log DETACH PARTITION log_p0"))
    kept = [*await published(installation, Topic.ACCOUNTS), *await published(installation, Topic.BINDINGS)]
    return sum(int(one.event["id"].split("-")[1]) < PARTITION_POSITIONS for one in kept)
