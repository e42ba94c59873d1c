"""Where an organization belongs, from the standard library alone: `whopays who` has to start fast."""

_MULTIPLIER, _SEED, _WORD = 0x5BD1E995, 0x9747B28C, 0xFFFFFFFF


def place_of(boundary: str) -> int:
    """Return the number by which Kafka's own partitioner places a key (murmur2): its remainder is the shard."""
    data = boundary.encode()
    whole = len(data) // 4 * 4
    mixed = _SEED ^ len(data)
    for begin in range(0, whole, 4):
        word = int.from_bytes(data[begin : begin + 4], "little") * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        mixed = mixed * _MULTIPLIER & _WORD ^ word
    if data[whole:]:
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _WORD
    mixed = (mixed ^ mixed >> 13) * _MULTIPLIER & _WORD
    return (mixed ^ mixed >> 15) & 0x7FFFFFFF
