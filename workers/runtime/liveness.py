"""Whether a consumer gets on: its loop comes round to a topic that is there, or waits for batches in work."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.errors import ConsumerStoppedError, KafkaError


class Liveness:
    """Watches the fetching of one consumer; an error that is not Kafka's would stop it for good and goes to `fail`."""

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._is_handing_over = False
        self._came_round = True  # it has only just begun
        self._has_failed = False

    def is_making_progress(self) -> bool:
        """Return whether it got on, and met no error, since this was asked last."""
        is_making_progress = (self._came_round or self._is_handing_over) and not self._has_failed
        self._came_round = self._has_failed = False
        return is_making_progress

    @contextmanager
    def handing_over(self) -> Iterator[None]:
        """While batches are in work there may be no room for more records, however long that takes."""
        self._is_handing_over = True
        try:
            yield
        finally:
            self._is_handing_over = False

    def watched(
        self, fetch: Callable[..., Coroutine[Any, Any, Any]], has_topic: Callable[[], bool]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return a function that fetches records, and is watched; of a topic that is gone it gets nothing for ever."""

        async def watching(*arguments: Any) -> Any:
            try:
                records = await fetch(*arguments)
            except (KafkaError, ConsumerStoppedError):
                self._has_failed = True
                raise
            except Exception as error:
                self._has_failed = True
                self._fail(error)
                raise
            self._came_round = self._came_round or has_topic()
            return records

        return watching
