"""Questions about the results of commands."""

from collections.abc import Sequence
from operator import itemgetter

from db.archive.trouble import ArchiveUnreachable
from db.questions.archived_results import ArchivedResult, archived_results, read_results
from db.questions.pages import Items
from db.questions.results import latest_results, result_of, results_of_command
from schemas.results import Outcome
from service import examples
from service.answers import JSON, Answer, answer
from service.models import Page, Result, Results
from service.organizations import ROOT
from service.paging import PAGE, page
from service.parameters import choice, conflicting, identifier, words
from service.problems import Problem, Reason, Violation, unavailable
from service.questions import Asked, Question
from service.snapshots import snapshot
from service.waits import OF_ALL
from workers.runtime.archive import archive_of

_ID = words("id", 128, "The id of a command; of the other filters, only `source` goes with it.", "c-4711")
_SOURCE = words("source", 256, "The source of that command. Default: all sources.", "/shop", pattern=r"[^\0]+")
_PROJECT = identifier("project", "Only results of commands that name this project.", "website")
_ACCOUNT = identifier("account", "Only results of commands that name this account.", "main")
_OUTCOME = choice("outcome", Outcome, "Only results with this outcome.", Outcome.REJECTED)
_NOT_WITH_ID = (_PROJECT, _ACCOUNT, _OUTCOME, *PAGE)


async def _results(asked: Asked) -> Answer:
    return await (_of_command if _ID.name in asked.values else _latest)(asked)


async def _of_command(asked: Asked) -> Answer:
    which = asked.organization, asked.values[_ID.name], asked.values.get(_SOURCE.name), asked.reach
    async with snapshot(asked.state, asked.organization) as (connection, found):
        items = await results_of_command(connection, *which)
        archived = await archived_results(connection, *which)
        if not items and not archived:
            raise _unclaimed()
    # The archive is read after the snapshot is released.
    items += await _read(asked, archived)
    if not items:
        raise _unclaimed()
    return answer({"items": sorted(items, key=itemgetter("commandSource"))}, found)


async def _read(asked: Asked, archived: Sequence[ArchivedResult]) -> Items:
    if not archived:
        return []
    try:
        store = archive_of(asked.state.settings)
        if store is None:
            if all(one.is_forgotten for one in archived):
                return []
            raise Problem("ResultNotFound", "The result is archived, and no archive is configured on this server.")
        return [result_of(value) for value in await read_results(store, archived, asked.reach)]
    except ArchiveUnreachable as error:
        raise unavailable("The result is archived, and the archive cannot be reached at present.") from error


def _unclaimed() -> Problem:
    return Problem("ResultNotFound", "No command that the asker sees has claimed this id.")


async def _latest(asked: Asked) -> Answer:
    values = asked.values
    outcome = values.get(_OUTCOME.name)
    async with snapshot(asked.state, asked.organization) as (connection, found):
        items, key = await latest_results(
            connection,
            asked.organization,
            project=values.get(_PROJECT.name),
            account=values.get(_ACCOUNT.name),
            outcome=None if outcome is None else Outcome(outcome),
            limit=asked.limit,
            after=asked.after,
            reach=asked.reach,
        )
    return page(asked, items, key, found)


def _check(asked: Asked) -> list[Violation]:
    values = asked.values
    if _ID.name in values:
        return [conflicting(one.name, "It does not go with `id`.") for one in _NOT_WITH_ID if one.name in values]
    if _SOURCE.name in values:
        return [Violation(Reason.MISSING, "`source` goes with the id of a command only.", _ID.name)]
    return []


QUESTIONS = (
    Question(
        name="listResults",
        path=f"{ROOT}/results",
        summary="Results of commands",
        description=(
            "With `id`: the latest result of the command, one for each source, not paged. It is found for ever, even "
            "once the command is forgotten or its result is archived, if the server is configured with the archive; "
            "otherwise it is `ResultNotFound`, and `Unavailable` while the archive cannot be reached. "
            "Without `id`: the latest results, newest first, as far back as the tables are kept, without forgotten "
            "commands and archived results. Only commands that claimed their id have a result here."
        ),
        handler=_results,
        models={JSON: Page[Result] | Results},
        examples={JSON: examples.page_of(examples.RESULT)},
        parameters=(_ID, _SOURCE, _PROJECT, _ACCOUNT, _OUTCOME, *PAGE, *OF_ALL),
        check=_check,
        problems=("ResultNotFound",),
    ),
)
