"""What is done where tokens are checked, to a mutant or not: the judge knows what each token is worth."""

import time
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from db.dead_letters import Choice
from schemas.records import REDRIVE_HEADER
from schemas.topics import Topic
from tests.faults import failpoints
from tests.faults.judge.tokens import LEEWAY_SECONDS
from tests.faults.matrix import note_faulty
from tests.faults.moving import move_groups, partitions
from tests.faults.points import CONSUMERS
from tests.faults.questions.rights import asked_with_tokens
from tests.faults.signing import FORGED
from tests.faults.stage import Scenario, Stage
from tests.support.kafka import all_consumed
from tests.support.messages import Said, account, bind, command
from tests.support.tokens import EVERYTHING, SigningKey, bearing
from tests.support.waiting import until
from workers.redriving import Redriving, redrive

_STRANGER = ({"organization": "elsewhere", "role": "operator"},)
_NARROW = (
    {"organization": "acme", "role": "project-owner", "projects": ["p0", "q*"]},
    {"organization": "*", "role": "account-user", "accounts": ["b*"]},
)
_COUNTS_FOR_SECONDS = 2


async def _tokens_of_every_kind(stage: Stage) -> list[str]:
    """Nothing is broken; strangers use ids before their owners, and people send what is not theirs to send."""
    await stage.start()
    await stage.begin()
    mallory, forged = _token(stage, "mallory", _STRANGER), _token(stage, "alice", key=SigningKey(key_id=FORGED))
    for_another = _token(stage, "alice", command={"source": "/tests", "id": "another"})
    for_this = _token(stage, "alice", command={"source": "/tests", "id": "for-this"})
    narrow = _token(stage, "nora", _NARROW)
    await stage.load.say(
        _carrying(mallory, bind("acme", "p1", "b", "squatted-0", ce_authid=None)),
        _carrying(forged, bind("acme", "p1", "b", "squatted-1")),
        *(bind("acme", "p1", "b", f"squatted-{n}") for n in range(2)),
        _carrying(mallory, bind("acme", "p1", "c", "squatted-0", ce_authid="mallory")),
        bind("acme", "p1", "b", "as-another", ce_authid="bob"),
        _carrying(_token(stage, "alice"), bind("acme", "p2", "b", "as-another", ce_authid="bob")),
        _carrying(for_another, bind("acme", "p2", "b", "for-another")),
        _carrying(for_this, bind("acme", "p2", "b", "for-this")),
        *(
            _carrying(narrow, bind("acme", name, payer, f"narrow-{name}-{payer}", ce_authid=None))
            for name in ("p0", "p1")
            for payer in "ab"
        ),
        _carrying(narrow, command("SuspendAccount", "no-right", "acme", account="b", reason="Administrative")),
        _carrying(narrow, command("SetDefaultAccount", "whole", "acme", account="b", ce_authid="NORA")),
    )
    await all_consumed(stage.installation)
    return await stage.goes_wrong_after()


async def _ended_before_it_is_read(stage: Stage) -> list[str]:
    """A token counts when its command is sent, and no longer when that is read."""
    await stage.begun()
    ends = int(time.time()) - LEEWAY_SECONDS + _COUNTS_FOR_SECONDS
    ending = _token(stage, "alice", exp=ends)
    await stage.load.say(*(_carrying(ending, bind("acme", f"p{n}", "b", f"ending-{n}")) for n in range(3)))
    await until(lambda: _is_past(ends + LEEWAY_SECONDS), "the end of the token")
    await stage.load.say(_carrying(ending, bind("acme", "p3", "b", "ended")))
    await stage.start()
    await all_consumed(stage.installation)
    return await stage.goes_wrong_after()


async def _read_again_without_the_key(stage: Stage) -> list[str]:
    """All is read once more, as after a crash, when the key that signed the tokens is withdrawn."""
    assert stage.installation.issuer is not None
    worker = await stage.start()
    await stage.begin()
    await stage.load.say(
        command("SuspendAccount", "tried", "acme", account="a", reason="Administrative", dryRun=True),
        account("acme", "a", ce_answer="again"),
        _carrying(_token(stage, "mallory", _STRANGER), bind("acme", "p1", "b", "forbidden", ce_authid="mallory")),
        Said(Topic.ADMIN_COMMANDS, b"acme", b"poison"),
    )
    await stage.load.say_unsigned(bind("acme", "p1", "b", "nobody's"))
    await all_consumed(stage.installation)
    assert await worker.stop() == 0
    await move_groups(
        stage.installation, {role: dict.fromkeys(partitions(stage.installation, role), 0) for role in CONSUMERS}
    )
    assert stage.load.signatures is not None
    stage.installation.issuer.key = SigningKey(key_id="second")
    stage.installation.issuer.publish(stage.installation.issuer.key.public())
    stage.load.signatures.forget()
    await stage.start()
    return await stage.goes_wrong_after()


async def _redriven(stage: Stage) -> list[str]:
    """Two commands become dead letters by a fault, one by somebody without its rights; both are redriven."""
    await stage.begun()
    mallory = _token(stage, "mallory", _STRANGER)
    for said in (
        bind("acme", "p0", "b", "redriven-0"),
        _carrying(mallory, bind("acme", "p1", "b", "redriven-1", ce_authid=None)),
    ):
        plan = {"transaction.Batches._transaction: load before": failpoints.FAULT}
        worker = await stage.start(*CONSUMERS, plan=plan, settings={"WHOPAYS_BATCH_MAX_RECORDS": "1"})
        await stage.load.say(said)
        await worker.logged("batch_faulty")
        await all_consumed(stage.installation)
        assert await worker.stop() == 0
    await note_faulty(stage.load)
    await redrive(stage.installation.settings, Choice(), by="ada", again=False, rate=None, state=Redriving())
    # The id of a redrive is no secret, and helps nobody to send something else.
    async with stage.installation.engine.connect() as connection:
        found = await connection.execute(text("SELECT redrive_id FROM dead_letter_actions LIMIT 1"))
        stolen = (REDRIVE_HEADER, found.scalar_one().hex.encode())
    other = bind("acme", "p2", "b", "with-a-stolen-id", ce_authid=None)
    stealing = replace(other, headers=(*other.headers, stolen))
    await stage.load.say_unsigned(stealing, _carrying(mallory, stealing))
    await stage.start()
    await all_consumed(stage.installation)
    return await stage.goes_wrong_after()


def _token(stage: Stage, person: str, grants: Any = EVERYTHING, **claims: Any) -> bytes:
    assert stage.installation.issuer is not None
    return stage.installation.issuer.token(person, grants, **claims)


def _carrying(token: bytes, said: Said) -> Said:
    """Return a command with a token."""
    return replace(said, headers=(*said.headers, *bearing(token)))


async def _is_past(instant: float) -> bool:
    return time.time() > instant


OF_RIGHTS: dict[str, Scenario] = {
    "tokens of every kind": _tokens_of_every_kind,
    "a token that ends before it is read": _ended_before_it_is_read,
    "read again without the key": _read_again_without_the_key,
    "redriven, with and without rights": _redriven,
    "questions with tokens": asked_with_tokens,
}
"""Each on an installation that checks tokens."""
