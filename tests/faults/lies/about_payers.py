"""Lies about payers: who pays, since when, after whom, and why."""

from datetime import timedelta

from tests.faults.lies.altering import (
    BINDING,
    NOTICE,
    OTHER_ID,
    RESULT,
    SOMEBODY_ELSE,
    answers,
    applied,
    caused_by,
    earlier,
    later_in_sequence,
    says,
    set_to,
)
from tests.faults.lying import Lying, doubled, dropped, forged, row_altered, row_gone

_superseded = says("change", "Superseded")

LIES: dict[str, dict[str, Lying]] = {
    "binding sequences have no hole": {
        "a sequence has a hole": forged(BINDING, set_to("sequence", later_in_sequence)),
        "a change of payer is lost": dropped(BINDING),
        "the database counts another sequence": row_altered(
            "projects", lambda row: row._replace(number=row.number + 1)
        ),
    },
    "binding instants rise": {
        "an instant lies before the last": forged(BINDING, set_to("time", earlier), _superseded),
        "a binding begins at another instant": forged(
            BINDING, set_to("data/current/establishedAt", earlier), says("change", "Bound")
        ),
    },
    "payers follow each other without gap": {
        "the payer before was another": forged(BINDING, set_to("data/previous/account", SOMEBODY_ELSE), _superseded),
        "there is a gap between payers": forged(BINDING, set_to("data/previous/endedAt", earlier), _superseded),
        "a change is called otherwise": forged(BINDING, set_to("data/change", "Bound"), _superseded),
    },
    "only deletion releases": {
        "a project is released for nothing": forged(
            BINDING, set_to("causationid", "fact-0"), says("change", "Released")
        ),
    },
    "intervals are the rows": {
        "a row names another payer": row_altered("bindings", lambda row: row._replace(account=SOMEBODY_ELSE)),
        "a row begins later": row_altered(
            "bindings", lambda row: row._replace(since=row.since + timedelta(microseconds=1))
        ),
        "a row has another number": row_altered("bindings", lambda row: row._replace(number=row.number + 1)),
        "a release names a payer": row_altered(
            "bindings", lambda row: row._replace(account=SOMEBODY_ELSE), lambda row: row.account is None
        ),
        "a project names another payer": row_altered(
            "projects", lambda row: row._replace(account=SOMEBODY_ELSE), lambda row: row.account
        ),
        "a project names another instant": row_altered(
            "projects",
            lambda row: row._replace(payer_since=row.payer_since + timedelta(microseconds=1)),
            lambda row: row.payer_since,
        ),
        "a row is gone": row_gone("bindings"),
    },
    "applied bindings have their change": {
        "a binding is applied without a change": forged(RESULT, applied, answers("BindProject", "Unchanged")),
        "a change binds another account": forged(
            BINDING, set_to("data/current/account", SOMEBODY_ELSE), caused_by("BindProject")
        ),
        "a transfer moves fewer": forged(
            RESULT, set_to("data/projectCount", lambda count: count + 1), answers("TransferProjects", "Applied")
        ),
    },
    "new projects get a payer or are told": {
        "a project without a payer is not told": dropped(
            NOTICE,
            lambda event: event["data"]["kind"] == "PayerMissing" and event["data"]["project"].startswith("fresh"),
        ),
        "a project without a payer is told twice": doubled(NOTICE, says("kind", "PayerMissing"), event_id=OTHER_ID),
    },
}
"""By the rule that must see through them, and by what they say."""
