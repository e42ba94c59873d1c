"""The reference pipelines of `examples/`: killed in between, and compared with what must come out."""
