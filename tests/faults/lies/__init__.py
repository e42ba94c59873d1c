"""Lies of each kind about true evidence; each is seen through by one of the judge's rules."""

from tests.faults.lies import (
    about_accounts,
    about_answers,
    about_decisions,
    about_payers,
    about_the_log,
    about_watermarks,
)
from tests.faults.lying import Lie

_BY_RULE = (
    about_the_log.LIES,
    about_answers.LIES,
    about_payers.LIES,
    about_accounts.LIES,
    about_decisions.LIES,
    about_watermarks.LIES,
)

LIES = {says: Lie(rule, tell) for by_rule in _BY_RULE for rule, lies in by_rule.items() for says, tell in lies.items()}
"""By what the lie claims."""
