"""The service as a process of its own, and what it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.installations import environment_of
from benchmarks.processes import started
from embedded.ports import free_ports
from workers.runtime.settings import Settings


@dataclass(slots=True)
class Used:
    """Processor time in seconds, complete once the context has ended."""

    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Service:
    """A running service on a port of this host."""

    port: int
    process: Any

    @contextmanager
    def metered(self) -> Iterator[Used]:
        """Meter what it takes until the context ends."""
        used = Used()
        before = sum(self.process.cpu_times()[:2])
        yield used
        used.cpu_seconds = sum(self.process.cpu_times()[:2]) - before

    def memory_bytes(self) -> int:
        """Return what is in memory now."""
        return int(self.process.memory_info().rss)


@contextmanager
def serving(settings: Settings) -> Iterator[Service]:
    """Run the service until the context ends."""
    (port,) = free_ports(1)
    environment = environment_of(settings) | {"WHOPAYS_SERVE_PORT": str(port), "WHOPAYS_LOG_LEVEL": "WARNING"}
    with started("serve", ["-m", "benchmarks.questions.served"], environment) as program:
        yield Service(port, program.process)
