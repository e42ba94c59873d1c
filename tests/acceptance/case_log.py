"""Everything one case sent and everything that followed, indexed by what belongs together."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from tests.acceptance.records import Identity, OutputRecord, Sent
from tests.acceptance.vocabulary import DEAD_LETTER_TOPIC, EVENT_TOPICS, INTERIM_OUTCOMES, RESULT_TOPIC

RAW = ("", "")
"""The cause of every event that no `send` of the case caused."""

Cause = tuple[str, str]
"""Organization and `causationid`."""


@dataclass
class Answers:
    """The results that one sent command got: its first, and its final one when that is another."""

    first: OutputRecord | None = None
    later: OutputRecord | None = None

    @property
    def final(self) -> OutputRecord | None:
        """The result that is neither `Scheduled` nor `Waiting`, or the only one of a dry run."""
        if self.later is None and self.first is not None and not is_open(self.first):
            return self.first
        return self.later


def is_open(result: OutputRecord) -> bool:
    """Return whether a further result follows this one: one follows neither a dry run's nor a repeated one."""
    follows_nothing = result.data.get("dryRun") is True or is_repeated(result)
    return result.data.get("outcome") in INTERIM_OUTCOMES and not follows_nothing


def is_repeated(result: OutputRecord) -> bool:
    """Return whether the result says that it was published before."""
    return result.data.get("repeated") is True


class CaseLog:
    """Filled by the sender and the observer, read by the judges."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        """The prefix of every topic, also in dead letters."""
        self.sent: list[Sent] = []
        self.outputs: list[OutputRecord] = []
        self.problems: list[str] = []
        """What the observer itself found wrong with this case's records."""
        self.arrived = asyncio.Event()
        """Set with every batch of records; clear it before waiting."""
        self._results: dict[Identity, list[OutputRecord]] = defaultdict(list)
        self._events: dict[Cause, list[OutputRecord]] = defaultdict(list)
        self._dead_letters: dict[tuple[str, int, int], list[OutputRecord]] = defaultdict(list)

    def add_sent(self, sent: Sent) -> None:
        """Record a message before it is sent, so that everything that follows from it is recognized."""
        self.sent.append(sent)

    def add_output(self, record: OutputRecord) -> None:
        """Record what was read, and wake whoever waits."""
        self.outputs.append(record)
        if record.topic == RESULT_TOPIC:
            self._results[record.identity].append(record)
        elif record.topic in EVENT_TOPICS:
            self._events[record.organization, str(record.cause)].append(record)
        elif record.topic == DEAD_LETTER_TOPIC:
            self._dead_letters[place_of_dead_letter(record)].append(record)
        self.arrived.set()

    def answers(self, sent: Sent) -> Answers:
        """Return the results that belong to this record, empty if it has none."""
        return self.served(sent)[0].get(sent, Answers())

    def final_of_command(self, sent: Sent) -> OutputRecord | None:
        """Return the final result of a record's command, even if the record only repeated it to get an answer."""
        final = self.answers(sent).final
        if final is None or not is_repeated(final):
            return final
        finals = [self.answers(other).final for other in self.sent if other.identity == sent.identity]
        return next((one for one in finals if one is not None and not is_repeated(one)), None)

    def served(self, sent: Sent) -> tuple[dict[Sent, Answers], list[OutputRecord]]:
        """Return the results of all records that share this one's identity, and those left over.

        Served in the order sent. A repeated result goes to the oldest record that asked for one. A final result goes to
        the oldest command that was told `Scheduled` or `Waiting`, unless it says of itself that it answers another
        sending: a dry run, or an id that is taken.
        """
        results = self._stray_results() if sent.identity is None else self._results[sent.identity]
        waiting = [other for other in self.sent if other.identity == sent.identity and other.wants_result]
        answers: dict[Sent, Answers] = {}
        open_answers: list[Answers] = []
        left_over: list[OutputRecord] = []
        for result in results:
            answers_a_first = (
                is_open(result) or result.data.get("dryRun") is True or "CommandIdReused" in reasons_of(result)
            )
            if is_repeated(result):
                asking = next((other for other in waiting if other.asks_again), None)
                if asking is None:
                    left_over.append(result)
                else:
                    waiting.remove(asking)
                    answers[asking] = Answers(first=result)
            elif open_answers and not answers_a_first:
                open_answers.pop(0).later = result
            elif waiting:
                answer = answers[waiting.pop(0)] = Answers(first=result)
                if is_open(result):
                    open_answers.append(answer)
            else:
                left_over.append(result)
        return answers, left_over

    def results_of(self, identity: Identity) -> list[OutputRecord]:
        """Return every result of a command's identity, in the order read."""
        return self._results[identity]

    def results_left_over(self) -> list[OutputRecord]:
        """Return the results that no record of the case should have got."""
        left_over: list[OutputRecord] = []
        for identity, senders in self._senders().items():
            # A raw record that expects nothing about results may be a command in its own right.
            if identity is not None or all(sent.has_no_result or sent.wants_result for sent in senders):
                left_over += self.served(senders[0])[1]
        if None not in self._senders():
            left_over += self._stray_results()
        return left_over

    def cause_of(self, sent: Sent) -> Cause:
        """Return the cause under which its events are found."""
        if sent.kind == "raw":
            return RAW
        return str(sent.organization), str(sent.id)

    def events_of(self, cause: Cause) -> list[OutputRecord]:
        """Return the events of a cause, topic by topic in the order read."""
        if cause != RAW:
            return self._events[cause]
        own_ids = {str(sent.id) for sent in self.sent if sent.kind != "raw"}
        return [record for (_, id_), records in self._events.items() if id_ not in own_ids for record in records]

    def events_by_subject(self, cause: Cause) -> dict[tuple[str, str], list[OutputRecord]]:
        """Return the events of a cause by topic and subject."""
        by_subject: dict[tuple[str, str], list[OutputRecord]] = defaultdict(list)
        for record in self.events_of(cause):
            by_subject[record.topic, record.subject].append(record)
        return by_subject

    def dead_letters_of(self, sent: Sent) -> list[OutputRecord]:
        return self._dead_letters[f"{self.prefix}{sent.topic}", sent.partition, sent.offset]

    def _stray_results(self) -> list[OutputRecord]:
        own = {sent.identity for sent in self.sent}
        return [record for identity, records in self._results.items() if identity not in own for record in records]

    def _senders(self) -> dict[Identity | None, list[Sent]]:
        senders: dict[Identity | None, list[Sent]] = defaultdict(list)
        for sent in self.sent:
            if sent.identity is not None or sent.kind == "raw":
                senders[sent.identity].append(sent)
        return senders


def reasons_of(result: OutputRecord) -> list[str]:
    """Return the reasons of a result's violations, in its order."""
    violations = result.data.get("violations")
    if not isinstance(violations, list):
        return []
    return [str(violation.get("reason")) for violation in violations if isinstance(violation, dict)]


def place_of_dead_letter(record: OutputRecord) -> tuple[str, int, int]:
    """Return topic (as the dead letter names it), partition and offset of the bad record; -1 if it names none."""
    topic, partition, offset = (record.data.get(name) for name in ("topic", "partition", "offset"))
    return (
        topic if isinstance(topic, str) else "",
        partition if isinstance(partition, int) else -1,
        offset if isinstance(offset, int) else -1,
    )
