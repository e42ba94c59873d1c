"""The commands that are claimed, forgotten or pending, compared with their results in the log."""

from collections.abc import AsyncIterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.archived import ArchivedShard, archive_of
from audit.claims import ClaimedIds, digest_of
from audit.findings import Finding, Promise
from audit.log_story import Story, is_interim, is_of_claim
from db import audit
from schemas.topics import Topic

_FOUND_BY = ("outcome", "project", "account")
"""What of its result a command's row of `inbox` repeats."""


async def result_findings(
    connection: AsyncConnection,
    organizations: Sequence[str],
    story: Story,
    archived: ArchivedShard,
    closed: Mapping[int, ArchivedShard],
) -> AsyncIterator[Finding]:
    known = ClaimedIds()
    async for claim in audit.all_claims(connection, organizations):
        place = f"command {claim['command_id']} of {claim['source']} to {claim['organization']}"
        where = f"shard {claim['shard']}, position {claim['position']}"
        command = (claim["organization"], claim["source"], claim["command_id"])
        if claim["value"] is None:
            archive = archive_of(claim, archived, closed)
            if archive.has_read(claim["position"]):
                known.add(digest_of(command))
            if story.is_whole and claim["position"] > archive.border:
                yield Finding(Promise.RESULTS, place, f"it is claimed, but has no result at {where}")
            elif claim["position"] <= archive.border and not archive.is_result_of(claim):
                yield Finding(Promise.RESULTS, place, f"the row at {where}, in the archive, is not its result")
            continue
        known.add(digest_of(command))
        result = orjson.loads(claim["value"])["data"] if claim["topic"] == Topic.COMMAND_RESULTS else None
        if result is None or _command_of(result) != command or not is_of_claim(result):
            yield Finding(Promise.RESULTS, place, f"the row at {where} is not its result")
        elif is_interim(result) and command not in story.unanswered:
            yield Finding(Promise.RESULTS, place, f"the row at {where} is not its last result")
        elif any(claim[name] != result.get(name) for name in _FOUND_BY):
            noted = ", ".join(f"{name} {claim[name]}" for name in _FOUND_BY)
            yield Finding(Promise.RESULTS, place, f"it is found by {noted}: its result says otherwise")
    async for forgotten in audit.forgotten_commands(connection, story.shard):
        place = f"forgotten command at shard {story.shard}, position {forgotten['position']}"
        if forgotten["value"] is None:
            if archived.has_read(forgotten["position"]):
                known.add(forgotten["digest"])
            if story.is_whole and not archived.has_result(forgotten["position"]):
                yield Finding(Promise.RESULTS, place, "there is no such row in the log")
            continue
        known.add(forgotten["digest"])
        if trouble := _forgotten_trouble(forgotten):
            yield Finding(Promise.RESULTS, place, trouble)
    # Of what has had other shards the ids that are known are not those that one shard's log tells of.
    is_only_range = story.range.first == 0 and story.range.ends is None
    if is_only_range and not archived.is_damaged and known != story.claimed:
        trouble = f"{story.claimed.number} commands were answered, {known.number} ids are known"
        if known.number == story.claimed.number:
            trouble += ", of other commands"
        yield Finding(Promise.RESULTS, f"shard {story.shard}", f"{trouble}: an id could get another meaning")
    pending = {
        (row["organization"], row["source"], row["command_id"])
        async for row in audit.all_pending(connection, organizations)
    }
    for command, position in story.unanswered.items():
        if command not in pending:
            place = f"command {command[2]} of {command[1]} to {command[0]}"
            yield Finding(
                Promise.RESULTS, place, f"it has been waiting since position {position}, but nothing is pending"
            )
    if story.is_whole:
        for command in pending - story.unanswered.keys():
            place = f"command {command[2]} of {command[1]} to {command[0]}"
            yield Finding(Promise.RESULTS, place, "it is pending, but was answered, or the log never mentions it")


_command_of = itemgetter("organization", "commandSource", "commandId")


def _forgotten_trouble(forgotten: Mapping[str, Any]) -> str | None:
    """Return what is wrong with what was kept of a command that was forgotten, whose result the log still has."""
    result = orjson.loads(forgotten["value"])["data"] if forgotten["topic"] == Topic.COMMAND_RESULTS else None
    if result is None or not is_of_claim(result) or digest_of(_command_of(result)) != forgotten["digest"]:
        return "the row there is not its result"
    if is_interim(result):
        return "the row there is not its last result"
    # A command in which a card number was sent tells no fingerprint.
    if result.get("fingerprint", forgotten["fingerprint"].hex()) != forgotten["fingerprint"].hex():
        return f"it is kept with the fingerprint {forgotten['fingerprint'].hex()}, its result has another"
    return None
