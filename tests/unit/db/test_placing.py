"""Shards and partitions are those of Kafka's partitioner."""

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from db.placing import place_of


@given(st.binary(max_size=300))
def test_a_place_is_what_kafkas_partitioner_says(key: bytes) -> None:
    assert place_of(key) == murmur2(key) & 0x7FFFFFFF
