from benchmarks.straightforward.tables import prepare
