"""A cache of what this process last wrote, valid until another process writes.

A shard has one writer at a time, and every transaction that writes moves the heads of its shards (db/shards.py). So if
a locked head is the one that this process left, the cached state of that shard is current and need not be loaded;
otherwise the shard's entries are discarded.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from db.shards import Head
from domain.book import Book
from domain.state import Kept, Key

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class FullyLoaded:
    """Keys of the projects, accounts, payment profiles and organizations that were loaded completely.

    A project includes its pending bindings, an organization its settings and fan-outs.
    """

    projects: set[Key] = field(default_factory=set)
    accounts: set[Key] = field(default_factory=set)
    payment_profiles: set[Key] = field(default_factory=set)
    organizations: set[str] = field(default_factory=set)


class Remembered(Generic[K]):
    """An LRU cache of records by key, for up to `limit` keys."""

    def __init__(self, limit: int, epoch_of: Callable[[K], int]) -> None:
        self._limit = limit
        self._epoch_of = epoch_of
        self._entries: OrderedDict[K, tuple[int, tuple[Kept, ...]]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def recall(self, keys: Collection[K]) -> tuple[list[Kept], list[K]]:
        """Return the records of the cached keys, and the keys that are not cached. A cached key may have no record."""
        records: list[Kept] = []
        unknown: list[K] = []
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and entry[0] == self._epoch_of(key):
                records += entry[1]
            else:
                unknown.append(key)
        self.hits += len(keys) - len(unknown)
        self.misses += len(unknown)
        return records, unknown

    def keep(self, keys: Iterable[K], records_of: Callable[[K], tuple[Kept, ...]]) -> None:
        """Cache all records of each key."""
        entries = self._entries
        for key in keys:
            entries[key] = (self._epoch_of(key), records_of(key))
            entries.move_to_end(key)
        while len(entries) > self._limit:
            entries.popitem(last=False)

    def forget(self, keys: Iterable[K]) -> None:
        """Drop the records of the keys."""
        for key in keys:
            self._entries.pop(key, None)


class Memory:
    """A process's cache of projects, accounts, payment profiles and organizations: at most `limit` of each."""

    def __init__(self, limit: int, shard_of: Callable[[str], int]) -> None:
        self._heads: dict[int, Head] = {}
        self._epochs: defaultdict[int, int] = defaultdict(int)

        def epoch(organization: str) -> int:
            return self._epochs[shard_of(organization)]

        def epoch_of_key(key: Key) -> int:
            return self._epochs[shard_of(key[0])]

        self.projects = Remembered[Key](limit, epoch_of_key)
        self.accounts = Remembered[Key](limit, epoch_of_key)
        self.payment_profiles = Remembered[Key](limit, epoch_of_key)
        self.organizations = Remembered[str](limit, epoch)

    def enter(self, heads: Mapping[int, Head]) -> dict[int, int]:
        """Invalidate the locked shards to which another process has written; return what `leave` needs.

        Until the locking transaction reaches `leave`, its shards count as written by another process.
        """
        for shard, head in heads.items():
            if self._heads.pop(shard, None) != head:
                self._epochs[shard] += 1
        return {shard: self._epochs[shard] for shard in heads}

    def leave(self, entered: Mapping[int, int], heads: Mapping[int, Head], whole: FullyLoaded, book: Book) -> None:
        """Cache what a committed transaction left in its shards, which now have these heads.

        If another lane has entered by the time the commit is confirmed, cache nothing: another process may have
        written in between, and this state would be taken for the one that lane found.
        """
        if any(self._epochs[shard] != epoch for shard, epoch in entered.items()):
            return
        self._heads.update(heads)
        changed = book.changed
        self.projects.forget({*changed.projects, *(key[:2] for key in changed.pending)} - whole.projects)
        self.accounts.forget(changed.accounts.keys() - whole.accounts)
        self.payment_profiles.forget(changed.payment_profiles.keys() - whole.payment_profiles)
        self.organizations.forget({*changed.organizations, *(key[0] for key in changed.fan_outs)} - whole.organizations)
        self.projects.keep(whole.projects, book.about_project)
        self.accounts.keep(whole.accounts, book.about_account)
        self.payment_profiles.keep(whole.payment_profiles, book.about_payment_profile)
        self.organizations.keep(whole.organizations, book.about_organization)
