"""A long run under mixed load in which something always breaks, and a report of how whopays coped."""
