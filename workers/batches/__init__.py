"""Deciding batches of records, each in one transaction."""
