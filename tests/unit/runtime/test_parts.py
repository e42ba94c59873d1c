"""The small parts of every role: whether it comes round, how its steps are timed, and which URLs are asked."""

from itertools import islice
from types import SimpleNamespace

import pytest
from aiokafka.errors import ConsumerStoppedError, KafkaConnectionError

from workers.runtime import turns as module
from workers.runtime.delays import delays
from workers.runtime.liveness import Liveness
from workers.runtime.metric import Step
from workers.runtime.roles import Role
from workers.runtime.steps import StepClock
from workers.runtime.turns import Turns
from workers.runtime.urls import insist_on_safe_url

_LONG, _NOT_AT_ALL = 3600.0, -1.0
_ROLES = (Role.RELAY, Role.TIMERS)


def test_roles_that_do_not_come_round() -> None:
    turns = Turns(_ROLES)
    assert turns.hanging(_LONG) == []
    assert turns.hanging(_NOT_AT_ALL) == sorted(_ROLES)
    turns._turned[Role.RELAY] -= 2 * _LONG
    assert turns.hanging(_LONG) == [Role.RELAY]
    turns.turned(Role.RELAY)
    assert turns.hanging(_LONG) == []


def test_what_a_role_does_beside_others_has_to_end() -> None:
    turns = Turns(_ROLES)
    with turns.doing(Role.RELAY), turns.doing(Role.TIMERS):
        for one, (role, since) in list(turns._doing.items()):
            turns._doing[one] = (role, since - 2 * _LONG if role is Role.RELAY else since)
        assert turns.hanging(_LONG) == [Role.RELAY]
        turns.turned(Role.RELAY)
        assert turns.hanging(_LONG) == [Role.RELAY], "whatever else it does"
    assert turns.hanging(_LONG) == []
    turns._turned = dict.fromkeys(_ROLES, -_LONG)
    with turns.doing(Role.RELAY):
        assert turns.hanging(_LONG) == [Role.TIMERS], "to begin with something is to come round"
        turns._turned = dict.fromkeys(_ROLES, -_LONG)
    assert turns.hanging(_LONG) == [Role.TIMERS], "and so is to end it"


def test_a_role_hangs_once_more_time_has_passed_than_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    turns = Turns(_ROLES)
    with turns.doing(Role.RELAY):
        clock.now = 110.0
        assert turns.hanging(10) == []
        clock.now = 110.5
        turns.turned(Role.RELAY)
        assert turns.hanging(10) == sorted(_ROLES)


def test_roles_that_have_not_begun() -> None:
    turns = Turns(_ROLES)
    assert turns.waiting_to_begin() == list(_ROLES)
    turns.begun(Role.RELAY)
    turns.begun(Role.RELAY)
    assert turns.waiting_to_begin() == [Role.TIMERS]


def test_a_consumer_makes_progress() -> None:
    failed: list[BaseException] = []
    liveness = Liveness(failed.append)
    assert liveness.is_making_progress(), "it has only just begun"
    assert not liveness.is_making_progress()
    with liveness.fetching(lambda: True):
        assert not liveness.is_making_progress()
    assert liveness.is_making_progress()
    with liveness.fetching(lambda: False):
        pass
    assert not liveness.is_making_progress(), "nothing comes from a topic that is gone"
    with liveness.fetching(lambda: True):
        pass
    with liveness.fetching(lambda: False):
        pass
    assert liveness.is_making_progress()
    with liveness.handing_over():
        assert liveness.is_making_progress(), "however long batches take"
        assert liveness.is_making_progress()
    assert not liveness.is_making_progress()
    assert failed == []


@pytest.mark.parametrize(
    ("error", "ends"), ((KafkaConnectionError(), False), (ConsumerStoppedError(), False), (ValueError(), True))
)
def test_a_consumer_whose_fetch_fails(error: Exception, ends: bool) -> None:
    failed: list[BaseException] = []
    liveness = Liveness(failed.append)
    with pytest.raises(type(error)), liveness.fetching(lambda: True):
        raise error
    assert not liveness.is_making_progress()
    assert failed == [error] * ends


def test_steps_are_timed_and_taken_once() -> None:
    clock = StepClock()
    assert clock.untaken == []
    with clock(Step.READ):
        pass
    with pytest.raises(ValueError, match="halfway"), clock(Step.LOCK):
        raise ValueError("halfway")
    assert [lap.step for lap in clock.untaken] == [Step.READ, Step.LOCK]
    with clock(Step.READ):
        pass
    first, second, third = clock.laps
    assert (
        0 <= first.began <= first.ended <= second.began <= second.ended <= third.began <= third.ended <= clock.elapsed
    )
    reading = first.ended - first.began + (third.ended - third.began)
    assert clock.take() == {Step.READ: reading, Step.LOCK: second.ended - second.began}
    assert (clock.untaken, clock.take()) == ([], {})
    with clock(Step.LOAD):
        pass
    assert list(clock.take()) == [Step.LOAD]


def test_each_attempt_waits_twice_as_long_as_the_one_before_but_never_too_long() -> None:
    assert [*islice(delays(0.1, 10.0), 9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


@pytest.mark.parametrize(
    "url", ("https://a.example", "https://a.example:1/x?y", "http://127.0.0.1:1", "http://[::1]/", "http://localhost/x")
)
def test_urls_that_nobody_on_the_way_can_read(url: str) -> None:
    insist_on_safe_url("It", url)


@pytest.mark.parametrize(
    ("url", "said"),
    (
        ("https://[", "It is not a URL"),
        ("https://a:x", "It is not a URL"),
        ("", "It is a URL of a host, without a user and without a fragment"),
        ("https:///x", "It is a URL of a host, without"),
        ("https://u@a.example", "It is a URL of a host, without"),
        ("https://a.example#x", "It is a URL of a host, without"),
        ("https://é.example", "It is a URL of a host, without"),
        ("https://a.example/\x7f", "It is a URL of a host, without"),
        ("http://a.example", "It is read over https"),
        ("http://10.0.0.1", "It is read over https"),
        ("ftp://localhost", "It is read over https"),
    ),
)
def test_urls_that_are_not_asked(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        insist_on_safe_url("It", url)
