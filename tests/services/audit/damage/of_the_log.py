"""Damage to the log, its positions, and what was closed."""

from audit.findings import Promise
from tests.services.audit.damage.planting import Planted

OF_THE_LOG = {
    "a row of the log is gone": Planted(Promise.LOG, "the log has a hole", "DELETE FROM log WHERE {middle}"),
    "the last row of the log is gone": Planted(
        Promise.LOG,
        "its head says",
        "DELETE FROM log WHERE (shard, position) = (SELECT shard, position FROM shards ORDER BY position DESC LIMIT 1)",
    ),
    "a row of the log was altered": Planted(
        Promise.LOG, "its hash does not match", "UPDATE log SET value = value || ' ' WHERE {middle}"
    ),
    "a row of the log names another organization": Planted(
        Promise.LOG, "its organization is given as globex", "UPDATE log SET boundary = 'globex' WHERE {middle}"
    ),
    "a row of the log names no organization": Planted(
        Promise.LOG, "its organization is given as none", "UPDATE log SET boundary = NULL WHERE {middle}"
    ),
    "a row of the log was moved to another topic": Planted(
        Promise.LOG, "its hash does not match", "UPDATE log SET topic = 'notices' WHERE {middle}"
    ),
    "a row of the log was altered with its hash": Planted(
        Promise.LOG, "its hash does not match", "UPDATE log SET hash = sha256(hash) WHERE {middle}"
    ),
    "a row of the log says that another asked": Planted(
        Promise.LOG,
        "its hash does not match",
        "UPDATE log SET asked = CAST(replace(CAST(asked AS text), 'alice', 'mallory') AS json) WHERE {asked_for}",
    ),
    "a row of the log no longer says who asked": Planted(
        Promise.LOG, "its hash does not match", "UPDATE log SET asked = NULL WHERE {asked_for}"
    ),
    "the head has another hash": Planted(
        Promise.LOG, "is not that of the head", "UPDATE shards SET hash = sha256(hash) WHERE position > 0"
    ),
    "what was closed is yet to be published": Planted(
        Promise.WATERMARKS,
        "is not published, but its instant was closed",
        "INSERT INTO log SELECT log.shard, shards.position + 1, log.recorded_at, topic, key, value, log.hash"
        " FROM log JOIN shards USING (shard) WHERE log.position = 1 AND shards.position > 1",
    ),
    "a watermark is in the log": Planted(
        Promise.LOG, "the log is not published on watermarks", "UPDATE log SET topic = 'watermarks' WHERE {middle}"
    ),
    "the database is an earlier one": Planted(
        Promise.POSITIONS,
        "an earlier state was restored",
        "WITH gone AS (DELETE FROM log USING shards AS head WHERE log.shard = head.shard AND log.position = "
        "head.position RETURNING log.shard, log.position) UPDATE shards SET position = gone.position - 1, hash = "
        "log.hash FROM gone JOIN log ON log.shard = gone.shard AND log.position = gone.position - 1 "
        "WHERE shards.shard = gone.shard",
    ),
}
