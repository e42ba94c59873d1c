"""Questions about a whole organization."""

from db.questions.organizations import organization
from service.answers import Answer, answer
from service.questions import Asked, Question
from service.snapshots import snapshot
from service.waits import OF_ALL

ROOT = "/v1/organizations/{organization}"


async def _organization(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        return answer(await organization(connection, asked.organization), found)


QUESTIONS = (
    Question(
        path=ROOT,
        summary="An organization in numbers",
        description="Its default account, and how many accounts and projects it has. Of one unheard of, none.",
        handler=_organization,
        parameters=OF_ALL,
    ),
)
