"""Questions about the intervals of payers within a period: those of a project, or of an account."""

from starlette.types import ASGIApp

from db.questions.intervals import account_intervals, project_intervals
from db.questions.periods import Period
from service import accounts, examples, projects
from service.answers import JSON, Answer
from service.interval_lines import lines_of_account, lines_of_project, wrong_pages
from service.lines import LINES
from service.models import EndOfIntervals, IntervalPage, LinesFailed, PartOfInterval
from service.organizations import ROOT
from service.paging import PAGE, page, wrong_period
from service.parameters import FROM, UNTIL
from service.problems import Problem, Violation
from service.questions import Asked, Question
from service.snapshots import Snapshot, snapshot
from service.waits import OF_ALL


async def _of_project(asked: Asked) -> Answer | ASGIApp:
    if asked.media == LINES:
        return lines_of_project(asked, Problem("ProjectNotFound", projects.NOT_FOUND))
    async with snapshot(asked.state, asked.organization) as (connection, found):
        period = _period(asked, found)
        result = await project_intervals(
            connection, asked.organization, asked.names["project"], period, limit=asked.limit, after=asked.after
        )
        if result is None:
            raise Problem("ProjectNotFound", projects.NOT_FOUND)
    items, key = result
    return page(asked, items, key, found, settled=period.is_settled)


async def _of_account(asked: Asked) -> Answer | ASGIApp:
    if asked.media == LINES:
        return lines_of_account(asked, Problem("AccountNotFound", accounts.NOT_FOUND))
    async with snapshot(asked.state, asked.organization) as (connection, found):
        period = _period(asked, found)
        result = await account_intervals(
            connection, asked.organization, asked.names["account"], period, limit=asked.limit, after=asked.after
        )
        if result is None:
            raise Problem("AccountNotFound", accounts.NOT_FOUND)
    items, key = result
    return page(asked, items, key, found, settled=period.is_settled)


def _check(asked: Asked) -> list[Violation]:
    return [*wrong_period(asked), *wrong_pages(asked)]


def _period(asked: Asked, found: Snapshot) -> Period:
    return Period.of(found, asked.values.get(FROM.name), asked.values.get(UNTIL.name))


_LINE = PartOfInterval | EndOfIntervals | LinesFailed
_SETTLED = (
    "A `settled` page never changes again, except for `endedAt` of what still lasts. As `application/x-ndjson` the "
    "answer has all intervals from one snapshot, one per line, and a last line that is "
    '`{"closedUntil", "asOf", "items", "settled"}` or `{"problem"}`; without such a line the answer is incomplete.'
)

QUESTIONS = (
    Question(
        name="listProjectIntervals",
        path=f"{ROOT}/projects/{{project}}/intervals",
        summary="Who paid for a project",
        description=f"The project's intervals within a period, oldest first. {_SETTLED}",
        handler=_of_project,
        media=(JSON, LINES),
        models={JSON: IntervalPage, LINES: _LINE},
        examples={JSON: examples.page_of(examples.PART, settled=True), LINES: examples.PART},
        parameters=(FROM, UNTIL, *PAGE, *OF_ALL),
        check=_check,
        problems=("ProjectNotFound", "TooManyRequests"),
    ),
    Question(
        name="listAccountIntervals",
        path=f"{ROOT}/accounts/{{account}}/intervals",
        summary="What an account paid for",
        description=(
            "Every interval in which the account paid within a period, by project, then start: what an invoice needs. "
            f"{_SETTLED}"
        ),
        handler=_of_account,
        media=(JSON, LINES),
        models={JSON: IntervalPage, LINES: _LINE},
        examples={JSON: examples.page_of(examples.PART, settled=True), LINES: examples.PART},
        parameters=(FROM, UNTIL, *PAGE, *OF_ALL),
        check=_check,
        problems=("AccountNotFound", "TooManyRequests"),
    ),
)
