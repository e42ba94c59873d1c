"""What an audit finds between a project, its bindings and what the log told of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.log_story import Payers, Story, extended
from audit.payers import _by_project, _chain_troubles, _payers_of
from db.shard_ranges import ShardRange
from domain.state import Binding, Project
from schemas.instants import format_instant
from tests.unit.audit.telling import NOON

_SINCE = "2027-01-31T15:00:00.000000Z"
_LAST = f"lab has paid since {_SINCE} according to its last binding"
_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


def _binding(number: int, account: str | None, hours: float | None = None) -> Binding:
    at = _NOON + timedelta(hours=number if hours is None else hours)
    return Binding(organization="acme", project="web", number=number, account=account, from_instant=at)


_BINDINGS = [_binding(1, "main"), _binding(2, None), _binding(3, "lab")]
_PROJECT = Project(
    organization="acme", project="web", state="Active", version=1, number=3, account="lab",
    payer_since=_NOON + timedelta(hours=3),
)  # fmt: skip


def _told(bindings: list[Binding], **changed: Any) -> Story:
    story, digest = Story(0, ShardRange(0, 1)), b""
    for one in bindings:
        binding_id = None if one.account is None else one.binding_id
        digest = extended(digest, one.number, binding_id, one.account, format_instant(one.from_instant))
    last = bindings[-1]
    payers = Payers(last.number, last.binding_id, last.account, NOON, bindings[0].number, digest)
    story.projects["acme/web"] = replace(payers, **changed)
    return story


def _found(bindings: list[Binding], project: Project | None, story: Story) -> list[str]:
    return [f"{one.promise} {one}" for one in _payers_of(bindings, project, story)]


def test_payers_as_they_were_told() -> None:
    assert _found(_BINDINGS, _PROJECT, _told(_BINDINGS)) == []
    assert _found(_BINDINGS, _PROJECT, _told(_BINDINGS[1:])) == [], "of a log that begins later"
    story = Story(0, ShardRange(0, 1))
    story.is_whole = False
    assert _found(_BINDINGS, _PROJECT, story) == [], "of a log that no longer tells of them"


@pytest.mark.parametrize(
    ("project", "story", "found"),
    (
        (None, _told(_BINDINGS), "it has bindings, but the project is missing"),
        (
            replace(_PROJECT, number=4),
            _told(_BINDINGS, sequence=4),
            "it counts 4 changes of payer, but its last binding is number 3",
        ),
        (
            replace(_PROJECT, account="main"),
            _told(_BINDINGS),
            f"main has paid since {_SINCE} according to the project, {_LAST}",
        ),
        (
            replace(_PROJECT, account=None, payer_since=None),
            _told(_BINDINGS),
            f"nobody has ever paid according to the project, {_LAST}",
        ),
        (replace(_PROJECT, state="Deleted"), _told(_BINDINGS), "the project is deleted, but lab pays for it"),
        (_PROJECT, Story(0, ShardRange(0, 1)), "the log does not mention its payers"),
        (_PROJECT, _told(_BINDINGS, account="main"), "lab pays, the log says main"),
        (_PROJECT, _told(_BINDINGS, account=None), "lab pays, the log says nobody"),
        (_PROJECT, _told(_BINDINGS, digest=b"other"), "its bindings differ from those in the log"),
        (_PROJECT, _told([_BINDINGS[0], _BINDINGS[2]]), "its bindings differ from those in the log"),
        (_PROJECT, _told(_BINDINGS, first=2), "its bindings differ from those in the log"),
    ),
)
def test_payers_that_are_not_as_they_were_told(project: Project | None, story: Story, found: str) -> None:
    assert _found(_BINDINGS, project, story) == [f"payers acme/web: {found}"]


def test_the_number_of_changes_is_the_last_sequence() -> None:
    assert _found(_BINDINGS, _PROJECT, _told(_BINDINGS, sequence=2)) == [
        "sequences acme/web: its sequence is 3, the log ends at 2"
    ]


def test_nobody_pays_for_a_project_that_is_deleted() -> None:
    bindings = _BINDINGS[:2]
    deleted = replace(_PROJECT.after(bindings[-1]), state="Deleted")
    assert _found(bindings, deleted, _told(bindings)) == []


_SAME = "no later than the one before it"


@pytest.mark.parametrize(
    ("bindings", "troubles"),
    (
        (_BINDINGS, []),
        ([_binding(1, None)], ["binding 1 changes nothing: nobody was paying already"]),
        ([_binding(1, "a"), _binding(2, "a")], ["binding 2 changes nothing: a was paying already"]),
        ([_binding(2, "a")], ["binding 1 is missing"]),
        ([_binding(1, "a"), _binding(3, "b")], ["binding 2 is missing"]),
        ([_binding(1, "a"), _binding(2, "b", 1)], [f"binding 2 begins at 2027-01-31T13:00:00.000000Z, {_SAME}"]),
        ([_binding(1, "a"), _binding(2, "b", 1.001)], []),
        ([_binding(1, "a"), _binding(2, "b", 0)], [f"binding 2 begins at 2027-01-31T12:00:00.000000Z, {_SAME}"]),
    ),
)
def test_a_chain_of_bindings(bindings: list[Binding], troubles: list[str]) -> None:
    assert list(_chain_troubles(bindings)) == troubles


async def test_bindings_by_project() -> None:
    others = [replace(one, project="api") for one in _BINDINGS[:1]]

    async def every(*bindings: Binding) -> Any:
        for one in bindings:
            yield one

    assert [one async for one in _by_project(every(*others, *_BINDINGS))] == [others, _BINDINGS]
    assert [one async for one in _by_project(every(*_BINDINGS))] == [_BINDINGS]
    assert [one async for one in _by_project(every())] == []
