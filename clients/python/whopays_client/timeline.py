"""Who paid for one project, from an instant on, as texts in a store: pure, no reading and no writing.

A timeline is a list of entries, each of which holds until the next begins. The first holds since ever. Its latest part
is in the head, what is older in pages, so that a project whose payer changes often stays cheap to keep.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json

from whopays_client.accounts import PaymentTerms
from whopays_client.events import BindingChanged

PAGE = 64
_SINCE_EVER = ""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Payer:
    """The binding that pays from `established_at` up to, and not including, `ended_at` (None: until further notice).

    `currency_code` and `payment_terms` are those at its beginning; None where they were not, or are not known.
    """

    account: str
    binding_id: str
    established_at: datetime
    ended_at: datetime | None
    currency_code: str | None
    payment_terms: PaymentTerms | None


class Unknown:
    """Who paid was never read."""


@dataclass(slots=True)
class Head:
    """The latest entries of a timeline, and since when each of its earlier pages holds."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: str | None) -> "Head":
        """Read what `text` wrote; of a project that was never heard of, nobody ever paid."""
        return cls(**from_json(text)) if text else cls()

    def text(self) -> str:
        """Return it as text."""
        return to_json({"entries": self.entries, "pages": self.pages}).decode()

    def add(self, event: BindingChanged, sequence: int, missed: int) -> str | None:
        """Add a change. Return the text of the page that is full now, whose number is then the last; None for none."""
        if not self.entries:
            self.entries.append({"from": _SINCE_EVER} if sequence == 1 else {"from": _SINCE_EVER, "unknown": True})
            missed = 0 if sequence == 1 else sequence - 1
        elif missed:
            # What is known holds at its beginning, and nobody knows how much longer.
            self._set(_later(self.entries[-1]["from"]), unknown=True)
        previous, current = event.previous, event.current
        if missed and previous is not None:
            self._set(_text(previous.established_at), account=previous.account, binding=previous.binding_id)
        if current is not None:
            terms = None if current.payment_terms is None else current.payment_terms.data()
            self._set(
                _text(current.established_at),
                account=current.account,
                binding=current.binding_id,
                currency=current.currency_code,
                terms=terms,
            )
        elif previous is not None:
            self._set(_text(previous.ended_at))
        if len(self.entries) <= PAGE:
            return None
        page, self.entries = self.entries[:-1], self.entries[-1:]
        self.pages.append(page[0]["from"])
        return to_json(page).decode()

    def page_of(self, at: datetime) -> int | None:
        """Return the number of the page that tells who paid at an instant; None where the head does."""
        if not self.entries or _text(at) >= self.entries[0]["from"]:
            return None
        return bisect_right(self.pages, _text(at)) - 1

    def end_of(self, page: int) -> str:
        """Return until when a page holds."""
        return self.pages[page + 1] if page + 1 < len(self.pages) else str(self.entries[0]["from"])

    def _set(self, since: str, **said: Any) -> None:
        # What began at the same instant, or is thought to go on later, gives way to what is known for certain.
        while self.entries and self.entries[-1]["from"] >= since:
            self.entries.pop()
        self.entries.append({"from": since, **{name: value for name, value in said.items() if value is not None}})


def payer_in(entries: list[dict[str, Any]], at: datetime, end: str | None) -> Payer | Unknown | None:
    """Return who paid at an instant, according to entries of which the last holds until `end`; None for nobody."""
    index = bisect_right([entry["from"] for entry in entries], _text(at)) - 1
    if index < 0:
        return None
    entry = entries[index]
    if entry.get("unknown"):
        return Unknown()
    if "account" not in entry:
        return None
    ended = entries[index + 1]["from"] if index + 1 < len(entries) else end
    terms = entry.get("terms")
    return Payer(
        account=entry["account"],
        binding_id=entry["binding"],
        established_at=datetime.fromisoformat(entry["from"]),
        ended_at=None if ended is None else datetime.fromisoformat(ended),
        currency_code=entry.get("currency"),
        payment_terms=None if terms is None else PaymentTerms.model_validate(terms, extra="ignore"),
    )


def _text(instant: datetime) -> str:
    """Write an instant so that texts are in the order of instants."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _later(since: str) -> str:
    return since if since == _SINCE_EVER else _text(datetime.fromisoformat(since) + _MICROSECOND)
