"""The examples in other languages, each run where its tools are."""
