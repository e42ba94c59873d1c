"""Questions about projects: their state, and who pays for them."""

from datetime import datetime
from typing import Any, get_args

from db.questions.payers import PayerQuestion
from db.questions.projects import project_and_snapshot, projects
from schemas.facts import ProjectState
from service import examples
from service.answers import JSON, Answer, answer
from service.models import Page, PayerAnswer, ProjectAnswer, ProjectDetail
from service.organizations import ROOT
from service.paging import PAGE, page
from service.parameters import AT, choice, conflicting, identifier, truth
from service.problems import Problem, Violation
from service.questions import Asked, Question
from service.snapshots import Snapshot, asking, note, snapshot, statement
from service.waits import OF_ALL

NOT_FOUND = "The project was never reported."
_ACCOUNT = identifier("account", "Only projects that this account pays for, or paid for at `at`.", "main")
_UNBOUND = truth(
    "unbound", "`true`: only projects without a payer; `false`: only those with one. Not with `account` or `at`."
)
_STATE = choice("state", get_args(ProjectState), "Only projects in this state.", "Active")


async def _projects(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        items, key = await projects(
            connection,
            asked.organization,
            account=asked.values.get(_ACCOUNT.name),
            unbound=asked.values.get(_UNBOUND.name),
            state=asked.values.get(_STATE.name),
            at=asked.values.get(AT.name),
            limit=asked.limit,
            after=asked.after,
            reach=asked.reach,
        )
    return page(asked, items, key, found)


def _check(asked: Asked) -> list[Violation]:
    if _UNBOUND.name not in asked.values:
        return []
    return [
        conflicting(one.name, "It does not go with `unbound`.") for one in (_ACCOUNT, AT) if one.name in asked.values
    ]


async def _project(asked: Asked) -> Answer:
    async with statement(asked.state) as connection:
        shard = asked.state.shard_of(asked.organization)
        before = asked.state.known.get(shard)
        found, document = await project_and_snapshot(connection, shard, asked.organization, asked.names["project"])
    note(asked.state, found, before)
    return answer(_reported(document, found), found)


async def _payer(asked: Asked) -> Answer:
    at: datetime | None = asked.values.get(AT.name)
    state, organization = asked.state, asked.organization
    shard = state.shard_of(organization)
    before = state.known.get(shard)
    async with asking():
        found, document = await state.payers.ask(PayerQuestion(shard, organization, asked.names["project"], at))
    note(state, found, before)
    return answer(_reported(document, found), found, has_tag=at is not None)


def _reported(document: dict[str, Any] | None, found: Snapshot) -> dict[str, Any]:
    if document is None:
        problem = Problem("ProjectNotFound", NOT_FOUND)
        problem.snapshot = found
        raise problem
    return document


QUESTIONS = (
    Question(
        name="listProjects",
        path=f"{ROOT}/projects",
        summary="Projects of an organization",
        description=(
            "Projects, ordered by the bytes of their names; deleted ones only with `state=Deleted` or `at`. With `at`, "
            "`payer` is the payer at that instant, and everything else is current."
        ),
        handler=_projects,
        models={JSON: Page[ProjectAnswer]},
        examples={JSON: examples.page_of(examples.PROJECT)},
        parameters=(_ACCOUNT, _UNBOUND, _STATE, AT, *PAGE, *OF_ALL),
        check=_check,
    ),
    Question(
        name="getProject",
        path=f"{ROOT}/projects/{{project}}",
        summary="A project",
        description="The project as last reported, who pays for it now, and its scheduled and waiting bindings.",
        handler=_project,
        models={JSON: ProjectDetail},
        examples={JSON: examples.PROJECT_DETAIL},
        parameters=OF_ALL,
        problems=("ProjectNotFound",),
    ),
    Question(
        name="getPayer",
        path=f"{ROOT}/projects/{{project}}/payer",
        summary="Who pays for a project, now or at an instant",
        description="The interval that contains the instant; `settled` says whether the answer is final.",
        handler=_payer,
        models={JSON: PayerAnswer},
        examples={JSON: examples.PAYER},
        parameters=(AT, *OF_ALL),
        problems=("ProjectNotFound",),
    ),
)
