"""Metrics of tokens."""

import time

from workers.runtime.instruments import Instruments
from workers.runtime.metric import Found


class TokenMetrics:
    """The metrics of verifying tokens; not exposed if no instruments are given."""

    def __init__(self, instruments: Instruments | None) -> None:
        instruments = instruments or Instruments(())
        self._tokens = instruments.counter("whopays_tokens_total")
        self._grants = instruments.counter("whopays_grants_ignored_total")
        self._keys = instruments.gauge("whopays_issuer_keys_read_timestamp_seconds")

    def issuer(self, name: str) -> None:
        """Create the series of an issuer, whose keys were never read."""
        self._keys.labels(name)

    def keys_read(self, issuer: str) -> None:
        """Record that an issuer's keys were read, changed or not."""
        self._keys.labels(issuer).set(time.time())

    def token(self, found: Found, ignored_grants: int = 0) -> None:
        """Count a checked token, and its grants that were ignored."""
        self._tokens.labels(found).inc()
        if ignored_grants:
            self._grants.inc(ignored_grants)
