"""What `whopays reconcile` says of the steps that it took, and of those that are left."""

import pytest

from cli.operating.reconciling import _document, _tell
from workers.reconciling import Action, Step

_READ = Step(Action.REREAD, "Records are lost.", "whopays topics reread projects", "t.projects")
_MADE = Step(Action.CREATE, "There is no topic.", "whopays topics create")
_DECIDED = Step(Action.DECIDE, "It went back.", "docs/operations.md", beyond=("accounts acme/main", "notices -"))
_STOP = "Stop everything, then: whopays reconcile --apply. More may follow from what is done."


@pytest.mark.parametrize(
    ("done", "left", "is_applied", "lines"),
    (
        ([], [], False, ["The database and the topics agree. whopays verify compares every event."]),
        ([], [_READ], False, ["Records are lost.", "  To do: whopays topics reread projects", _STOP]),
        ([], [_DECIDED], False, ["It went back.", "  See: docs/operations.md"]),
        (
            [], [_READ, _DECIDED], False,
            ["Records are lost.", "  To do: whopays topics reread projects", "It went back.",
             "  See: docs/operations.md"],
        ),
        (
            [_MADE], [_READ], True,
            ["There is no topic.", "  Done, as by: whopays topics create", "Records are lost.",
             "  To do: whopays topics reread projects"],
        ),
    ),
)  # fmt: skip
def test_steps_in_words(
    done: list[Step], left: list[Step], is_applied: bool, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _tell(done, left, is_applied=is_applied)
    assert capsys.readouterr().out.splitlines() == lines


def test_steps_for_programs() -> None:
    assert _document(_MADE) == {
        "action": "CreateTopics", "why": "There is no topic.", "command": "whopays topics create"
    }  # fmt: skip
    assert _document(_DECIDED) == {
        "action": "Decide", "why": "It went back.", "command": "docs/operations.md",
        "beyond": ["accounts acme/main", "notices -"],
    }  # fmt: skip
