"""`python -m benchmarks.straightforward [worker|relay]`: run that one, or both in one process when none is named."""

import asyncio
import sys

from faststream import FastStream

from benchmarks.straightforward import relay, worker
from benchmarks.straightforward.answering import Answering
from benchmarks.straightforward.tables import engine_of
from workers.runtime.settings import Settings


async def main(roles: frozenset[str]) -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings()
    app = FastStream(logger=None, after_startup=[_say_started])
    if "relay" in roles:
        engine = engine_of(settings, relay.CONNECTIONS)
        producer = relay.producer_of(settings)
        app.add_broker(relay.relay(settings, engine, producer))
        app.on_startup(producer.start)
        app.after_shutdown(producer.stop)
        app.after_shutdown(engine.dispose)
    if "worker" in roles:
        answering = Answering(settings, worker.CONSUMERS)
        app.add_broker(worker.worker(settings, answering))
        app.after_shutdown(answering.close)
    await app.run()


def _say_started() -> None:
    print('"started"', file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(main(frozenset(sys.argv[1:]) or frozenset({"worker", "relay"})))
