"""Questions about who paid within a period: for a project, and by an account."""

from db.questions.intervals import account_intervals, project_intervals
from db.questions.periods import Period
from service import accounts, examples, projects
from service.answers import JSON, Answer
from service.models import IntervalPage
from service.organizations import ROOT
from service.paging import PAGE, page, wrong_period
from service.parameters import FROM, UNTIL
from service.problems import Problem
from service.questions import Asked, Question
from service.snapshots import Snapshot, snapshot
from service.waits import OF_ALL


async def _of_project(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        period = _period(asked, found)
        told = await project_intervals(
            connection, asked.organization, asked.names["project"], period, limit=asked.limit, after=asked.after
        )
        if told is None:
            raise Problem("ProjectNotFound", projects.NOT_FOUND)
    items, key = told
    return page(asked, items, key, found, settled=period.is_settled)


async def _of_account(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        period = _period(asked, found)
        told = await account_intervals(
            connection, asked.organization, asked.names["account"], period, limit=asked.limit, after=asked.after
        )
        if told is None:
            raise Problem("AccountNotFound", accounts.NOT_FOUND)
    items, key = told
    return page(asked, items, key, found, settled=period.is_settled)


def _period(asked: Asked, found: Snapshot) -> Period:
    return Period.of(found, asked.values.get(FROM.name), asked.values.get(UNTIL.name))


QUESTIONS = (
    Question(
        name="listProjectIntervals",
        path=f"{ROOT}/projects/{{project}}/intervals",
        summary="Who paid for a project",
        description="Its intervals within a period, oldest first. A page that is `settled` never changes again.",
        handler=_of_project,
        models={JSON: IntervalPage},
        examples={JSON: examples.page_of(examples.PART, settled=True)},
        parameters=(FROM, UNTIL, *PAGE, *OF_ALL),
        check=wrong_period,
        problems=("ProjectNotFound",),
    ),
    Question(
        name="listAccountIntervals",
        path=f"{ROOT}/accounts/{{account}}/intervals",
        summary="What an account paid for",
        description=(
            "Every interval in which it paid within a period, by project, then begin: what an invoice needs. "
            "A page that is `settled` never changes again."
        ),
        handler=_of_account,
        models={JSON: IntervalPage},
        examples={JSON: examples.page_of(examples.PART, settled=True)},
        parameters=(FROM, UNTIL, *PAGE, *OF_ALL),
        check=wrong_period,
        problems=("AccountNotFound",),
    ),
)
