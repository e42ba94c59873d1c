"""Questions of operators: dead letters and replays."""

from datetime import datetime

from db.questions.dead_letters import dead_letters
from db.questions.replays import replays
from db.replays import find_replay
from schemas.instants import format_instant, parse_instant
from schemas.records import DeadLetterReason
from service import examples
from service.answers import JSON, Answer, answer
from service.models import KeptDeadLetter, Page, Replay
from service.paging import PAGE, page
from service.parameters import choice, identifier, words
from service.problems import Problem
from service.questions import Access, Asked, Question
from service.snapshots import reading
from workers.replaying.tally import document_of

_ORGANIZATION = identifier("organization", "Only dead letters of this organization.", "acme")
_TOPIC = words(
    "topic",
    249,
    "Only dead letters of this topic, named with its prefix.",
    "billing.projects",
    pattern=r"[a-zA-Z0-9._-]+",
)
_REASON = choice("reason", DeadLetterReason, "Only dead letters with this reason.", DeadLetterReason.INVALID_FACT)


async def _dead_letters(asked: Asked) -> Answer:
    reason = asked.values.get(_REASON.name)
    async with reading(asked.state) as connection:
        items, key = await dead_letters(
            connection,
            organization=asked.values.get(_ORGANIZATION.name),
            topic=asked.values.get(_TOPIC.name),
            reason=None if reason is None else DeadLetterReason(reason),
            limit=asked.limit,
            after=asked.after,
            within=asked.operated,
        )
    return page(asked, items, key)


async def _replays(asked: Asked) -> Answer:
    after: tuple[datetime, str] | None = None
    if asked.after is not None:
        begun_at, name = map(str, asked.after)
        after = parse_instant(begun_at), name
    async with reading(asked.state) as connection:
        found, key = await replays(connection, limit=asked.limit, after=after, within=asked.operated)
    return page(asked, list(map(document_of, found)), None if key is None else (format_instant(key[0]), key[1]))


async def _replay(asked: Asked) -> Answer:
    async with reading(asked.state) as connection:
        found = await find_replay(connection, asked.names["name"])
    if found is None or not (asked.operated is None or found.selection.organization in asked.operated):
        raise Problem("ReplayNotFound", "No replay has this name.")
    return answer(document_of(found))


QUESTIONS = (
    Question(
        name="listDeadLetters",
        path="/v1/dead-letters",
        summary="Dead letters",
        description=(
            "Records that could not be answered, newest first, without their values, and what operators did about "
            "them. For operators."
        ),
        handler=_dead_letters,
        models={JSON: Page[KeptDeadLetter]},
        examples={JSON: examples.page_of(examples.DEAD_LETTER)},
        parameters=(_ORGANIZATION, _TOPIC, _REASON, *PAGE),
        tag="Operation",
        access=Access.OPERATORS,
    ),
    Question(
        name="listReplays",
        path="/v1/replays",
        summary="Replays",
        description="All replays, newest first, each as `whopays replay show --json` prints it. For operators.",
        handler=_replays,
        models={JSON: Page[Replay]},
        examples={JSON: examples.page_of(examples.REPLAY)},
        parameters=PAGE,
        tag="Operation",
        access=Access.OPERATORS,
    ),
    Question(
        name="getReplay",
        path="/v1/replays/{name}",
        summary="A replay",
        description="As `whopays replay show --json` prints it; for one that is done, its manifest. For operators.",
        handler=_replay,
        models={JSON: Replay},
        examples={JSON: examples.REPLAY},
        problems=("ReplayNotFound",),
        tag="Operation",
        access=Access.OPERATORS,
    ),
)
