"""Suspended accounts: a case each, and one warning for each project."""

from collections import Counter
from pathlib import Path
from typing import Any

from tests.services.client.acting import Written, act_replay, at, event, notice, said, write
from tests.services.examples.pipelines import Pipeline, said_on
from tests.support.waiting import until
from whopays_client import Connection

CASES = "SELECT account, phase, suspended_at IS NOT NULL, sequence FROM cases ORDER BY account"


def phase(account: str, sequence: int, previous: str | None, entered: str) -> Written:
    """Return an `AccountPhaseChanged` of acme."""
    subject, instant = f"acme/{account}", said(at(sequence))
    data: dict[str, Any] = {
        "organization": "acme", "account": account, "previousPhase": previous, "phase": entered, "holds": [],
        "reason": "PaymentFailure" if entered == "Suspended" else "RequirementsMet", "message": "",
        "cause": {"by": "ivy"},
    }  # fmt: skip
    envelope = {"time": instant, "sequence": f"{sequence:020d}"}
    return subject.encode(), event("AccountPhaseChanged", f"7-{1000 + sequence}", subject, data, **envelope)


async def all_are_warned(stage: Connection, pipeline: Pipeline, ids: set[str]) -> list[dict[str, Any]]:
    """Wait until warnings of these notices are published, and nothing is left to publish."""

    async def is_empty() -> bool:
        return pipeline.rows("SELECT count(*) FROM outbox") == [(0,)]

    await until(is_empty, "an empty outbox")
    warnings = await said_on(stage, "payment-warnings")
    assert Counter(one["key"] for one in warnings) == Counter(ids)
    return warnings


async def test_each_project_is_warned_once_whatever_is_killed_and_also_after_a_replay(
    stage: Connection, tmp_path: Path
) -> None:
    payments = Pipeline(stage, "payments", tmp_path / "payments.db")
    notices = [notice(f"p{number}", number) for number in range(1, 901)]
    lost = [notice("lost", 5000)]
    phases = [phase("main", 1, None, "Ready"), phase("main", 2, "Ready", "Suspended"), phase("spare", 1, None, "Ready")]
    count = "SELECT count(*) FROM warnings"
    await write(stage, "accounts", phases)
    for number in range(3):
        await write(stage, "notices", notices[number * 300 : (number + 1) * 300])
        async with payments.running() as process:
            await payments.has(count, number * 300 + 1, process)
    async with payments.running() as process:
        await payments.has(count, 900, process)
        warnings = await all_are_warned(stage, payments, {f"7-{number}" for number in range(1, 901)})
        await payments.has("SELECT sequence FROM cases WHERE account = 'main'", 2, process)
        assert payments.rows(CASES) == [("main", "Suspended", 1, 2), ("spare", "Ready", 0, 1)]
    assert warnings[0]["text"] == "main, which pays for p1, is suspended: PaymentFailure"

    # The replay holds what was read, and one notice that never was. Meanwhile the account is ready again.
    await write(stage, "accounts", [phase("main", 3, "Suspended", "Ready")])
    await act_replay(stage, "again", [notices[:500] + phases, notices[500:] + lost], 10_000)
    for kill in (True, False):
        async with payments.running("again") as process:
            await payments.has(f"{count} WHERE project = 'lost'", 1, process)
            if not kill:
                await payments.has("SELECT sequence FROM cases WHERE account = 'main'", 3, process)
                await all_are_warned(stage, payments, {*(f"7-{number}" for number in range(1, 901)), "7-5000"})
    assert payments.rows(CASES) == [("main", "Ready", 0, 3), ("spare", "Ready", 0, 1)]
