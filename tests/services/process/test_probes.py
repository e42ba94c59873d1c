"""The probes of a process of workers tell the truth: of one that begins, works, has lost a server, or hangs."""

import asyncio
import json
from http.client import HTTPConnection, HTTPException

import pytest

from tests.faults import failpoints
from tests.support.installations import Installation, free_port
from tests.support.kafka import send
from tests.support.messages import project
from tests.support.proxies.ways import Ways
from tests.support.waiting import until
from workers.runtime.roles import ALL_ROLES, Role
from workers.runtime.turns import Turns

Answers = dict[str, tuple[int, list[str]]]


async def _asked(port: int) -> Answers:
    """Return the status and the troubles of each probe; nothing where nobody answers."""

    def ask() -> Answers:
        answers: Answers = {}
        for path in ("livez", "readyz", "startupz"):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", f"/{path}")
                response = connection.getresponse()
                answers[path] = (response.status, json.loads(response.read()).get("troubles", []))
            except (OSError, HTTPException):
                return {}
            finally:
                connection.close()
        return answers

    return await asyncio.to_thread(ask)


async def _until_asked(port: int, what: str, **wanted: int) -> Answers:
    async def found() -> Answers | None:
        answers = await _asked(port)
        statuses = {path: answers[path][0] for path in wanted} if answers else {}
        return answers if statuses == wanted else None

    return await until(found, what)


async def test_of_a_process_whose_database_goes_away_and_comes_back(
    quiet_installation: Installation, ways: Ways
) -> None:
    port = free_port()
    await quiet_installation.start(WHOPAYS_METRICS_PORT=str(port), WHOPAYS_HANG_SECONDS="60", **ways.environment)
    await _until_asked(port, "that it is ready", livez=200, readyz=200, startupz=200)
    await ways.database.cut()
    gone = await _until_asked(port, "that its database is missed", livez=200, readyz=503, startupz=200)
    assert [trouble.partition(":")[0] for trouble in gone["readyz"][1]] == ["the database does not answer"]
    await ways.database.mend()
    await _until_asked(port, "that it is ready again", livez=200, readyz=200, startupz=200)


async def test_of_a_role_that_hangs(quiet_installation: Installation) -> None:
    port = free_port()
    point = "transaction.Batches._transaction: store before"
    await quiet_installation.start(
        Role.PROJECTS,
        module="tests.faults.failing_worker",
        WHOPAYS_METRICS_PORT=str(port),
        WHOPAYS_HANG_SECONDS="2",
        **failpoints.environment({point: failpoints.HANG}),
    )
    await _until_asked(port, "that it is ready", livez=200, readyz=200, startupz=200)
    await send(quiet_installation, [project("acme", "web")])
    hanging = await _until_asked(port, "that it hangs", livez=503, readyz=503, startupz=200)
    assert hanging["livez"][1] == ["projects hangs"]


@pytest.mark.parametrize("role", ALL_ROLES)
def test_a_role_that_does_one_thing_for_too_long_hangs_whatever_it_does_beside(
    role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("workers.runtime.turns.time.monotonic", lambda: now[0])
    turns = Turns(ALL_ROLES)
    assert turns.waiting_to_begin() == list(ALL_ROLES)
    with turns.doing(role):
        now[0] += 11
        for one in ALL_ROLES:
            turns.turned(one)
            turns.begun(one)
        assert (turns.hanging(10), turns.hanging(12)) == ([role], [])
    assert (turns.hanging(10), turns.waiting_to_begin()) == ([], [])
    now[0] += 11
    turns.turned(role)
    assert turns.hanging(10) == sorted(set(ALL_ROLES) - {role})
