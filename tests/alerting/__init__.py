"""Each alert is provoked once, on real servers and with a real Prometheus: `make alerts`."""
