"""Benchmarks: they run, and send what the published schemas say."""
