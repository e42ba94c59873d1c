"""Replays: what the log said, said again to one consumer (docs/contract.md section 10)."""
