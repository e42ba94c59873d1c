"""Which columns hold JSON follows from the records, and is what the tables have: who only asks imports no tables."""

import pytest

from db import account_rows, rows
from db.mapping import Mapped

_TYPES = {
    account_rows._ACCOUNTS: rows.ACCOUNT_TYPES,
    rows._ORGANIZATIONS: rows.ORGANIZATION_TYPES,
    rows._PROFILES: rows.PROFILE_TYPES,
    rows._PENDING: rows.PENDING_TYPES,
    rows._FAN_OUTS: rows.FAN_OUT_TYPES,
}


@pytest.mark.parametrize("mapped", _TYPES, ids=lambda mapped: mapped._kind.__name__)
def test_what_has_parts_is_kept_as_json(mapped: Mapped[object]) -> None:
    types = _TYPES[mapped]
    assert mapped._json.keys() == {name for name in mapped._names if types[name] == "jsonb"}
    assert set(mapped._names) <= types.keys()


def test_a_row_of_an_account_has_all_columns() -> None:
    assert {*account_rows._ACCOUNTS._names, *account_rows._BALANCES} == rows.ACCOUNT_TYPES.keys()
