"""The questions asked at the end of a case (`cases/FORMAT.md`, section 6)."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Protocol

from tests.acceptance.case_log import CaseLog
from tests.acceptance.expand import Generators
from tests.acceptance.format import Question
from tests.acceptance.json_types import Json
from tests.acceptance.matching import Bindings, Mismatch, match, match_in_any_order
from tests.acceptance.records import OutputRecord
from tests.acceptance.vocabulary import to_instant

ASKED_OF_OUTPUTS = ("nowhere", "latest")
"""Answered from the records of the case, when all of them have come; the others are asked of the service."""


class Questions(Protocol):
    """The four questions the service answers, in JSON types; instants are RFC 3339 texts."""

    async def payer(self, organization: str, project: str, at: datetime | None) -> str | None: ...

    async def timeline(self, organization: str, project: str) -> list[dict[str, Any]]:
        """Return maps of `number`, `bindingId`, `account`, `establishedAt`, `endedAt` and `ended`, oldest first."""
        ...

    async def account(self, organization: str, account: str) -> dict[str, Any] | None: ...

    async def account_history(self, organization: str, account: str) -> list[dict[str, Any]]: ...

    async def projects_of_account(self, organization: str, account: str) -> list[str]: ...


@dataclass(frozen=True)
class Asking:
    """What a question of one case needs to be asked and judged."""

    questions: Questions
    home: str
    generators: Generators
    bindings: Bindings

    async def ask(self, question: Question) -> None:
        """Ask the service. Raises `Mismatch` if the answer is not the expected one, `LookupError` if the
        question refers to something that did not happen."""
        named = {name: value for name, value in question.arguments.items() if name != "at"}
        arguments = self.generators.expand_sent(named)
        expect = self.generators.expand_expected(question.expect)
        organization = arguments.get("organization", self.home)
        match question.kind:
            case "who":
                at = self._instant(question.arguments.get("at"))
                payer = await self.questions.payer(organization, arguments["project"], at)
                match(expect, {"account": payer}, self.bindings)
            case "timeline":
                timeline = await self.questions.timeline(organization, arguments["project"])
                match_counted(expect, timeline, self.bindings)
                if question.contiguous:
                    require_contiguous(timeline)
            case "account":
                account = await self.questions.account(organization, arguments["account"])
                match(expect, account, self.bindings)
            case "account_history":
                history = await self.questions.account_history(organization, arguments["account"])
                entered = [one if isinstance(one, dict) else {"to": one} for one in expect]
                match(entered, history, self.bindings)
            case _:
                projects = await self.questions.projects_of_account(organization, arguments["account"])
                match_counted(expect, projects, self.bindings, in_any_order=True)

    def judge_outputs(self, question: Question, log: CaseLog) -> None:
        """Answer `nowhere` and `latest` from the records that came. Raises `Mismatch` and `LookupError` like `ask`."""
        if question.kind == "nowhere":
            for text in self.generators.expand_sent(question.arguments):
                holders = [record for record in log.outputs if holds_text(record, text)]
                if holders:
                    raise Mismatch("", f"nowhere {text}", holders[0].abbreviated())
            return
        arguments = self.generators.expand_sent(question.arguments)
        found = [
            record
            for record in log.outputs
            if (record.topic, record.key_text) == (arguments["topic"], arguments["key"])
        ]
        if not found:
            raise Mismatch("", question.expect, None)
        match(self.generators.expand_expected(question.expect), found[-1].data, self.bindings)

    def _instant(self, at: Json) -> datetime | None:
        if at is None:
            return None
        generated = self.generators.instant(at) or to_instant(self.generators.expand_sent(at))
        if generated is None:
            raise LookupError(f"the instant {at}")
        return generated


def match_counted(expect: Json, answer: list[Any], bindings: Bindings, *, in_any_order: bool = False) -> None:
    """Match a list, or its length if `{count: N}` is expected. Raises `Mismatch`."""
    if isinstance(expect, dict):
        match(expect, {"count": len(answer)}, bindings)
    elif in_any_order:
        match_in_any_order(expect, answer, bindings, "")
    else:
        match(expect, answer, bindings)


def require_contiguous(timeline: list[dict[str, Any]]) -> None:
    """Raise `Mismatch` unless each end is the next begin and only the last binding may be open."""
    for index, (one, following) in enumerate(pairwise(timeline)):
        ended = to_instant(one["endedAt"])
        if ended is None or ended != to_instant(following["establishedAt"]):
            raise Mismatch(f"/{index}/endedAt", f"contiguous with {following['establishedAt']}", one["endedAt"])


def holds_text(record: OutputRecord, text: str) -> bool:
    """Return whether key, headers, value or what a base64 member of the value holds contains the text."""
    wanted = text.encode("utf-8", errors="surrogatepass")
    parts = [record.key, record.value, *(part for name, value in record.headers for part in (name.encode(), value))]
    if any(part is not None and wanted in part for part in parts):
        return True
    return any(text in inner or wanted in (_decoded(inner) or b"") for inner in _texts_within(record.envelope))


def _texts_within(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for member in value:
                yield from _texts_within(member)
        case dict():
            for name, member in value.items():
                yield name
                yield from _texts_within(member)
        case None | bool():
            return
        case _:
            yield json.dumps(value)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
