"""Benchmarks on real servers: one module per workload, the rest is what workloads share."""
