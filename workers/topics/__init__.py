"""The topics: what they must be, what the cluster says they are, and whether a process may start."""
