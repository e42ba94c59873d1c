"""Questions about projects: what they are, and who pays for them."""

from datetime import datetime

from db.questions.payers import payer
from db.questions.projects import project
from service.answers import Answer, answer
from service.organizations import ROOT
from service.parameters import AT
from service.problems import Problem
from service.questions import Asked, Question
from service.snapshots import snapshot
from service.waits import OF_ALL

_NOT_FOUND = "The project was never reported."


async def _project(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        document = await project(connection, asked.organization, asked.names["project"])
        if document is None:
            raise Problem("ProjectNotFound", _NOT_FOUND)
    return answer(document, found)


async def _payer(asked: Asked) -> Answer:
    at: datetime | None = asked.values.get(AT.name)
    async with snapshot(asked.state, asked.organization) as (connection, found):
        document = await payer(connection, asked.organization, asked.names["project"], at, found)
        if document is None:
            raise Problem("ProjectNotFound", _NOT_FOUND)
    return answer(document, found, has_tag=at is not None)


QUESTIONS = (
    Question(
        path=f"{ROOT}/projects/{{project}}",
        summary="A project",
        description="What was reported of it, who pays for it now, and which bindings are scheduled or wait.",
        handler=_project,
        parameters=OF_ALL,
        problems=("ProjectNotFound",),
    ),
    Question(
        path=f"{ROOT}/projects/{{project}}/payer",
        summary="Who pays for a project, now or at an instant",
        description="The interval that holds the instant; `settled` says whether that is final.",
        handler=_payer,
        parameters=(AT, *OF_ALL),
        problems=("ProjectNotFound",),
    ),
)
