"""Scrapes the metrics of processes, and computes rates from two scrapes."""

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from workers.runtime.metric import Step
from workers.runtime.roles import BATCH_ROLES

_TIMEOUT_SECONDS = 3.0

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Told:
    """One scrape of a process, at an instant of the monotonic clock: each sample by its name and labels."""

    at: float
    samples: Mapping[tuple[str, Labels], float]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        wanted = labels.items()
        return sum(value for (own, has), value in self.samples.items() if own == name and wanted <= frozenset(has))

    def values(self, name: str, label: str) -> dict[str, float]:
        """Return the sums of a metric's samples by the values of a label."""
        found: dict[str, float] = {}
        for (own, has), value in self.samples.items():
            if own == name and (told := dict(has).get(label)) is not None:
                found[told] = found.get(told, 0.0) + value
        return found


@dataclass(frozen=True, slots=True)
class Batches:
    """A role's batches between two scrapes: the rate per second, and the mean seconds of one, in total and by step."""

    a_second: float
    seconds: float
    steps: Mapping[Step, float]


@dataclass(frozen=True, slots=True)
class AtWork:
    """A role in a process: the age of its last heartbeat, in seconds, and its batches, if it has any."""

    role: str
    address: str
    silent_seconds: float
    batches: Batches | None


def told_by(url: str) -> Told:
    """Scrape the metrics of a process. Raises OSError, HTTPException, ValueError."""
    where = urlsplit(url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    with closing(kind(where.hostname or "", where.port, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", where.path)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 200:
            raise HTTPException(f"{where.path} is answered with {response.status}")
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Told(time.monotonic(), samples)


def address_of(url: str) -> str:
    """Return the short form of a process's address."""
    return urlsplit(url).netloc


def url_of(word: str) -> str:
    """Return the URL of metrics for `HOST:PORT`, or for a URL. Raises ValueError."""
    url = word if "://" in word else f"http://{word}"
    where = urlsplit(url)
    if where.scheme not in {"http", "https"} or not where.hostname or (where.port is None and "://" not in word):
        raise ValueError(word)
    return url if where.path else f"{url}/metrics"


def at_work(url: str, before: Told | None, now: Told) -> list[AtWork]:
    """Return the roles of a process, with their batches since `before`."""
    signs = now.values("whopays_role_heartbeat_timestamp_seconds", "role")
    return [
        AtWork(
            role,
            address_of(url),
            max(0.0, time.time() - sign),
            _batches(role, before, now) if before is not None and role in BATCH_ROLES else None,
        )
        for role, sign in signs.items()
    ]


def rate_of(name: str, pairs: Iterable[tuple[Told, Told]], label: str) -> dict[str, float]:
    """Return the increase per second of a counter, summed over all processes, by the values of a label."""
    found: dict[str, float] = {}
    for before, now in pairs:
        seconds = max(now.at - before.at, 1e-3)
        earlier = before.values(name, label)
        for value, count in now.values(name, label).items():
            # A restarted process counts from zero.
            rose = count - earlier.get(value, 0.0) if count >= earlier.get(value, 0.0) else count
            found[value] = found.get(value, 0.0) + rose / seconds
    return found


def _batches(role: str, before: Told, now: Told) -> Batches:
    seconds = max(now.at - before.at, 1e-3)

    def rose(name: str, **labels: str) -> float:
        return max(0.0, now.total(name, **labels) - before.total(name, **labels))

    number = rose("whopays_batch_seconds_count", role=role)
    if not number:
        return Batches(0.0, 0.0, {})
    steps = {step: rose("whopays_batch_step_seconds_sum", role=role, step=step) / number for step in Step}
    return Batches(number / seconds, rose("whopays_batch_seconds_sum", role=role) / number, steps)
