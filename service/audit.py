"""The audit trail: every command of an organization, including refused ones, and who sent it."""

from db.questions.asked import asked as asked_for
from service import examples
from service.answers import JSON, Answer
from service.models import AuditedCommand, Page
from service.organizations import ROOT
from service.paging import PAGE, page, wrong_period
from service.parameters import UNTIL, instant, person
from service.problems import Violation
from service.questions import Access, Asked, Question
from service.snapshots import snapshot
from service.waits import OF_ALL

_BY = person("by", "Only commands that this person sent, in any spelling of the name.", "ada")
_SINCE = instant("since", "Only commands answered at or after this instant.")


async def _audit(asked: Asked) -> Answer:
    values = asked.values
    async with snapshot(asked.state, asked.organization) as (connection, found):
        items, key = await asked_for(
            connection,
            found,
            asked.organization,
            by=values.get(_BY.name),
            since=values.get(_SINCE.name),
            until=values.get(UNTIL.name),
            limit=asked.limit,
            after=asked.after,
        )
    return page(asked, items, key, found)


def _check(asked: Asked) -> list[Violation]:
    return wrong_period(asked, _SINCE)


QUESTIONS = (
    Question(
        name="listAudit",
        path=f"{ROOT}/audit",
        summary="Audit trail of commands",
        description=(
            "Every command of the organization, newest first, including refused ones: who sent it, who issued the "
            "token, with which roles, and the outcome. A page may have fewer items than `limit` where commands are "
            "rare among very many events; continue with `next`. Commands are listed as far back as the log's table "
            "reaches, without those whose results are archived. For operators and auditors of the whole organization."
        ),
        handler=_audit,
        models={JSON: Page[AuditedCommand]},
        examples={JSON: examples.page_of(examples.AUDITED)},
        parameters=(_BY, _SINCE, UNTIL, *PAGE, *OF_ALL),
        check=_check,
        tag="Operation",
        access=Access.WHOLE_ORGANIZATION,
    ),
)
