"""`whopays serve` with one more path, whose handler returns a constant: what any answer costs."""

import sys

from service import app
from service.answers import Answer, answer
from service.questions import Access, Asked, Question
from service.serving import run
from workers.runtime.logs import set_up_logs
from workers.runtime.settings import Settings

CONSTANT = "/v1/constant"

_ANSWER = {"organization": "organization-00000", "project": "project-0000000", "at": "2026-10-01T00:00:00.000000Z"}


async def _constant(_: Asked) -> Answer:
    return answer(_ANSWER, has_tag=False)


def _main() -> None:
    constant = Question(
        name="getConstant",
        path=CONSTANT,
        summary="A constant",
        description="Always the same.",
        handler=_constant,
        access=Access.OPEN,
    )
    app.QUESTIONS = (*app.QUESTIONS, constant)
    settings = Settings()
    set_up_logs(settings)
    run(settings, lambda _: print('"started"', file=sys.stderr, flush=True))


if __name__ == "__main__":
    _main()
