"""One batch of records, one transaction."""
