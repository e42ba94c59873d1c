"""A book that is kept from batch to batch and holds everything: what it does not have does not exist."""

from collections.abc import Iterable

from domain.book import Book
from domain.gathering import needs_of
from domain.messages import Message


def prepare(book: Book, messages: Iterable[Message]) -> None:
    """Mark everything the messages name as loaded; no decision may ask for more."""
    needs = needs_of(messages)
    book.look_up(
        organizations=needs.boundaries | needs.organizations,
        accounts=needs.accounts,
        contacts=needs.contacts,
        turning=needs.turning,
        emptied=needs.emptied,
        projects=needs.projects,
        uids=needs.uids,
        payment_profiles=needs.payment_profiles,
        reported_profiles=needs.reported_profiles,
    )
