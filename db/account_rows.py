"""Converts accounts to rows and back; it imports no tables, since read-only commands must start fast."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from db.mapping import Mapped
from domain.state import Account, Balance

_ACCOUNTS = Mapped(Account, [one.name for one in fields(Account) if one.name != "balance"])
_BALANCES = {"outstanding": "outstanding", "outstanding_currency_code": "currency_code", "outstanding_as_of": "as_of"}


def account_row(account: Account) -> dict[str, Any]:
    """Return an account as a row, with its balance in separate columns."""
    balance = account.balance
    return _ACCOUNTS.row(account, **{column: balance and getattr(balance, name) for column, name in _BALANCES.items()})


def account_of(row: Mapping[str, Any]) -> Account:
    """Return an account from its row."""
    reported = {name: row[column] for column, name in _BALANCES.items()}
    if reported["as_of"] is None:
        return _ACCOUNTS.record(row, balance=None)
    return _ACCOUNTS.record(row, balance=Balance(**reported))
