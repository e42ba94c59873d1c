"""The archive: files that hold the rows removed from the log table (docs/decisions/0032-the-archive.md)."""
