"""A long run under mixed load in which something breaks all the time, and a report of how whopays took it."""
