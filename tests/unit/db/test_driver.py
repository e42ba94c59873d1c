"""Statements and instants as the driver takes them."""

from datetime import UTC, datetime, timedelta

import pytest

from db.driver import _instant_of, _microseconds_of, _numbered

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "microseconds"),
    (
        (_EPOCH, 0),
        (_EPOCH + timedelta(microseconds=1), 1),
        (_EPOCH - timedelta(microseconds=1), -1),
        (datetime(2000, 1, 3, 0, 0, 5, 7, tzinfo=UTC), 2 * 86_400_000_000 + 5_000_007),
        (_FIRST, -63_082_281_600_000_000),
        (_LAST, 252_455_615_999_999_999),
    ),
)
def test_an_instant_is_written_and_read_as_its_microseconds(instant: datetime, microseconds: int) -> None:
    assert _microseconds_of(instant) == (microseconds,)
    assert _instant_of((microseconds,)) == instant


def test_what_is_infinite_is_read_as_an_end_of_the_calendar() -> None:
    assert _instant_of((-9_223_372_036_854_775_808,)) == _FIRST
    assert _instant_of((9_223_372_036_854_775_807,)) == _LAST


def test_parameters_are_numbered_as_they_first_come() -> None:
    query, names = _numbered("SELECT :b, :a::text, :b, x::int")
    assert (query, names) == ("SELECT $1, $2::text, $1, x::int", ["b", "a"])
