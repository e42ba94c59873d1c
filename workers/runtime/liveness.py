"""Whether a consumer is making progress: it fetches from an existing topic, or waits for batches in progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiokafka.errors import ConsumerStoppedError, KafkaError


class Liveness:
    """Watches the loop of one consumer; an error other than Kafka's would end the loop, and goes to `fail`."""

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._is_handing_over = False
        self._has_fetched = True  # it has only just begun
        self._has_failed = False

    def is_making_progress(self) -> bool:
        """Return whether it made progress without an error since the last call."""
        is_making_progress = (self._has_fetched or self._is_handing_over) and not self._has_failed
        self._has_fetched = self._has_failed = False
        return is_making_progress

    @contextmanager
    def handing_over(self) -> Iterator[None]:
        """Count as progress while the strategy has no room for more records, however long its batches take."""
        self._is_handing_over = True
        try:
            yield
        finally:
            self._is_handing_over = False

    @contextmanager
    def fetching(self, has_topic: Callable[[], bool]) -> Iterator[None]:
        """Watch one fetch. From a deleted topic nothing is ever fetched, and no error is raised."""
        try:
            yield
        except (KafkaError, ConsumerStoppedError):
            self._has_failed = True
            raise
        except Exception as error:
            self._has_failed = True
            self._fail(error)
            raise
        self._has_fetched = self._has_fetched or has_topic()
