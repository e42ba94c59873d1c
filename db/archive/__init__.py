"""The archive: files that hold what is no longer in the table of the log (docs/decisions/0032-the-archive.md)."""
