"""What was accepted stays accepted (docs/contract.md section 12): a right that ends later takes nothing back."""

from datetime import timedelta

from schemas.askers import Role
from schemas.asking import Asked
from schemas.results import Outcome
from tests.unit.domain.building import Desk, Said, ready_desk
from tests.unit.domain.test_admission import BIND, BINDS, ISSUER, ask, token

ROLES = (Role.PROJECT_OWNER, Role.ACCOUNT_USER)


def _due(desk: Desk, seconds: float) -> Said:
    """Let time pass, and whatever is heard next brings what is due."""
    desk.now += timedelta(seconds=seconds)
    return desk.project(project="p9", version=1)


def test_a_schedule_outlives_the_right_of_who_made_it() -> None:
    desk = ready_desk()
    later = (desk.now + timedelta(hours=1)).isoformat()
    assert ask(desk, token("alice", *BINDS), data=BIND | {"effectiveAt": later}).outcome is Outcome.SCHEDULED
    # Alice may do nothing any more, and is told so.
    assert ask(desk, token("alice"), id="c-2").reasons == ["Forbidden", "Forbidden"]
    said = _due(desk, 3601)
    assert desk.payer() == "a"
    final = next(one for one in said.outgoing if one.asked is not None)
    assert (final.sender, final.causation_id) == ("alice", "c-1")
    assert final.asked == Asked("alice", ISSUER, ROLES)


def test_what_waits_outlives_it_too() -> None:
    desk = ready_desk()
    waiting = BIND | {"project": "p9", "waitSeconds": 60}
    assert ask(desk, token("alice", *BINDS), data=waiting).outcome is Outcome.WAITING
    said = _due(desk, 30)
    assert desk.payer("p9") == "a"
    assert [one.asked for one in said.outgoing if one.asked] == [Asked("alice", ISSUER, ROLES)]
