"""Compares claimed, forgotten and pending commands with their results in the log."""

from collections.abc import AsyncIterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.archived import ArchivedShard
from audit.claims import ClaimedIds, Command, digest_of
from audit.findings import Finding, Promise
from audit.log_story import Story, is_interim, is_of_claim
from db import audit
from schemas.topics import Topic

_REPEATED_IN_INBOX = ("outcome", "project", "account")
"""The members of a result that the command's row of `inbox` repeats."""


async def result_findings(
    connection: AsyncConnection, organizations: Sequence[str], story: Story, archived: ArchivedShard
) -> AsyncIterator[Finding]:
    """Yield the commands whose results are missing from the log, or differ from what the tables say."""
    known = ClaimedIds()
    async for claim in audit.all_claims(connection, organizations):
        if claim["value"] is not None or archived.of(claim["shard"]).has_read(claim["position"]):
            known.add(digest_of(_claimed(claim)))
        if trouble := _claim_trouble(claim, story, archived.of(claim["shard"])):
            yield _finding(_claimed(claim), trouble)
    async for forgotten in audit.forgotten_commands(connection, story.shard):
        if forgotten["value"] is not None or archived.has_read(forgotten["position"]):
            known.add(forgotten["digest"])
        if trouble := _forgotten_trouble(forgotten, story, archived):
            place = f"forgotten command at shard {story.shard}, position {forgotten['position']}"
            yield Finding(Promise.RESULTS, place, trouble)
    # After resharding, one shard's log does not have the same ids as the tables of its organizations.
    is_only_range = story.range.first == 0 and story.range.ends is None
    if is_only_range and not archived.is_damaged and known != story.claimed:
        trouble = f"{story.claimed.number} commands were answered, {known.number} ids are known"
        if known.number == story.claimed.number:
            trouble += ", of other commands"
        yield Finding(Promise.RESULTS, f"shard {story.shard}", f"{trouble}: an id could get another meaning")
    pending = {_claimed(row) async for row in audit.all_pending(connection, organizations)}
    for command, position in story.unanswered.items():
        if command not in pending:
            yield _finding(command, f"it has been waiting since position {position}, but nothing is pending")
    if story.is_whole:
        for command in pending - story.unanswered.keys():
            yield _finding(command, "it is pending, but was answered, or the log never mentions it")


_claimed = itemgetter("organization", "source", "command_id")
_answered = itemgetter("organization", "commandSource", "commandId")


def _finding(command: Command, trouble: str) -> Finding:
    organization, source, command_id = command
    return Finding(Promise.RESULTS, f"command {command_id} of {source} to {organization}", trouble)


def _claim_trouble(claim: Mapping[str, Any], story: Story, archived: ArchivedShard) -> str | None:
    """Return what is wrong with the row of the log that a claim points to."""
    where = f"shard {claim['shard']}, position {claim['position']}"
    if claim["value"] is None:
        if claim["position"] > archived.border:
            return f"it is claimed, but has no result at {where}" if story.is_whole else None
        return None if archived.is_result_of(claim) else f"the row at {where}, in the archive, is not its result"
    result = _result_in(claim)
    if result is None or _answered(result) != _claimed(claim):
        return f"the row at {where} is not its result"
    if is_interim(result) and _claimed(claim) not in story.unanswered:
        return f"the row at {where} is not its last result"
    if any(claim[name] != result.get(name) for name in _REPEATED_IN_INBOX):
        noted = ", ".join(f"{name} {claim[name]}" for name in _REPEATED_IN_INBOX)
        return f"it is found by {noted}: its result says otherwise"
    return None


def _forgotten_trouble(forgotten: Mapping[str, Any], story: Story, archived: ArchivedShard) -> str | None:
    """Return what is wrong with the entry of a forgotten command."""
    if forgotten["value"] is None:
        is_missing = story.is_whole and not archived.has_result(forgotten["position"])
        return "there is no such row in the log" if is_missing else None
    result = _result_in(forgotten)
    if result is None or digest_of(_answered(result)) != forgotten["digest"]:
        return "the row there is not its result"
    if is_interim(result):
        return "the row there is not its last result"
    # The result of a command that held a card number has no fingerprint.
    if result.get("fingerprint", forgotten["fingerprint"].hex()) != forgotten["fingerprint"].hex():
        return f"it is kept with the fingerprint {forgotten['fingerprint'].hex()}, its result has another"
    return None


def _result_in(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the result in a row of the log, or None if no claim may point to it."""
    if row["topic"] != Topic.COMMAND_RESULTS:
        return None
    result: dict[str, Any] = orjson.loads(row["value"])["data"]
    return result if is_of_claim(result) else None
