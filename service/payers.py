"""The bulk lookup: who pays for each of many projects."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service import examples
from service.answers import JSON, Answer
from service.lines import LINES
from service.lookups.answering import answer_document, answer_lines
from service.lookups.waits import AT_LEAST, wrong_events
from service.models import EndOfLookup, LinesFailed, LookedUp, Lookup, LookupAnswer, LookupQuestion
from service.questions import Access, Asked, Question
from service.waits import CLOSED_AT_LEAST


async def _lookup(asked: Asked) -> Answer | ASGIApp:
    if asked.content == JSON:
        return await answer_document(asked)

    async def lines(_scope: Scope, receive: Receive, send: Send) -> None:
        await answer_lines(asked, receive, send)

    return lines


QUESTIONS = (
    Question(
        name="lookUpPayers",
        path="/v1/payers/lookup",
        method="POST",
        summary="Who pays for each of many projects",
        description=(
            "Up to 10,000 questions in one document, answered in their order from one snapshot. The request changes "
            "nothing and is safe to repeat. As `application/x-ndjson`, any number of questions and answers, one per "
            'line. The last line is `{"closedUntil", "answers"}`, or `{"problem"}` with pointers that begin with the '
            "line, counted from 0; without such a line the answer is incomplete. `known` is `false` for a project "
            "that was never reported."
        ),
        handler=_lookup,
        parameters=(AT_LEAST, CLOSED_AT_LEAST),
        media=(JSON, LINES),
        models={JSON: LookupAnswer, LINES: LookedUp | EndOfLookup | LinesFailed},
        examples={JSON: examples.LOOKUP_ANSWER, LINES: examples.LOOKED_UP},
        bodies={JSON: Lookup, LINES: LookupQuestion},
        body_examples={JSON: examples.LOOKUP, LINES: examples.LOOKUP_QUESTION},
        has_tag=False,
        check=wrong_events,
        problems=(
            "InvalidBody",
            "TooManyQuestions",
            "BodyTooLarge",
            "UnsupportedMediaType",
            "TooManyRequests",
            "NotYetKnown",
        ),
        has_head=False,
        tag="Questions",
        access=Access.TOKEN,
    ),
)
