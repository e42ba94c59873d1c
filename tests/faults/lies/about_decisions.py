"""Lies about what was decided: who caused it, what was known by then, and the outcome that follows."""

from tests.faults.judge.evidence import Json
from tests.faults.lies.altering import (
    BINDING,
    RESULT,
    SOMEBODY_ELSE,
    STATE,
    answers,
    applied,
    caused_by,
    refused,
    set_to,
)
from tests.faults.lying import Lying, forged, row_altered, row_gone

_bound = answers("BindProject", "Applied")


def _is_closing_while_it_pays(event: Json) -> bool:
    data = event["data"]
    return data["commandType"].endswith(".RequestClosure.v1") and "ActiveBindingsExist" in str(data["violations"])


LIES: dict[str, dict[str, Lying]] = {
    "causes were really sent": {
        "nobody sent the cause": forged(STATE, set_to("causationid", "nobody's")),
        "somebody else did it": forged(BINDING, set_to("data/cause/by", SOMEBODY_ELSE)),
    },
    "facts are known as reported": {
        "a project is known in another state": row_altered("projects", lambda row: row._replace(state="Inactive" * 2)),
        "a project's version is lost": row_gone("projects"),
        "a profile is known in an older version": row_altered(
            "profiles", lambda row: row._replace(version=row.version - 1)
        ),
    },
    "outcomes follow from what was known": {
        "a binding is refused for nothing": forged(RESULT, refused("AccountNotReady"), _bound),
        "a binding is applied to an account that is not ready": forged(
            RESULT, applied, answers("BindProject", "Rejected", "AccountNotReady")
        ),
        "a binding fails an expectation that holds": forged(RESULT, refused("PreconditionFailed"), _bound),
        "a new payer is said to have paid": forged(RESULT, set_to("data/outcome", "Unchanged"), _bound),
        "a transfer is refused for nothing": forged(
            RESULT, refused("AccountClosing"), answers("TransferProjects", "Applied")
        ),
        "a project is bound to an account that nobody named": forged(
            BINDING, set_to("data/current/account", SOMEBODY_ELSE), caused_by("BindProject")
        ),
        "a transfer goes to an account that nobody named": forged(
            BINDING, set_to("data/current/account", SOMEBODY_ELSE), caused_by("TransferProjects")
        ),
        "a transfer takes from an account that nobody named": forged(
            BINDING, set_to("data/previous/account", SOMEBODY_ELSE), caused_by("TransferProjects")
        ),
        "an account is created twice": forged(RESULT, applied, answers("CreateAccount", "Rejected", "AccountExists")),
        "a hold is placed twice": forged(
            RESULT, set_to("data/outcome", "Applied"), answers("SuspendAccount", "Unchanged")
        ),
        "somebody approves their own request": forged(
            RESULT, applied, answers("ApproveReactivation", "Rejected", "SelfApproval")
        ),
        "an account is closed while it pays": forged(RESULT, applied, _is_closing_while_it_pays),
        "an archived account is said to be missing": forged(
            RESULT, refused("AccountNotFound"), answers("BindProject", "Rejected", "AccountArchived")
        ),
    },
}
"""By the rule that must see through them, and by what they say."""
