"""What is counted of tokens, for Prometheus."""

import time
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge


class Found(StrEnum):
    """What came of a token."""

    VERIFIED = "verified"
    KNOWN = "known"
    REFUSED = "refused"


class TokenMetrics:
    """The counters of whoever verifies tokens; a registry of nobody where none is given."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        registry = registry or CollectorRegistry()
        self._tokens = Counter(
            "whopays_tokens",
            "Tokens by what came of them: verified, known from before, or refused",
            ["outcome"],
            registry=registry,
        )
        for found in Found:
            self._tokens.labels(found)
        self._grants = Counter(
            "whopays_grants_ignored", "Grants of verified tokens in no form that is known", registry=registry
        )
        self._keys = Gauge(
            "whopays_issuer_keys_read_timestamp_seconds",
            "Unix time at which an issuer's keys were last read; 0 as long as they never were, and its tokens wait",
            ["issuer"],
            registry=registry,
        )

    def issuer(self, name: str) -> None:
        """Begin with an issuer whose keys were never read."""
        self._keys.labels(name)

    def keys_read(self, issuer: str) -> None:
        """Note that an issuer's keys were read, or found to be unchanged."""
        self._keys.labels(issuer).set(time.time())

    def token(self, found: Found, ignored_grants: int = 0) -> None:
        """Count a token."""
        self._tokens.labels(found).inc()
        if ignored_grants:
            self._grants.inc(ignored_grants)
