"""Versions and uids of projects, sentence by sentence (docs/contract.md section 3)."""

import pytest

from schemas.events import BindingChanged, ProjectBillingNotice
from schemas.results import DeadLetter
from tests.unit.domain.building import NOON, Desk, Said, bound_desk, ready_desk


def _is_conflict(said: Said) -> bool:
    return [one.event.reason for one in said.outgoing if isinstance(one.event, DeadLetter)] == ["VersionConflict"]


def _reported(desk: Desk, *versions: int, uid: str | None = None) -> None:
    for version in versions:
        desk.project("Active", version, uid=uid)


# A version below the last one seen of that project is stale: ignored, counted; the same version with the same content
# likewise. The same version with other content is a producer's fault.
@pytest.mark.parametrize("uid", (None, "u-1"))
def test_versions_are_numbers_that_rise(uid: str | None) -> None:
    desk = Desk()
    _reported(desk, 9, uid=uid)
    assert not desk.project("Inactive", 10, uid=uid).is_stale
    for version in (1, 9):
        before = desk.memory()
        assert desk.project("Deleted", version, uid=uid).is_stale
        assert desk.memory() == before
    assert desk.project("Inactive", 10, uid=uid).is_stale
    assert _is_conflict(desk.project("Active", 10, uid=uid))
    assert _is_conflict(desk.project("Inactive", 10, uid=uid, displayName="Lab"))
    assert not desk.project("Active", 11, uid=uid, displayName="Lab").is_stale
    assert _is_conflict(desk.project("Active", 11, uid=uid))


def test_only_the_members_named_are_content() -> None:
    desk = Desk()
    desk.project(uid="u-1", displayName="caf\u00e9")
    assert desk.project(uid="u-1", displayName="cafe\u0301", labels={"tier": "gold"}).is_stale


def test_a_conflict_changes_nothing_and_is_kept_as_a_dead_letter_of_the_organization() -> None:
    desk = bound_desk()
    before = desk.memory()
    said = desk.project("Deleted", 1, uid="u-1")
    assert _is_conflict(said)
    assert (said.outgoing[0].boundary, len(said.folded.dead), len(said.folded.unclaimed)) == ("acme", 1, 1)
    assert said.one(DeadLetter).value is not None
    assert desk.memory() == before
    assert said.folded.stale_facts == 0


# Versions count per uid (an absent uid means the present one …
def test_an_absent_uid_means_the_present_one() -> None:
    desk = bound_desk()
    assert desk.project().is_stale
    assert _is_conflict(desk.project("Inactive"))
    assert desk.project("Inactive", 2).told == []
    assert desk.payer() == "a"
    known = desk.book.project("acme", "p1")
    assert known is not None
    assert (known.uid, known.state, known.version) == ("u-1", "Inactive", 2)


# … a project known without one takes the first that a record of a higher version reports).
def test_the_first_uid_is_adopted_by_a_higher_version() -> None:
    desk = ready_desk()
    desk.project(version=5, project="p9")
    desk.bind("p9")
    assert _is_conflict(desk.project(version=5, project="p9", uid="u-9"))
    assert desk.project(version=4, project="p9", uid="u-9").is_stale
    assert desk.project(version=6, project="p9", uid="u-9").told == []
    assert desk.payer("p9") == "a"
    assert desk.project(version=6, project="p9", uid="u-9").is_stale
    assert desk.project(version=6, project="p9").is_stale
    # From then on another one is another project, whatever its version.
    assert desk.project(version=1, project="p9", uid="u-10").told == ["BindingChanged", "ProjectBillingNotice"]


# Another uid is a new project under the old name: it implies Deleted of the one before, starts unbound, …
@pytest.mark.parametrize(
    ("state", "told"), (("Active", ["BindingChanged", "ProjectBillingNotice"]), ("Inactive", ["BindingChanged"]))
)
@pytest.mark.parametrize("version", (1, 7))
def test_another_uid_is_another_project(state: str, told: list[str], version: int) -> None:
    desk = bound_desk()
    said = desk.project(state, version, uid="u-other", displayName="Other")
    assert said.told == told
    assert (said.binding.change, said.binding.cause.reason) == ("Released", "ProjectDeleted")
    assert desk.payer() is None
    known = desk.book.project("acme", "p1")
    assert known is not None
    assert (known.uid, known.version, known.state, known.display_name) == ("u-other", version, state, "Other")
    times = [one.time for one in said.outgoing]
    assert times == sorted(set(times))


def test_another_uid_of_an_unbound_project() -> None:
    desk = ready_desk()
    assert desk.project(uid="u-other").notices == [("p1", "PayerMissing")]
    assert desk.project("Inactive", uid="u-third").told == []


# … and the old uid never comes back: its records are stale, …
@pytest.mark.parametrize("state", ("Active", "Inactive", "Deleted"))
@pytest.mark.parametrize("version", (1, 2, 99))
def test_the_old_uid_never_comes_back(state: str, version: int) -> None:
    desk = bound_desk()
    desk.project(uid="u-2")
    desk.project(uid="u-3")
    desk.bind(account="b")
    before = desk.memory()
    for uid in ("u-1", "u-2"):
        assert desk.project(state, version, uid=uid).is_stale
    assert desk.memory() == before
    assert desk.payer() == "b"


def test_the_old_uid_stays_gone_after_the_deletion_of_its_successor() -> None:
    desk = bound_desk()
    desk.project(uid="u-2")
    desk.project("Deleted", 2, uid="u-2")
    assert desk.project("Active", 99, uid="u-1").is_stale
    assert desk.project("Active", 3, uid="u-2").notices == [("p1", "PayerMissing")]


def test_a_uid_is_retired_under_its_own_name_only() -> None:
    desk = bound_desk()
    desk.project(uid="u-2")
    assert not desk.project(project="p9", uid="u-1").is_stale
    assert not desk.project(organization="beta", uid="u-1").is_stale


# … and so is a Deleted of a uid never seen while another is not deleted.
@pytest.mark.parametrize("state", ("Active", "Inactive"))
def test_the_deletion_of_a_stranger_is_stale_while_another_lives(state: str) -> None:
    desk = bound_desk()
    desk.project(state, 2, uid="u-1")
    before = desk.memory()
    assert desk.project("Deleted", 99, uid="u-stranger").is_stale
    assert desk.memory() == before
    assert desk.payer() == "a"
    # It was ignored, so the stranger may still come.
    assert "BindingChanged" in desk.project("Active", 1, uid="u-stranger").told


def test_the_deletion_of_a_stranger_after_a_deletion_is_news() -> None:
    desk = bound_desk()
    desk.project("Deleted", 2, uid="u-1")
    said = desk.project("Deleted", 5, uid="u-2")
    assert (said.told, said.is_stale) == ([], False)
    assert desk.project("Active", 4, uid="u-2").is_stale
    assert desk.project("Active", 99, uid="u-1").is_stale


# Redelivery: what another uid could give a new meaning to is remembered by its place, and left out before the fold.
def _is_told_by_place(said: Said) -> bool:
    return [record.topic for record in said.folded.unclaimed] == ["billing.admin-commands"]


def test_a_report_without_a_uid_means_nothing_else_when_it_comes_again() -> None:
    desk = Desk()
    assert not _is_told_by_place(desk.project("Active", 1, uid="u-1"))
    assert _is_told_by_place(desk.project("Inactive", 3))
    assert _is_told_by_place(desk.project("Active", 2))  # a stale one too: to a successor it might be news
    assert not _is_told_by_place(desk.project("Active", 1, uid="u-2"))
    # These two come again: the first is not decided again, the second is stale by itself.
    before = desk.memory()
    assert desk.project("Active", 1, uid="u-2").is_stale
    assert desk.project("Active", 1, uid="u-1").is_stale
    assert desk.memory() == before


def test_the_stale_deletion_of_a_stranger_means_nothing_else_when_it_comes_again() -> None:
    desk = Desk()
    desk.project("Active", 1, uid="u-1")
    said = desk.project("Deleted", 5, uid="u-2")
    assert said.is_stale
    assert _is_told_by_place(said)
    # Neither is one whose own version or uid tells it.
    assert not _is_told_by_place(desk.project("Active", 1, uid="u-1"))
    desk.project("Active", 1, uid="u-3")
    assert not _is_told_by_place(desk.project("Deleted", 9, uid="u-1"))


def test_a_stale_uid_of_a_project_that_is_known_without_one_is_told_by_its_place() -> None:
    desk = Desk()
    assert not _is_told_by_place(desk.project("Active", 5))
    assert not _is_told_by_place(desk.project("Active", 4))
    assert _is_told_by_place(desk.project("Active", 4, uid="u-9"))
    assert not _is_told_by_place(desk.project("Active", 6, uid="u-8"))


def test_a_conflict_is_remembered_once() -> None:
    desk = bound_desk()
    assert len(desk.project("Deleted", 1).folded.unclaimed) == 1


# Deleted ends the active binding. A late older version never revives it; a higher version does, as a new project that
# starts unbound. To commands a deleted project is absent.
@pytest.mark.parametrize("uid", (None, "u-1"))
def test_a_deleted_project(uid: str | None) -> None:
    desk = bound_desk()
    assert desk.project("Deleted", 5, uid=uid).told == ["BindingChanged"]
    assert desk.bind().reasons == ["ProjectNotFound"]
    assert desk.project("Active", 4, uid=uid).is_stale
    assert desk.project("Deleted", 6, uid=uid).told == []
    assert desk.project("Active", 7, uid=uid).notices == [("p1", "PayerMissing")]
    assert desk.payer() is None
    assert desk.bind().binding.change == "Bound"


def test_a_deletion_that_comes_before_the_creation() -> None:
    desk = ready_desk()
    assert desk.project("Deleted", 2, "p9", uid="u-9").told == []
    assert desk.project("Active", 1, "p9", uid="u-9").is_stale
    assert desk.bind("p9").reasons == ["ProjectNotFound"]


# A project that is reported Active and has no payer causes a notice (once per fact that makes it Active).
def test_a_missing_payer_is_told_once_per_fact_that_makes_the_project_active() -> None:
    desk = ready_desk()
    story: list[tuple[str, list[tuple[str, str]]]] = [
        ("Inactive", []),
        ("Active", [("p9", "PayerMissing")]),
        ("Active", []),
        ("Inactive", []),
        ("Active", [("p9", "PayerMissing")]),
        ("Deleted", []),
        ("Active", [("p9", "PayerMissing")]),
    ]
    told = [desk.project(state, version, "p9") for version, (state, _) in enumerate(story, start=1)]
    assert [said.notices for said in told] == [notices for _, notices in story]
    said = told[-1]
    notice = said.one(ProjectBillingNotice)
    assert (notice.account, notice.reason, notice.organization) == (None, "ProjectUnbound", "acme")
    (envelope,) = said.outgoing
    assert (envelope.subject, envelope.key, envelope.sequence) == ("acme/p9", b"acme/p9", None)


# Inactive keeps the binding; new bindings are refused.
def test_an_inactive_project_keeps_its_payer() -> None:
    desk = bound_desk()
    assert desk.project("Inactive", 2).told == []
    assert desk.payer() == "a"
    assert desk.bind(account="b").reasons == ["ProjectNotActive"]
    assert desk.bind(account="a").reasons == ["ProjectNotActive"]
    # It has a payer, so nothing is missing.
    assert desk.project("Active", 3).told == []
    assert desk.bind(account="b").outcome == "Applied"


def test_a_project_moves_between_organizations() -> None:
    desk = bound_desk()
    assert desk.project("Deleted", 2, uid="u-1").told == ["BindingChanged"]
    said = desk.project("Active", 3, uid="u-1", organization="beta")
    assert [one.subject for one in said.outgoing] == ["beta/p1"]


def test_the_release_and_the_notice_of_a_successor_rise_in_time() -> None:
    desk = bound_desk()
    desk.now = NOON.replace(year=2020)
    said = desk.project(uid="u-2")
    released, told = said.outgoing
    assert (released.event.name(), told.event.name()) == ("BindingChanged", "ProjectBillingNotice")
    assert released.time < told.time
    bound = desk.bind().outgoing_of(BindingChanged)[0]
    assert (bound.time > told.time, bound.sequence) == (True, 3)
