"""Commands with tokens through a real Kafka: let in, refused, kept, killed, redriven; and of a token nothing is left.

The broker stamps the topic of commands, so that a token is judged as of when it was sent.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from db.dead_letters import Choice
from schemas.topics import OUTPUT_TOPICS, Topic
from tests.services.process.tampered_worker import BEFORE_ACKNOWLEDGEMENT
from tests.support.installations import Installation
from tests.support.kafka import Published, acknowledged_offsets, exactly_published, published, send
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer, bearing
from workers.redriving import Redriving, redrive
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.plan import create_topics

ADMIN = ({"organization": "acme", "role": "account-admin"},)
BINDS = ({"organization": "acme", "role": "project-owner"}, {"organization": "acme", "role": "account-user"})


def carrying(token: bytes | None, said: Said) -> Said:
    """Return a command with a token, if there is one."""
    return replace(said, headers=(*said.headers, *(bearing(token) if token else ())))


async def test_commands_with_tokens(quiet_installation: Installation, tmp_path: Path) -> None:
    guarded, issuer = quiet_installation, TokenIssuer(tmp_path)
    checking = {"auth": "jwt", "issuers": Settings(auth="jwt", issuers=issuer.configured).issuers}
    # Topics of its own: the broker is to stamp the commands.
    apart = checking | {"topic_prefix": f"{guarded.prefix}guarded."}
    guarded.settings = guarded.settings.model_copy(update=apart)
    await create_topics(guarded.settings)
    guard = {"WHOPAYS_AUTH": "jwt", "WHOPAYS_ISSUERS": json.dumps(issuer.configured)}
    admin, alice = issuer.token("ada", ADMIN), issuer.token("Alice", BINDS)
    stranger = issuer.token("mallory", [{"organization": "other", "role": "operator"}])
    nobody: dict[str, Any] = {"ce_authid": None}
    unreadable = Said(Topic.ADMIN_COMMANDS, b"acme", b'{"specversion": "1.0"}', (("CE_Authorization", b"x"),))
    said = [
        profile("acme"),
        project("acme", "web"),
        carrying(admin, account("acme", "main", **nobody)),
        carrying(admin, account("acme", "spare", **nobody)),
        carrying(alice, bind("acme", "web", "main", "b-1", **nobody)),
        carrying(stranger, bind("acme", "web", "spare", "b-1", **nobody)),
        carrying(alice, bind("acme", "web", "spare", "b-2", ce_authid="bob")),
        carrying(None, bind("acme", "web", "spare", "b-3", ce_authid="Alice")),
        carrying(alice, command("SuspendAccount", "s-1", "acme", account="main", reason="PaymentFailure", **nobody)),
        carrying(alice, unreadable),
    ]
    await send(guarded, said[:2])
    await guarded.start(Role.PROJECTS, Role.PAYMENT_PROFILES, Role.RELAY, Role.TIMERS, **guard)
    await send(guarded, said[2:])
    # Killed after the commit, before it is acknowledged; then the key is withdrawn, and all is read once more.
    worker = await guarded.start(
        Role.ADMIN_COMMANDS,
        module="tests.services.process.tampered_worker",
        TAMPERED_AT=BEFORE_ACKNOWLEDGEMENT,
        **guard,
    )
    await worker.logged("hangs at")
    await worker.kill()
    assert not any(offset > 0 for offset in (await acknowledged_offsets(guarded, Role.ADMIN_COMMANDS)).values())
    issuer.publish(SigningKey(key_id="second").public())
    worker = await guarded.start(Role.ADMIN_COMMANDS, **guard)
    found = await exactly_published(guarded)
    told = _results(found)
    by_id: dict[str, list[Any]] = {}
    for event in told:
        reasons = sorted({broken["reason"] for broken in event["data"]["violations"]})
        by_id.setdefault(event["data"]["commandId"], []).append((event.get("authid"), *reasons))
    by_id["b-1"].sort()
    assert by_id == {
        "create-main": [("ada",)],
        "create-spare": [("ada",)],
        "b-1": [("Alice",), ("mallory", "Forbidden")],
        "b-2": [(None, "Unauthenticated")],
        "b-3": [(None, "Unauthenticated")],
        "s-1": [("Alice", "Forbidden")],
    }
    # Redriven after the key is gone: its dead letter keeps that Alice asked, and it dies again.
    state = Redriving()
    await redrive(guarded.settings, Choice(), by="ada", again=False, rate=None, state=state)
    assert len(state.put) == 1
    found = await exactly_published(guarded)
    assert sum(one.topic == Topic.DEAD_LETTERS for one in found) == 2
    assert _results(found) == told
    await _insist_on_no_token(guarded, admin, alice, stranger)
    assert not any(token.decode() in line for token in (admin, alice, stranger) for line in _lines(guarded))
    assert any(ISSUER in line for line in _lines(guarded)), "the issuer is named, when its keys are read"


def _results(found: Sequence[Published]) -> list[Any]:
    """Return the results of what was sent; how far was read is found out by commands, too."""
    of_commands = [one.event for one in found if one.topic == Topic.COMMAND_RESULTS]
    return [event for event in of_commands if not event["data"]["commandId"].startswith("marker-")]


def _lines(installation: Installation) -> list[str]:
    return [line for worker in installation.workers for line in worker.lines]


async def _insist_on_no_token(installation: Installation, *tokens: bytes) -> None:
    """Neither a header of that name nor any part of a token is on a topic but that of the commands."""
    topics = [topic for topic in OUTPUT_TOPICS if topic is not Topic.WATERMARKS]
    found = await published(installation, *topics)
    assert len(found) > 10
    for one in found:
        everything = f"{one.key!r} {one.value!r} {one.headers!r}"
        # As a name; the message of a refusal may say which header is missing.
        assert not {'authorization"', "authorization'"} & {word.lower() for word in re.findall(r"\w+[\"']", everything)}
        for part in (part for token in tokens for part in token.split(b".")):
            assert part.decode() not in everything, one.topic
