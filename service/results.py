"""Questions about what became of commands."""

from db.questions.results import latest_results, results_of_command
from schemas.results import Outcome
from service import examples
from service.answers import JSON, Answer, answer
from service.models import Page, Result, Results
from service.organizations import ROOT
from service.paging import PAGE, page
from service.parameters import choice, conflicting, identifier, words
from service.problems import Problem, Reason, Violation
from service.questions import Asked, Question
from service.snapshots import snapshot
from service.waits import OF_ALL

_ID = words("id", 128, "The id of a command; goes with `source` only.", "c-4711")
_SOURCE = words("source", 256, "The source of the command with the id; without it, of all.", "/shop", pattern=r"[^\0]+")
_PROJECT = identifier("project", "Only results of commands that name this project.", "website")
_ACCOUNT = identifier("account", "Only results of commands that name this account.", "main")
_OUTCOME = choice("outcome", Outcome, "Only results with this outcome.", Outcome.REJECTED)
_NOT_WITH_ID = (_PROJECT, _ACCOUNT, _OUTCOME, *PAGE)


async def _results(asked: Asked) -> Answer:
    values, command_id = asked.values, asked.values.get(_ID.name)
    async with snapshot(asked.state, asked.organization) as (connection, found):
        if command_id is not None:
            source = values.get(_SOURCE.name)
            items = await results_of_command(connection, asked.organization, command_id, source, asked.reach)
            if not items:
                raise Problem("ResultNotFound", "No command that the asker sees has claimed this id.")
            return answer({"items": items}, found)
        outcome = values.get(_OUTCOME.name)
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
        summary="What became of commands",
        description=(
            "With `id`: the latest result of the command, one for each source, without pages. "
            "Without: the latest results, newest first. Only what claimed its id has a result here."
        ),
        handler=_results,
        models={JSON: Page[Result] | Results},
        examples={JSON: examples.page_of(examples.RESULT)},
        parameters=(_ID, _SOURCE, _PROJECT, _ACCOUNT, _OUTCOME, *PAGE, *OF_ALL),
        check=_check,
        problems=("ResultNotFound",),
    ),
)
