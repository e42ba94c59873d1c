"""Damage of each kind, planted in a copy of a sound installation's database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text

from audit.findings import Promise
from db.engine import create_engine
from embedded import Addresses
from schemas.topics import Topic
from tests.services.audit.auditing import findings_of
from tests.support.installations import Installation, administer, database_url, drop_database, installed
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.letters import redriven_and_discarded
from tests.support.messages import Said, account, bind, command, profile, project

_UNHELD = (
    "ALTER TABLE bindings DISABLE TRIGGER USER",
    "ALTER TABLE projects DISABLE TRIGGER USER",
    "ALTER TABLE accounts DISABLE TRIGGER USER",
    "ALTER TABLE account_phases DISABLE TRIGGER USER",
    "ALTER TABLE bindings DROP CONSTRAINT bindings_first_has_a_payer",
    "ALTER TABLE accounts DROP CONSTRAINT accounts_ready_with_profile",
    "ALTER TABLE accounts DROP CONSTRAINT accounts_suspended_by_holds",
    "ALTER TABLE account_phases DROP CONSTRAINT account_phases_of_account",
)
_WHERE = {
    "first_of_web": "organization = 'acme' AND project = 'web' AND number = 1",
    "middle_of_web": "organization = 'acme' AND project = 'web' AND number = 2",
    "last_of_web": "organization = 'acme' AND project = 'web' AND number = 4",
    "web": "organization = 'acme' AND project = 'web'",
    "main": "organization = 'acme' AND account = 'main'",
    "unredriven": "number = (SELECT min(number) FROM dead_letters AS letter WHERE NOT EXISTS (SELECT FROM "
    "dead_letter_actions AS action WHERE action.number = letter.number))",
    "middle": "(shard, position) = (SELECT shard, position - 3 FROM shards ORDER BY position DESC LIMIT 1)",
}
_POINT = """
    UPDATE inbox SET position = log.position FROM log WHERE log.shard = inbox.shard AND inbox.command_id = '{2}'
        AND log.topic = 'command-results' AND convert_from(log.value, 'UTF8')::json -> 'data' ->> 'commandId' = '{2}'
        AND convert_from(log.value, 'UTF8')::json -> 'data' ->> '{0}' = '{1}'
"""
"""Points a command's row of `inbox` to the result of its id that has a member of this value."""


@dataclass(frozen=True)
class Planted:
    """What was done to a database, which promise it breaks, and words that the finding contains."""

    promise: Promise
    words: str
    statement: str


_DAMAGE = {
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
        Promise.LOG, "its organization is noted as globex", "UPDATE log SET boundary = 'globex' WHERE {middle}"
    ),
    "a row of the log names no organization": Planted(
        Promise.LOG, "its organization is noted as none", "UPDATE log SET boundary = NULL WHERE {middle}"
    ),
    "a row of the log was moved to another topic": Planted(
        Promise.LOG, "its hash does not match", "UPDATE log SET topic = 'notices' WHERE {middle}"
    ),
    "a row of the log was altered with its hash": Planted(
        Promise.LOG, "its hash does not match", "UPDATE log SET hash = sha256(hash) WHERE {middle}"
    ),
    "the head has another hash": Planted(
        Promise.LOG, "is not that of the head", "UPDATE shards SET hash = sha256(hash) WHERE position > 0"
    ),
    "a payer begins before the one before": Planted(
        Promise.PAYERS,
        "no later than the one before",
        "UPDATE bindings SET from_instant = from_instant - interval '1 day' WHERE {middle_of_web}",
    ),
    "a payer began a moment earlier": Planted(
        Promise.PAYERS,
        "differ from those in the log",
        "UPDATE bindings SET from_instant = from_instant - interval '1 microsecond' WHERE {middle_of_web}",
    ),
    "another account paid once": Planted(
        Promise.PAYERS,
        "differ from those in the log",
        "UPDATE bindings SET account = 'none' WHERE {middle_of_web}",
    ),
    "nobody paid once": Planted(
        Promise.PAYERS, "differ from those in the log", "UPDATE bindings SET account = NULL WHERE {middle_of_web}"
    ),
    "a payer follows itself": Planted(
        Promise.PAYERS, "changes nothing", "UPDATE bindings SET account = 'main' WHERE {middle_of_web}"
    ),
    "a project begins with a release": Planted(
        Promise.PAYERS, "changes nothing", "UPDATE bindings SET account = NULL WHERE {first_of_web}"
    ),
    "a binding has another id": Planted(
        Promise.PAYERS,
        "differ from those in the log",
        "UPDATE bindings SET legacy_id = 'another' WHERE {middle_of_web}",
    ),
    "a binding is gone": Planted(Promise.PAYERS, "binding 1 is missing", "DELETE FROM bindings WHERE {first_of_web}"),
    "a binding is gone between others": Planted(
        Promise.PAYERS, "binding 2 is missing", "DELETE FROM bindings WHERE {middle_of_web}"
    ),
    "the last binding is gone": Planted(
        Promise.PAYERS, "but its last binding is number 3", "DELETE FROM bindings WHERE {last_of_web}"
    ),
    "another account pays": Planted(
        Promise.PAYERS, "main pays, the log says b", "UPDATE bindings SET account = 'main' WHERE {last_of_web}"
    ),
    "nobody pays for a project any more": Planted(
        Promise.PAYERS, "nobody pays, the log says", "UPDATE bindings SET account = NULL WHERE {last_of_web}"
    ),
    "a project names another payer": Planted(
        Promise.PAYERS, "according to its last binding", "UPDATE projects SET account = 'main' WHERE {web}"
    ),
    "a project names no payer": Planted(
        Promise.PAYERS, "nobody has paid since", "UPDATE projects SET account = NULL WHERE {web}"
    ),
    "a project names another instant": Planted(
        Promise.PAYERS,
        "according to its last binding",
        "UPDATE projects SET payer_since = payer_since + interval '1 microsecond' WHERE {web}",
    ),
    "a project counts one change more": Planted(
        Promise.PAYERS, "but its last binding is number 4", "UPDATE projects SET number = number + 1 WHERE {web}"
    ),
    "a project names another id": Planted(
        Promise.PAYERS, "according to its last binding", "UPDATE projects SET legacy_id = 'another' WHERE {web}"
    ),
    "the end of an account's last binding is forgotten": Planted(
        Promise.PAYERS, "the table says None", "DELETE FROM former_payers WHERE {main}"
    ),
    "the end of an account's last binding is another": Planted(
        Promise.PAYERS,
        "its last binding to end did so at",
        "UPDATE former_payers SET last_ended_at = last_ended_at - interval '1 microsecond' WHERE {main}",
    ),
    "an account has paid that never did": Planted(
        Promise.PAYERS, "did so at None", "INSERT INTO former_payers VALUES ('acme', 'none', now())"
    ),
    "all bindings of a project are gone": Planted(
        Promise.PAYERS, "but has no bindings", "DELETE FROM bindings WHERE {web}"
    ),
    "a project is gone": Planted(
        Promise.PAYERS, "the project is missing", "DELETE FROM projects WHERE organization = 'acme'"
    ),
    "a deleted project has a payer": Planted(
        Promise.PAYERS, "the project is deleted", "UPDATE projects SET state = 'Deleted' WHERE project = 'web'"
    ),
    "a sequence went on alone": Planted(
        Promise.SEQUENCES, "the log ends at", "UPDATE projects SET number = number + 1 WHERE {web}"
    ),
    "an account's balance is of an instant beyond the calendar": Planted(
        Promise.STATE,
        "its row of accounts cannot be loaded: 20000-01-01",
        "UPDATE accounts SET outstanding = 0, outstanding_currency_code = 'EUR', outstanding_as_of = '20000-01-01' "
        "WHERE {main}",
    ),
    "an account's instant is before the calendar": Planted(
        Promise.STATE, "is beyond the calendar", "UPDATE accounts SET activated_at = '0002-01-01 BC' WHERE {main}"
    ),
    "an account's conditions are something else": Planted(
        Promise.STATE, "its row of accounts cannot be loaded", "UPDATE accounts SET conditions = '[{{}}]' WHERE {main}"
    ),
    "an account's holds are no list": Planted(
        Promise.STATE, "its row of accounts cannot be loaded", "UPDATE accounts SET holds = '7' WHERE {main}"
    ),
    "a profile expires beyond the calendar": Planted(
        Promise.STATE,
        "its row of payment_profiles cannot be loaded",
        "UPDATE payment_profiles SET expires_at = '10000-01-01' WHERE organization = 'acme'",
    ),
    "a profile comes from something else": Planted(
        Promise.STATE,
        "its row of payment_profiles cannot be loaded",
        "UPDATE payment_profiles SET origin = '{{\"by\": 1}}' WHERE organization = 'acme'",
    ),
    "a project has a payer since beyond the calendar": Planted(
        Promise.STATE,
        "its row of projects cannot be loaded",
        "UPDATE projects SET payer_since = '20000-01-01' WHERE {web}",
    ),
    "a binding begins beyond the calendar": Planted(
        Promise.STATE,
        "its row of bindings cannot be loaded",
        "UPDATE bindings SET from_instant = '20000-01-01' WHERE {last_of_web}",
    ),
    "what waits is no command": Planted(
        Promise.STATE,
        "its row of pending_bindings cannot be loaded",
        "UPDATE pending_bindings SET command = '{{}}' WHERE organization = 'acme'",
    ),
    "a fan-out tells of something else": Planted(
        Promise.STATE,
        "its row of fan_outs cannot be loaded",
        "INSERT INTO fan_outs VALUES ('acme', 'main', 1, 'Nothing', 'RequirementsMet', '', now(), '', "
        '\'{{"caused_by": "", "sender": "", "passed_on": {{}}}}\')',
    ),
    "an account is in another phase": Planted(
        Promise.PHASES, "from what is known it should be", "UPDATE accounts SET phase = 'Incomplete' WHERE {main}"
    ),
    "a fact was lost": Planted(
        Promise.PHASES,
        "from what is known it should be",
        "UPDATE payment_profiles SET state = 'Invalid' WHERE organization = 'acme'",
    ),
    "the history of phases is short": Planted(
        Promise.PHASES, "its history ends with", "DELETE FROM account_phases WHERE {main} AND number > 1"
    ),
    "an account has changed without a word": Planted(
        Promise.PHASES, "the log says", "UPDATE accounts SET version = version + 1 WHERE {main}"
    ),
    "an account is gone": Planted(Promise.PHASES, "but it is missing", "DELETE FROM accounts WHERE {main}"),
    "a result is gone": Planted(
        Promise.RESULTS, "has no result", "UPDATE inbox SET position = position + 1000 WHERE command_id = 'c0'"
    ),
    "a result is another's": Planted(
        Promise.RESULTS,
        "is not its result",
        "UPDATE inbox SET position = other.position FROM inbox AS other "
        "WHERE inbox.command_id = 'c0' AND other.command_id = 'c1'",
    ),
    "a result is one that was repeated": Planted(
        Promise.RESULTS, "is not its result", _POINT.format("repeated", "true", "c3")
    ),
    "a result is that of a dry run": Planted(
        Promise.RESULTS, "is not its result", _POINT.format("dryRun", "true", "refused")
    ),
    "a result is that of another command with its id": Planted(
        Promise.RESULTS, "is not its result", _POINT.format("outcome", "Rejected", "c1")
    ),
    "a result is the one before the last": Planted(
        Promise.RESULTS, "is not its last result", _POINT.format("outcome", "Waiting", "waited")
    ),
    "a dead letter is no longer kept": Planted(
        Promise.DEAD_LETTERS, "that is not kept", "DELETE FROM dead_letters WHERE {unredriven}"
    ),
    "a dead letter is another's": Planted(
        Promise.DEAD_LETTERS,
        "and was published as",
        'UPDATE dead_letters SET "offset" = "offset" + 100 WHERE {unredriven}',
    ),
    "a dead letter has another reason": Planted(
        Promise.DEAD_LETTERS, "and was published as", "UPDATE dead_letters SET reason = 'TooLarge' WHERE {unredriven}"
    ),
    "a dead letter was never published": Planted(
        Promise.DEAD_LETTERS, "but has no event", "UPDATE dead_letters SET position = 10000 WHERE {unredriven}"
    ),
    "what was done about a dead letter is gone": Planted(
        Promise.DEAD_LETTERS, "1 are kept", "DELETE FROM dead_letter_actions WHERE ordinal = 1"
    ),
    "a redriven record was never read": Planted(
        Promise.DEAD_LETTERS, "no worker has noted that", "UPDATE dead_letter_actions SET timestamp = NULL"
    ),
    "a dead letter comes of another": Planted(
        Promise.DEAD_LETTERS, "says that it came of none", "UPDATE dead_letters SET origin = NULL"
    ),
    "what waits is forgotten": Planted(
        Promise.RESULTS, "nothing is pending", "DELETE FROM pending_bindings WHERE organization = 'acme'"
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


@pytest_asyncio.fixture(scope="module")
async def sound(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation that has been through a little of everything, and whose processes have ended."""
    async with installed(services, template) as installation:
        names = ("web", "api", "old")
        await send(installation, [profile("acme"), profile("globex"), *(project("acme", name) for name in names)])
        await all_consumed(installation)
        await send(installation, [account("acme", "main"), account("acme", "b"), account("globex", "only")])
        await send(installation, [bind("acme", "web", ("main", "b")[number % 2], f"c{number}") for number in range(4)])
        await send(installation, [bind("acme", "later", "main", "waits", waitSeconds=3600)])
        await send(installation, [bind("acme", "fresh", "main", "waited", waitSeconds=3600)])
        await all_consumed(installation)
        # Asked again, another command with a used id, a dry run, and what ends waiting: results that claim nothing.
        await send(installation, [project("acme", "fresh"), bind("acme", "web", "b", "c3", ce_answer="again")])
        await send(
            installation, [bind("acme", "web", "main", "c1"), bind("acme", "api", "none", "refused", dryRun=True)]
        )
        await send(
            installation,
            [
                command("SuspendAccount", "hold", "globex", account="only", reason="PaymentFailure"),
                bind("acme", "api", "none", "refused"),
            ],
        )
        await all_consumed(installation)
        await send(installation, [bind("acme", "old", "main", "old"), project("acme", "api", 2, state="Inactive")])
        await all_consumed(installation)
        await send(installation, [project("acme", "old", 2, state="Deleted")])
        await send(installation, [project("acme", "old", 3, state="Broken"), Said(Topic.ADMIN_COMMANDS, b"acme", None)])
        await all_consumed(installation)
        await redriven_and_discarded(installation)
        await exactly_published(installation)
        for worker in installation.workers:
            assert await worker.stop() == 0
        await installation.engine.dispose()
        yield installation


@asynccontextmanager
async def _copied(services: Addresses, installation: Installation, *statements: str) -> AsyncIterator[Installation]:
    """Yield the installation with a copy of its database, to which something was done."""
    name = f"copy_{uuid4().hex[:12]}"
    original = make_url(installation.settings.database_url).database
    await administer(services, f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
    url = database_url(services, name)
    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            done = [await connection.execute(text(statement.format(**_WHERE))) for statement in statements]
        assert not done or done[-1].rowcount, "nothing was damaged"
        yield Installation(installation.settings.model_copy(update={"database_url": url}), engine)
    finally:
        await engine.dispose()
        await drop_database(services, name)


async def test_nothing_is_found_where_nothing_is_wrong(services: Addresses, sound: Installation) -> None:
    async with _copied(services, sound) as copy:
        assert await findings_of(copy) == []


@pytest.mark.parametrize("planted", _DAMAGE.values(), ids=_DAMAGE.keys())
async def test_damage_is_found(services: Addresses, sound: Installation, planted: Planted) -> None:
    async with _copied(services, sound, *_UNHELD, planted.statement) as copy:
        found = await findings_of(copy)
    assert [one for one in found if one.promise is planted.promise and planted.words in one.trouble], found
