"""The judge finds nothing where nothing is wrong, and sees through every kind of lie."""

import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text

from embedded import Addresses
from tests.faults.checking import all_is_well, come_to_rest
from tests.faults.judge import RULES, Evidence, collected, findings
from tests.faults.lies import LIES
from tests.faults.load import Load, loaded
from tests.faults.lying import Lie, told
from tests.faults.scenes.of_the_huge import HUGE
from tests.support.installations import Installation, installed
from tests.support.waiting import until

_RATE = 300.0
_FAN_OUT_PROJECTS = 600
"""More than a page of 500, also when some of them are just not bound."""
_OUTCOMES = {"Applied", "Unchanged", "Scheduled", "Waiting", "Rejected"}
_REASONS = {
    "Unauthenticated",
    "CommandIdReused",
    "Expired",
    "UnknownCommand",
    "Invalid",
    "CardNumber",
    "AccountNotFound",
    "AccountExists",
    "AccountArchived",
    "ProjectNotFound",
    "ProjectNotActive",
    "AccountNotReady",
    "AccountClosing",
    "PreconditionFailed",
    "CurrencyImmutable",
    "InvalidTransition",
    "SelfApproval",
    "ActiveBindingsExist",
    "ChargesOutstanding",
    "Superseded",
}
_LETTERS = {
    "Undecodable",
    "Tombstone",
    "MissingAttribute",
    "UnsupportedVersion",
    "UnknownType",
    "InvalidFact",
    "VersionConflict",
    "CardNumber",
}
_NOTICES = {"AccountSuspended", "AccountNotReady", "AccountReady", "PayerMissing"}
_CHANGES = {"Bound", "Superseded", "Released"}
_PHASES = {"Provisioning", "Incomplete", "Ready", "Suspended", "Archived"}


@pytest_asyncio.fixture(scope="module")
async def truth(services: Addresses, template: str) -> AsyncIterator[Evidence]:
    """The evidence of a run in which nothing was broken."""
    async with installed(services, template) as installation:
        async with loaded(installation, seed=7, rate=_RATE, organizations=4) as load:
            await until(lambda: _has_sent(load, 1300), "the load")
        await come_to_rest(load)
        yield await collected(load)


async def test_nothing_is_found_where_nothing_is_wrong(installation: Installation) -> None:
    async def all_are_bound() -> None:
        # Otherwise, on a slow machine, the account is suspended before.
        await until(lambda: _has_bound(installation, _FAN_OUT_PROJECTS), "payers", seconds=90)

    size = _FAN_OUT_PROJECTS
    async with loaded(installation, seed=6, rate=_RATE, huge_projects=size, begun=all_are_bound) as load:
        await until(lambda: _has_sent(load, 3500), "the load", seconds=90)
    await all_is_well(load)
    _assert_that_everything_occurred(await collected(load), load)


def test_the_truth_is_believed(truth: Evidence) -> None:
    assert findings(truth) == []


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_seen_through(truth: Evidence, lie: Lie) -> None:
    found = findings(told(lie, truth), only={lie.rule})
    assert found
    assert all(finding.startswith(f"{lie.rule}: ") for finding in found)


def test_each_rule_sees_through_a_lie() -> None:
    assert {lie.rule for lie in LIES.values()} == RULES


async def _has_bound(installation: Installation, projects: int) -> bool:
    async with installation.engine.connect() as connection:
        bound = text("SELECT count(*) FROM projects WHERE organization = :huge AND account IS NOT NULL")
        found = (await connection.execute(bound, {"huge": HUGE})).scalar_one()
    return bool(found >= projects)


async def _has_sent(load: Load, records: int) -> bool:
    return len(load.sent) >= records


def _assert_that_everything_occurred(evidence: Evidence, load: Load) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    changed_in_one_go: Counter[tuple[str, str]] = Counter()
    for one in evidence.published:
        event = json.loads(one.value)
        kind, data = event["type"].split(".")[-2], event["data"]
        for member in ("outcome", "change", "kind", "phase", "reason"):
            if member in data:
                seen[kind, data[member]] += 1
        for violation in data.get("violations", ()):
            seen["violation", violation["reason"]] += 1
        if kind == "ProjectBillingNotice":
            changed_in_one_go[event["causationid"], data["kind"]] += 1
    expected = {
        *(("CommandCompleted", outcome) for outcome in _OUTCOMES),
        *(("violation", reason) for reason in _REASONS),
        *(("DeadLetter", reason) for reason in _LETTERS),
        *(("ProjectBillingNotice", kind) for kind in _NOTICES),
        *(("BindingChanged", change) for change in _CHANGES),
        *(("AccountPhaseChanged", phase) for phase in _PHASES),
        ("AccountPhaseChanged", "PaymentProfileExpired"),
    }
    assert expected <= seen.keys(), expected - seen.keys()
    assert max(changed_in_one_go.values()) > 500, "nothing was fanned out"
    assert all(load.mixture.kinds.values())
    assert len(load.mixture.kinds) == 21, load.mixture.kinds
