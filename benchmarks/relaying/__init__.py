"""The relay alone, from rows that are committed to records that are seen, and Debezium beside it."""
