"""The questions at the end of a case, asked of an answerer made by hand and of records."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.acceptance.expand import Generators
from tests.acceptance.format import Question
from tests.acceptance.matching import Mismatch
from tests.acceptance.questions import Asking
from tests.unit.acceptance_runner.by_hand import ORGANIZATION, TIMES, HandMadeLog, a_life_in_order


class Answers:
    """Answers as if a had paid p1 until b took over."""

    async def payer(self, organization: str, project: str, at: datetime | None) -> str | None:
        if (organization, project) != (ORGANIZATION, "p1"):
            return None
        return "a" if at is not None and at < datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC) else "b"

    async def timeline(self, organization: str, project: str) -> list[dict[str, Any]]:
        first = {"number": 1, "account": "a", "establishedAt": TIMES[1], "endedAt": TIMES[5], "ended": True}
        gap = TIMES[6] if project == "gap" else TIMES[5]
        return [first, {"number": 2, "account": "b", "establishedAt": gap, "endedAt": None, "ended": False}]

    async def account(self, organization: str, account: str) -> dict[str, Any] | None:
        return {"phase": "Ready", "holds": [], "closure": None} if account == "a" else None

    async def account_history(self, organization: str, account: str) -> list[dict[str, Any]]:
        return [{"from": None, "to": "Provisioning", "by": "x"}, {"from": "Provisioning", "to": "Ready", "by": "x"}]

    async def projects_of_account(self, organization: str, account: str) -> list[str]:
        return ["p2", "p1"]


def asking() -> Asking:
    def instant_of_step(target: str) -> datetime:
        if target != "moved":
            raise LookupError(target)
        return datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)

    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Asking(Answers(), ORGANIZATION, Generators(now, instant_of_step, {}), {})


RIGHT: list[tuple[str, dict[str, Any], Any]] = [
    ("who", {"project": "p1"}, {"account": "b"}),
    ("who", {"project": "p1", "at": "<before step moved>"}, {"account": "a"}),
    ("who", {"project": "p1", "at": "<step moved>"}, {"account": "b"}),
    ("who", {"project": "p1", "at": "2020-01-01T00:00:00Z"}, {"account": "a"}),
    ("who", {"organization": "beta-q", "project": "p1"}, {"account": None}),
    ("timeline", {"project": "p1"}, [{"account": "a", "ended": True}, {"account": "b", "number": 2, "ended": False}]),
    ("timeline", {"project": "p1"}, {"count": 2}),
    ("account", {"account": "a"}, {"phase": "Ready", "closure": None}),
    ("account", {"account": "ghost"}, None),
    ("account_history", {"account": "a"}, ["Provisioning", {"from": "Provisioning", "to": "Ready", "by": "x"}]),
    ("projects_of_account", {"account": "a"}, ["p1", "p2"]),
    ("projects_of_account", {"account": "a"}, {"count": 2}),
]

WRONG: list[tuple[str, dict[str, Any], Any]] = [
    ("who", {"project": "p1"}, {"account": "a"}),
    ("who", {"project": "p1"}, {"account": None}),
    ("timeline", {"project": "p1"}, [{"account": "a", "ended": True}]),
    ("timeline", {"project": "p1"}, {"count": 3}),
    ("timeline", {"project": "gap"}, {"count": 2}),
    ("account", {"account": "a"}, None),
    ("account", {"account": "ghost"}, {"phase": "Ready"}),
    ("account_history", {"account": "a"}, ["Provisioning"]),
    ("account_history", {"account": "a"}, ["Provisioning", {"to": "Ready", "by": "y"}]),
    ("projects_of_account", {"account": "a"}, ["p1"]),
    ("projects_of_account", {"account": "a"}, []),
]


@pytest.mark.parametrize(("kind", "arguments", "expect"), RIGHT)
async def test_right_answers_are_accepted(kind: str, arguments: dict[str, Any], expect: Any) -> None:
    await asking().ask(Question("finally 1", kind, arguments, expect, contiguous=kind == "timeline"))


@pytest.mark.parametrize(("kind", "arguments", "expect"), WRONG)
async def test_wrong_answers_are_refused(kind: str, arguments: dict[str, Any], expect: Any) -> None:
    with pytest.raises(Mismatch):
        await asking().ask(Question("finally 1", kind, arguments, expect, contiguous=kind == "timeline"))


async def test_an_instant_that_never_was() -> None:
    with pytest.raises(LookupError):
        await asking().ask(Question("finally 1", "who", {"project": "p1", "at": "<step x>"}, {}, contiguous=False))


@pytest.mark.parametrize(
    "text", ("Suspended", "content-type", "acme-kqhzvw/p1", "\u00e9t\u00e9", "hidden", "<repeat:0:19>")
)
def test_nowhere_searches_all_outputs(text: str) -> None:
    log = a_life_in_order()
    sent = log.command("BindProject", "x", {}, id=None)
    # ensure_ascii writes the accents escaped, and the value is base64 of a text that holds "hidden".
    log.dead_letter(sent, "Undecodable", detail="un \u00e9t\u00e9", value="c29tZXRoaW5nIGhpZGRlbg==")
    asking().judge_outputs(Question("finally 1", "nowhere", ["Ottokar"], None, contiguous=False), log)
    with pytest.raises(Mismatch):
        asking().judge_outputs(Question("finally 1", "nowhere", ["Ottokar", text], None, contiguous=False), log)


def test_latest_is_the_last_of_its_key() -> None:
    log = a_life_in_order()
    of_account = {"topic": "accounts", "key": f"{ORGANIZATION}/a"}
    asking().judge_outputs(Question("f", "latest", of_account, {"phase": "Suspended", "version": 2}, False), log)
    for arguments, expect in ((of_account, {"version": 1}), (of_account | {"key": "x"}, {})):
        with pytest.raises(Mismatch):
            asking().judge_outputs(Question("f", "latest", arguments, expect, False), log)


def test_a_log_without_records_holds_no_text() -> None:
    asking().judge_outputs(Question("f", "nowhere", ["x"], None, False), HandMadeLog())
