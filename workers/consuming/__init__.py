"""Consuming from Kafka: subscriptions, start positions, lanes, acknowledgement; and the three consumers."""
