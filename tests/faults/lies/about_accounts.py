"""Lies about accounts: their phases and states, and who is notified."""

from tests.faults.lies.altering import (
    NOTICE,
    OTHER_ID,
    PHASE,
    STATE,
    earlier,
    has,
    later_in_sequence,
    says,
    set_to,
)
from tests.faults.lying import Lying, doubled, dropped, forged, row_altered, row_gone

LIES: dict[str, dict[str, Lying]] = {
    "account sequences have no hole": {
        "an account's event is lost": dropped(STATE),
        "an account's sequence is another": forged(PHASE, set_to("sequence", later_in_sequence)),
        "the database counts another sequence of an account": row_altered(
            "accounts", lambda row: row._replace(sequence=row.sequence + 1)
        ),
    },
    "phases touch": {
        "a phase leaves one that was not": forged(PHASE, set_to("data/previousPhase", "Archived")),
        "a phase is missing in the history": row_gone("phases"),
        "the state says another phase": forged(STATE, set_to("data/phase", "Archived"), says("phase", "Ready")),
    },
    "accounts tell their state last": {
        "a version goes back": forged(STATE, set_to("data/version", 0)),
        "the database knows another version": row_altered(
            "accounts", lambda row: row._replace(version=row.version + 1)
        ),
    },
    "phases follow from what is known": {
        "a phase is suspended without a hold": forged(STATE, set_to("data/holds", []), says("phase", "Suspended")),
        "an account is ready without a profile": forged(
            STATE, set_to("data/paymentProfile", None), says("phase", "Ready")
        ),
        "an account was activated at another instant": forged(
            STATE, set_to("data/activatedAt", earlier), has("activatedAt")
        ),
        "a currency changes": forged(STATE, set_to("data/currencyCode", "JPY"), has("activatedAt")),
    },
    "bound projects are told of phases": {
        "a project is not told of a suspension": dropped(NOTICE, says("kind", "AccountSuspended")),
        "a project is told twice": doubled(NOTICE, says("kind", "AccountReady"), event_id=OTHER_ID),
        "a notice is of another kind": forged(
            NOTICE, set_to("data/kind", "AccountReady"), says("kind", "AccountSuspended")
        ),
    },
}
"""By the rule that must see through them, and by what they say."""
