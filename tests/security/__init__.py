"""Attacks, each a test: what is tried, and how it is refused (docs/rights.md)."""
