"""What a redrive says of what it put on its topics, what it left alone, and where it goes on."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from cli.operating import redriving
from cli.operating.redriving import document_of, lines_of, where_to_go_on
from db.dead_letters import KeptDeadLetter, Standing
from schemas.records import DeadLetterReason, Record
from workers.redriving import Put, Redriving

_EARLY, _LATE = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)


def _letter(number: int, **said: Any) -> KeptDeadLetter:
    letter = KeptDeadLetter(
        number=number, record=Record("projects", 0, number, _EARLY, b"acme", (), b"{}"),
        reason=DeadLetterReason.INVALID_FACT, detail="", recorded_at=_EARLY, organization="acme", size=2, sha256=None,
        event_id=None, origin=None, is_kept=True, is_sealed=False, sealed=None, redriven_at=None, discarded_at=None,
        unconfirmed_id=None,
    )  # fmt: skip
    return replace(letter, **said)


def _put(*numbers: int, is_resumed: bool = False) -> list[Put]:
    return [Put(number, f"projects/0/{number + 100}", is_resumed) for number in numbers]


@pytest.mark.parametrize(
    ("redriven", "discarded", "unconfirmed", "standing"),
    (
        (None, None, None, Standing.WAITING),
        (_EARLY, None, None, Standing.REDRIVEN),
        (None, _EARLY, None, Standing.DISCARDED),
        (_EARLY, _LATE, None, Standing.DISCARDED),
        (_LATE, _EARLY, None, Standing.REDRIVEN),
        (_EARLY, None, UUID(int=1), Standing.WAITING),
        (None, _EARLY, UUID(int=1), Standing.WAITING),
        (None, None, UUID(int=1), Standing.WAITING),
    ),
)
def test_the_last_thing_done_to_a_dead_letter_counts(
    redriven: datetime | None, discarded: datetime | None, unconfirmed: UUID | None, standing: Standing
) -> None:
    letter = _letter(1, redriven_at=redriven, discarded_at=discarded, unconfirmed_id=unconfirmed)
    assert letter.standing is standing


@pytest.mark.parametrize(
    ("put", "to_do"),
    (
        ((), "7-9 12 14-15"),
        ((7,), "8-9 12 14-15"),
        ((9, 12), "7-8 14-15"),
        ((7, 8, 9, 12, 14), "15"),
        ((12, 15), "7-9 14"),
    ),
)
def test_a_stopped_redrive_names_what_is_left_as_ranges(put: tuple[int, ...], to_do: str) -> None:
    state = Redriving(chosen=[12, 7, 8, 9, 15, 14], put=_put(*put))
    said = where_to_go_on(state, is_again=True)
    assert said == f"Stopped after {len(put)} of 6. To continue: whopays dead-letters redrive --again {to_do}"


def test_the_same_command_goes_on_unless_it_begins_again() -> None:
    state = Redriving(chosen=[12, 7, 8], put=_put(12))
    assert (
        where_to_go_on(state, is_again=False) == "Stopped after 1 of 3. The same command continues with dead letter 7."
    )
    done = Redriving(chosen=[12], put=_put(12))
    assert where_to_go_on(done, is_again=False) == where_to_go_on(done, is_again=True) == "Stopped after 1 of 1."


def test_whatever_came_of_it_a_dead_letter_is_dealt_with() -> None:
    letters = [_letter(number) for number in range(1, 10)]
    state = Redriving(
        chosen=[9, *range(1, 9)], put=_put(1), left=letters[1:3], refused=[(letters[3], "")], held_back=letters[4:8]
    )
    assert (state.done, state.to_do) == (8, [9])


def _states() -> Iterator[tuple[Redriving, list[str]]]:
    yield Redriving(), ["There is nothing to redrive."]
    yield Redriving(refused=[(_letter(1), "too large")]), []
    yield (
        Redriving(put=_put(1)),
        ["1 record was put on the topic again: whopays tail shows the results."],
    )
    yield (
        Redriving(put=[*_put(1, 2), *_put(3, is_resumed=True)]),
        [
            "3 records were put on the topic again: whopays tail shows the results.",
            (
                "1 record of these may be there twice, "
                "since an earlier redrive was interrupted: workers take each only once."
            ),
        ],
    )
    left = [
        _letter(1, is_kept=False),
        _letter(2, is_kept=False, reason=DeadLetterReason.CARD_NUMBER),
        _letter(3, redriven_at=_LATE, discarded_at=_EARLY),
        _letter(4, redriven_at=_EARLY, discarded_at=_LATE),
    ]
    yield (
        Redriving(left=left),
        [
            "Dead letter 1 was erased: there is nothing to redrive.",
            "Dead letter 2 holds a card number: there is nothing to redrive.",
            *(
                f"Dead letter {number} was {done} already, at 2027-01-02T00:00:00.000000Z, and was left alone: --again "
                "redrives it once more."
                for number, done in ((3, "redriven"), (4, "discarded"))
            ),
        ],
    )


@pytest.mark.parametrize(("state", "lines"), tuple(_states()))
def test_what_came_of_a_redrive(state: Redriving, lines: list[str]) -> None:
    assert list(lines_of(state)) == lines


@pytest.mark.parametrize(("count", "last"), ((20, "Dead letter 20"), (21, "The same holds for 1 other dead letter.")))
def test_at_most_twenty_are_named(count: int, last: str) -> None:
    lines = list(lines_of(Redriving(left=[_letter(number, redriven_at=_EARLY) for number in range(1, count + 1)])))
    assert len(lines) == count
    assert lines[-1].startswith(last)


def test_what_came_of_a_redrive_for_programs() -> None:
    state = Redriving(
        put=[*_put(1), *_put(2, is_resumed=True)],
        left=[_letter(3, redriven_at=_EARLY), _letter(4, discarded_at=_LATE, is_kept=False)],
        refused=[(_letter(5), "too large")],
        held_back=[_letter(6)],
    )
    assert document_of(state) == {
        "redriven": [
            {"number": 1, "place": "projects/0/101", "resumed": False},
            {"number": 2, "place": "projects/0/102", "resumed": True},
        ],
        "left": [
            {"number": 3, "kept": True, "redriven": "2027-01-01T00:00:00.000000Z", "discarded": None},
            {"number": 4, "kept": False, "redriven": None, "discarded": "2027-01-02T00:00:00.000000Z"},
        ],
        "refused": [{"number": 5, "why": "too large"}],
        "heldBack": [6],
    }


@pytest.mark.parametrize(("is_terminal", "expected"), ((True, "2/3"), (False, "")))
def test_whoever_waits_at_a_terminal_sees_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, expected: str
) -> None:
    screen = StringIO()
    monkeypatch.setattr(redriving, "error_console", lambda: Console(file=screen, force_terminal=is_terminal, width=100))
    state = Redriving(chosen=[4, 5, 6])
    with redriving._shown(state) as further:
        state.put += _put(4, 5)
        further()
    assert expected in screen.getvalue()
    assert bool(screen.getvalue()) is bool(expected)
