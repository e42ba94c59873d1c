"""Questions about a whole organization."""

from db.questions.organizations import organization
from service import examples
from service.answers import JSON, Answer, answer
from service.models import OrganizationAnswer
from service.questions import Asked, Question
from service.snapshots import snapshot
from service.waits import OF_ALL

ROOT = "/v1/organizations/{organization}"


async def _organization(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        return answer(await organization(connection, asked.organization, asked.reach), found)


QUESTIONS = (
    Question(
        name="getOrganization",
        path=ROOT,
        summary="An organization in numbers",
        description="Its default account, and how many accounts and projects it has. An unknown organization has none.",
        handler=_organization,
        models={JSON: OrganizationAnswer},
        examples={JSON: examples.ORGANIZATION},
        parameters=OF_ALL,
    ),
)
