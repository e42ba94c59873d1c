"""Batches, without a database."""
