"""Maps organizations to shards with only the standard library: `whopays who` must start fast."""

from functools import lru_cache
from struct import unpack_from

_MULTIPLIER, _SEED, _WORD = 0x5BD1E995, 0x9747B28C, 0xFFFFFFFF


def place_of(key: bytes) -> int:
    """Return the murmur2 hash of a key, as Kafka's own partitioner uses it: modulo the partitions, it is the partition.

    For an organization's name, modulo the shards, it is the shard.
    """
    mixed = _SEED ^ len(key)
    for word in unpack_from(f"<{len(key) // 4}I", key):
        scaled = word * _MULTIPLIER & _WORD
        mixed = mixed * _MULTIPLIER & _WORD ^ (scaled ^ scaled >> 24) * _MULTIPLIER & _WORD
    rest = key[len(key) // 4 * 4 :]
    if rest:
        mixed = (mixed ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _WORD
    mixed = (mixed ^ mixed >> 13) * _MULTIPLIER & _WORD
    return (mixed ^ mixed >> 15) & 0x7FFFFFFF


@lru_cache(maxsize=65_536)
def shard_of(boundary: str, shards: int, first: int = 0) -> int:
    """Return the shard of an organization, by Kafka's own partition function; `first` is the first shard's number."""
    return first + place_of(boundary.encode()) % shards
