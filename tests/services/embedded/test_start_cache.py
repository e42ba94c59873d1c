"""The cache that Kafka starts from is made once; a start without it is only slower."""

import errno
from pathlib import Path

import pytest

from embedded import EmbeddedError
from embedded.start_cache import start_cache


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "java").mkdir()
    monkeypatch.setenv("WHOPAYS_CACHE_DIR", str(tmp_path))


def test_it_is_made_once_for_a_class_path() -> None:
    trained: list[Path] = []

    def train(path: Path) -> None:
        trained.append(path)
        path.write_bytes(b"classes")

    first = start_cache("a.jar", print, train)
    assert first is not None
    assert first.read_bytes() == b"classes"
    assert start_cache("a.jar", print, train) == first
    assert start_cache("b.jar", print, train) not in (first, None)
    assert len(trained) == 2


@pytest.mark.parametrize(
    ("error", "told"),
    (
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (EmbeddedError("Apache Kafka ended while starting"), "ended while starting"),
        (None, "No such file"),
    ),
)
def test_a_start_without_it_is_only_slower(error: Exception | None, told: str) -> None:
    reports: list[str] = []

    def fails(path: Path) -> None:
        if error is not None:
            raise error

    assert start_cache("a.jar", reports.append, fails) is None
    assert "will start more slowly" in reports[-1]
    assert told in reports[-1]
