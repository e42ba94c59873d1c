"""Who paid when, against a plain list of what was said: across pages, and across changes that are missing."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from whopays_client import BindingChanged, Payer
from whopays_client.timeline import PAGE, Head, Unknown, payer_in

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Kept = tuple[Head, dict[int, str]]


def changes(payers: list[tuple[int, int]]) -> list[BindingChanged]:
    """Return changes: each some microseconds after the one before, to an account by number, 0 for nobody."""
    made: list[BindingChanged] = []
    at, before = BEGIN, None
    for after, number in payers:
        at += after * MICROSECOND
        current = (
            None if number == 0 else {"bindingId": f"b{len(made) + 1}", "account": f"a{number}", "establishedAt": at}
        )
        if current is None and before is None:
            continue
        said = {
            "organization": "acme",
            "project": "web",
            "change": "Bound",
            "current": current and {**current, "currencyCode": "EUR", "paymentTerms": {"netDays": number + 1}},
            "previous": before and {**before, "endedAt": at},
            "cause": {"by": "alice"},
        }
        made.append(BindingChanged.model_validate(said))
        before = current
    return made


def kept(said: list[BindingChanged], heard: list[int]) -> Kept:
    """Return the timeline that results from the changes of these numbers (from 1), read and written each time."""
    text, pages, last = "", {}, 0
    for sequence in heard:
        head = Head.read(text)
        page = head.add(said[sequence - 1], sequence, sequence - last - 1 if last else 0)
        if page is not None:
            pages[len(head.pages) - 1] = page
        text, last = head.text(), sequence
    return Head.read(text), pages


def asked(timeline: Kept, at: datetime) -> Payer | Unknown | None:
    """Return what a timeline answers."""
    head, pages = timeline
    page = head.page_of(at)
    return (
        payer_in(head.entries, at, None) if page is None else payer_in(json.loads(pages[page]), at, head.end_of(page))
    )


def instant_of(change: BindingChanged) -> datetime:
    """Return when a change happened."""
    if change.current is not None:
        return change.current.established_at
    assert change.previous is not None
    return change.previous.ended_at


PAYERS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=12)


@given(PAYERS, st.integers(-1, 40))
def test_all_changes_tell_who_paid_at_every_instant(payers: list[tuple[int, int]], after: int) -> None:
    said = changes(payers)
    at = BEGIN + after * MICROSECOND
    answer = asked(kept(said, list(range(1, len(said) + 1))), at)
    holding = [change for change in said if instant_of(change) <= at]
    current = holding[-1].current if holding else None
    if current is None:
        assert answer is None
    else:
        assert isinstance(answer, Payer)
        assert (answer.account, answer.binding_id, answer.currency_code) == (current.account, current.binding_id, "EUR")
        assert answer.payment_terms == current.payment_terms
        assert answer.established_at == current.established_at
        later = said[len(holding)] if len(holding) < len(said) else None
        assert answer.ended_at == (None if later is None else instant_of(later))


@given(PAYERS, st.sets(st.integers(1, 12)), st.integers(-1, 40))
def test_what_is_missing_is_unknown_and_nothing_is_guessed(
    payers: list[tuple[int, int]], heard: set[int], after: int
) -> None:
    said = changes(payers)
    numbers = sorted(number for number in heard if number <= len(said))
    at = BEGIN + after * MICROSECOND
    answer = asked(kept(said, numbers), at)
    holding = len([change for change in said if instant_of(change) <= at])
    truth = asked(kept(said, list(range(1, len(said) + 1))), at)
    if holding in numbers:
        # The change that holds was heard: exact at its instant, and as long as the one after it was heard, or none is.
        is_exact = at == instant_of(said[holding - 1]) or holding + 1 in numbers or holding == max(numbers)
    else:
        # It is told by the change that ended it, which names the payer before; before the first change nobody paid.
        change = said[holding] if holding < len(said) else None
        is_exact = holding + 1 in numbers and (holding == 0 or (change is not None and change.previous is not None))
    if is_exact:
        assert (answer.account if isinstance(answer, Payer) else answer) == (
            truth.account if isinstance(truth, Payer) else truth
        )
    elif numbers and holding < max(numbers):
        assert isinstance(answer, Unknown)


def test_a_long_timeline_is_kept_in_pages_that_never_change() -> None:
    said: Any = changes([(2, 1 + number % 3) for number in range(5 * PAGE + 7)])
    head, pages = kept(said, list(range(1, len(said) + 1)))
    assert len(head.entries) <= PAGE
    assert sorted(pages) == list(range(len(head.pages)))
    for change, later in pairwise(said):
        assert change.current is not None
        for at in (instant_of(change), instant_of(later) - MICROSECOND):
            answer = asked((head, pages), at)
            assert isinstance(answer, Payer)
            assert (answer.binding_id, answer.ended_at) == (change.current.binding_id, instant_of(later))
