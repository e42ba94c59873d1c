"""The small parts of a replay: which rows it wants, how it is counted, and when its lease is renewed."""

import asyncio
import json
import time
from typing import Any

import pytest

from db.engine import create_engine
from db.history import HistoryRow, Keys
from schemas.replays import ReplayState, selection_of
from tests.unit.schemas.building import RECORDED_AT
from workers.replaying.how_far import HowFar
from workers.replaying.lease import Halted, Lease
from workers.replaying.role import counted_by
from workers.replaying.tally import Progress
from workers.replaying.wanted import keys_of, wants
from workers.replaying.working import Work
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings


def test_what_the_database_can_tell_of_rows() -> None:
    assert keys_of(selection_of(organization="acme")) == Keys(selection_of(organization="acme").topics, "acme", None)
    found = keys_of(selection_of(organization="acme", project="web", types=["BindingChanged"]))
    assert found == Keys(("bindings",), "acme", b"acme/web")


def _row(topic: str, type_: str, key: bytes, **data: Any) -> HistoryRow:
    value = json.dumps({"type": f"io.milo.billing.{type_}.v1", "data": data}, separators=(",", ":")).encode()
    return HistoryRow(0, 1, RECORDED_AT, topic, key, value)


def _bound(current: str | None, previous: str | None, **more: Any) -> HistoryRow:
    sides = {"current": current and {"account": current}, "previous": previous and {"account": previous}}
    return _row("bindings", "BindingChanged", b"acme/web", **sides, **more)


_OF_MAIN = _row("accounts", "AccountChanged", b"acme/main", account="main")
_OF_LAB = _row("accounts", "AccountChanged", b"acme/lab", account="lab", note="main")
_NOTICE = _row("notices", "ProjectBillingNotice", b"acme/web", account="main", project="web")


@pytest.mark.parametrize(
    ("row", "of_main", "of_bindings"),
    (
        (_bound("main", None), True, True),
        (_bound("lab", "main"), True, True),
        (_bound("lab", None), False, True),
        (_bound("lab", None, note="main"), False, True),
        (_bound(None, "main"), True, True),
        (_OF_MAIN, True, False),
        (_OF_LAB, False, False),
        (_NOTICE, True, False),
    ),
)
def test_rows_that_are_wanted(row: HistoryRow, of_main: bool, of_bindings: bool) -> None:
    assert wants(selection_of(organization="acme", account="main"))(row) is of_main
    assert wants(selection_of(types=["BindingChanged"]))(row) is of_bindings
    of_both = selection_of(organization="acme", account="main", types=["BindingChanged"])
    assert wants(of_both)(row) is (of_main and of_bindings)
    assert wants(selection_of(organization="acme"))(row)


def test_how_far_a_replay_is() -> None:
    far = HowFar({0: (10, 20), 1: (0, 5)}, {0: 12})
    assert far.positions == 2
    far.read(0, 17, 3)
    far.read(1, 5, 0)
    assert far.positions == 2 + 5, "rows of one wait, and the other has none"
    far.written([(0, 13), (0, 15)])
    assert far.positions == 5 + 5
    far.written([(0, 16)])
    assert far.positions == 7 + 5


def test_what_was_there_before_is_not_counted() -> None:
    metrics = Metrics()
    count = counted_by(metrics)
    found = []
    for records in (100, 100, 130, 131):
        count(Progress(records, 0, 0))
        found.append(metrics.registry.get_sample_value("whopays_events_replayed_total"))
    assert found == [0, 0, 30, 31]


def _is_due(lease: Lease, seconds: float) -> bool:
    """Return whether a lease is to be renewed so many seconds after that was done."""
    lease._renewed = time.monotonic() - seconds
    return lease.is_due


@pytest.mark.parametrize(("usual", "said", "rate"), ((None, None, None), (5, None, 5), (5, 7, 7), (None, 7, 7)))
async def test_a_lease_is_renewed_in_time(usual: int | None, said: int | None, rate: int | None) -> None:
    engine = create_engine("postgresql://nobody@localhost/none", pool_size=1)
    lease = Lease(engine, Settings(relay_lease_seconds=2), "again", usual)
    assert (lease.is_due, lease.was_held, lease.rate) == (True, False, None)
    lease._go_by(ReplayState.RUNNING, said)
    assert lease.rate == rate
    assert not _is_due(lease, -1000)
    assert _is_due(lease, 0.75), "a third of its time is over"
    lease = Lease(engine, Settings(relay_lease_seconds=600), "again", usual)
    assert _is_due(lease, 1.25), "also of a long one: who replays tells how far it is"
    with pytest.raises(Halted) as halted:
        lease._go_by(ReplayState.STOPPED, said)
    assert (halted.value.state, lease.rate) == (ReplayState.STOPPED, rate)
    assert lease._owner != Lease(engine, Settings(), "again", usual)._owner


async def test_a_process_that_is_to_end_begins_nothing() -> None:
    engine, stopping = create_engine("postgresql://nobody@localhost/none", pool_size=1), asyncio.Event()
    stopping.set()
    work = Work(engine, Settings(), "again", stopping)
    assert (await work.run(), work.has_begun) == (ReplayState.RUNNING, False)
