"""The topics: how they must be configured, how they are, and whether a process may start on them."""
