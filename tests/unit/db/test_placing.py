"""Shards are those of Kafka's partitioner."""

from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from db.placing import place_of


@given(st.text())
def test_a_place_is_what_kafkas_partitioner_says(boundary: str) -> None:
    assert place_of(boundary) == murmur2(boundary.encode()) & 0x7FFFFFFF
