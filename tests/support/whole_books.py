"""A book that is kept from batch to batch and holds all that there is: what it has not, does not exist."""

from collections.abc import Iterable

from domain.book import Book
from domain.gathering import needs_of
from domain.messages import Message


def prepare(book: Book, messages: Iterable[Message]) -> None:
    """Have a book know that it was looked up for what the messages name; more than that no decision may ask for."""
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
