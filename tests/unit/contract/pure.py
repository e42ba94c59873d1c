"""The domain alone: real JSON records folded over one `Book`, in batches, at instants that the test chooses."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from domain.book import Book
from domain.decision import Clock
from domain.fold import fold
from domain.messages import Answered, Due, DueKind, Message
from schemas.outgoing import render
from schemas.policy import OperatorPolicy
from tests.support.model.said import Said
from tests.support.model.seen import Seen, seen
from tests.support.whole_books import prepare

START = datetime(2030, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class PureService:
    """What the service decides, without any server. Timers are punctual: what is due comes first in a batch."""

    def __init__(self) -> None:
        self.book = Book()
        self._answered = Answered()
        self._last = START - _MICROSECOND
        self._heard = 0

    def process(self, said: Iterable[Said], now: datetime) -> list[Seen]:
        """Decide what is due by now and then what is said, as one batch, and return what comes out, in order."""
        clock = Clock(max(now, self._last + _MICROSECOND))
        heard = [one.message(offset) for offset, one in enumerate(said, self._heard)]
        self._heard += len(heard)
        messages: list[Message] = [*self._due(clock.now), *heard]
        prepare(self.book, messages)
        folded = fold(messages, self.book, self._answered, OperatorPolicy(), clock)
        self._last = max(self._last, clock.last)
        return [seen(json.loads(render(outgoing, "1-1", "/whopays/pure"))) for outgoing in folded.outgoing]

    def _due(self, now: datetime) -> list[Due]:
        changed = self.book.changed
        found: list[tuple[datetime, Due]] = []
        for (organization, project, number), pending in changed.pending.items():
            if pending is None or pending.due_at > now:
                continue
            key = (organization, project)
            if pending.kind == "Scheduled":
                found.append((pending.due_at, Due(DueKind.SCHEDULED_BINDING, *key)))
            elif self.book.queue(key)[0].number == number:
                found.append((pending.due_at, Due(DueKind.WAITING_BINDING, *key)))
        for key, profile in changed.payment_profiles.items():
            if profile.due_at is not None and profile.due_at <= now:
                found.append((profile.due_at, Due(DueKind.PAYMENT_PROFILE, *key)))
        return [due for _, due in sorted(found, key=lambda one: (one[0], one[1].kind, one[1].name))]
