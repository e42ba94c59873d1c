"""The workloads, one module each: how it is made, how it is measured, and what must have come of it."""
