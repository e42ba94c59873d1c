"""What a server of questions counts, for Prometheus."""

from prometheus_client import Counter, Histogram

from workers.runtime.metrics import Heartbeats

SERVE = "serve"
"""The role of a server in what all processes tell of their roles."""


class ServiceMetrics(Heartbeats):
    """The counters of a server; a question is named by its path as it is declared, never as it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self._requests = Counter(
            "whopays_http_requests", "Requests answered", ["path", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "whopays_http_request_seconds",
            "Time that an answer took",
            ["path"],
            registry=self.registry,
        )

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
