"""Benchmarks on real servers: `workloads` has one module for each, the rest is what they share."""
