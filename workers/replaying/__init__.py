"""Replays: events of the log, published again for one consumer (docs/contract.md section 10)."""
