"""The payers of one project over time, serialized as texts for a store; pure, without I/O.

A timeline is a list of entries, each valid until the next begins; the first is valid from the beginning of time. The
latest entries are in the head, older ones in pages, so that a project whose payer changes often stays cheap to update.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json

from whopays_client.accounts import PaymentTerms
from whopays_client.events import BindingChanged

PAGE = 64
_BEGINNING = ""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Payer:
    """The binding that pays from `established_at` up to, and not including, `ended_at` (None: until further notice).

    `currency_code` and `payment_terms` are those at its beginning; None if they were not set, or are unknown.
    """

    account: str
    binding_id: str
    established_at: datetime
    ended_at: datetime | None
    currency_code: str | None
    payment_terms: PaymentTerms | None


class Unknown:
    """The payer is unknown, because it was never read."""


@dataclass(slots=True)
class Head:
    """The latest entries of a timeline, and the beginning of each of its earlier pages."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: str | None) -> "Head":
        """Parse what `text` returned; None, for an unknown project, means that nobody ever paid."""
        return cls(**from_json(text)) if text else cls()

    def text(self) -> str:
        """Serialize the head."""
        return to_json({"entries": self.entries, "pages": self.pages}).decode()

    def add(self, event: BindingChanged, sequence: int, missed: int) -> str | None:
        """Add a change. If that fills a page, return its text, for the last page number; otherwise None."""
        if not self.entries:
            self.entries.append({"from": _BEGINNING} if sequence == 1 else {"from": _BEGINNING, "unknown": True})
            missed = 0 if sequence == 1 else sequence - 1
        elif missed:
            # The last known payer is certain at its beginning, but it is unknown for how much longer.
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
        """Return the number of the page that covers an instant; None if the head does."""
        if not self.entries or _text(at) >= self.entries[0]["from"]:
            return None
        return bisect_right(self.pages, _text(at)) - 1

    def end_of(self, page: int) -> str:
        """Return the instant at which a page ends."""
        return self.pages[page + 1] if page + 1 < len(self.pages) else str(self.entries[0]["from"])

    def _set(self, since: str, **members: Any) -> None:
        # Entries that begin at this instant or later were assumptions; this one is certain and replaces them.
        while self.entries and self.entries[-1]["from"] >= since:
            self.entries.pop()
        self.entries.append({"from": since, **{name: value for name, value in members.items() if value is not None}})


def payer_in(entries: list[dict[str, Any]], at: datetime, end: str | None) -> Payer | Unknown | None:
    """Return who paid at an instant, by entries of which the last is valid until `end`; None if nobody did."""
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
    """Return an instant as text that sorts in the order of instants."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _later(since: str) -> str:
    return since if since == _BEGINNING else _text(datetime.fromisoformat(since) + _MICROSECOND)
