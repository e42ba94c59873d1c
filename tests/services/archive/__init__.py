"""The archive of the log: what goes there, what is read from there, and what is found wrong with it."""
