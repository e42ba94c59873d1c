"""What must not have come by the end of a case (`cases/FORMAT.md`, section 4)."""

from collections import defaultdict

from tests.acceptance.case_log import CaseLog, Cause
from tests.acceptance.judging import Book, Expected, excludes_events, lists_events
from tests.acceptance.records import Sent


def what_should_not_be(log: CaseLog, expectations: list[Expected], book: Book) -> list[str]:
    """Return every dead letter, result and event too many, as sentences; empty when there is none."""
    return [
        *_dead_letters_too_many(log),
        *(f"a result that no record was to get: {record.abbreviated()}" for record in log.results_left_over()),
        *_events_too_many(log, expectations, book),
    ]


def _dead_letters_too_many(log: CaseLog) -> list[str]:
    return [
        f"{sent.label}: {'a second' if sent.expects_dead_letter else 'an unexpected'} dead letter: {one.abbreviated()}"
        for sent in log.sent
        for one in log.dead_letters_of(sent)[1 if sent.expects_dead_letter else 0 :]
    ]


def _events_too_many(log: CaseLog, expectations: list[Expected], book: Book) -> list[str]:
    problems: list[str] = []
    for cause, senders in _senders(log).items():
        expects = {sent: [one.expect for one in expectations if one.sent is sent] for sent in senders}
        # Records that share an id share their list; without any list, all of them must exclude events.
        listed = any(lists_events(expect) for of_one in expects.values() for expect in of_one)
        excluded = all(any(excludes_events(expect) for expect in of_one) for of_one in expects.values())
        if not listed and not excluded:
            continue
        labels = ", ".join(sent.label for sent in senders)
        for (topic, subject), events in log.events_by_subject(cause).items():
            too_many = events[book.consumed[cause, topic, subject] :]
            problems += [f"{labels}: an event too many: {event.abbreviated()}" for event in too_many]
    return problems


def _senders(log: CaseLog) -> dict[Cause, list[Sent]]:
    senders: dict[Cause, list[Sent]] = defaultdict(list)
    for sent in log.sent:
        senders[log.cause_of(sent)].append(sent)
    return senders
