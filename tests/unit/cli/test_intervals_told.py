"""What is said of a period that is not settled, and so is not exported."""

from datetime import UTC, datetime

import pytest

from cli.operating.intervals import _not_settled
from db.exports import Exported

_BEGINS, _ENDS = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)
_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("organization", "closed", "known"),
    (
        (None, _NOON, "the installation is closed up to 2027-01-31T12:00:00.000000Z"),
        ("acme", _NOON, "the organization acme is closed up to 2027-01-31T12:00:00.000000Z"),
        ("acme", None, "nothing is closed yet, because no relay has run"),
    ),
)
def test_why_a_period_is_not_settled(organization: str | None, closed: datetime | None, known: str) -> None:
    what = Exported(_BEGINS, _ENDS, organization, closed)
    assert not what.is_settled
    said = _not_settled(what)
    assert said.startswith(f"The period until 2027-02-01T00:00:00.000000Z is not settled: {known}.\n")
    assert "--unsettled" in said
