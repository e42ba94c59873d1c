"""`python -m benchmarks.straightforward worker|relay`."""

import asyncio
import signal
import sys

from benchmarks.straightforward.answering import Answering
from benchmarks.straightforward.relay import producer_of, relay
from benchmarks.straightforward.worker import CONSUMERS, worker
from workers.settings import Settings


async def main(roles):
    settings = Settings()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for s in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(s, stopping.set)
    brokers = []
    if "relay" in roles:
        producer = producer_of(settings)
        await producer.start()
        brokers.append(relay(settings, producer))
    if "worker" in roles:
        answering = Answering(settings, CONSUMERS)
        brokers.append(worker(settings, answering))
    for b in brokers:
        await b.start()
    print('"started"', file=sys.stderr, flush=True)
    await stopping.wait()
    for b in brokers:
        await b.stop()


import os
if os.environ.get("S_UVLOOP"):
    import uvloop
    uvloop.run(main(sys.argv[1:] or ["worker", "relay"]))
else:
    asyncio.run(main(sys.argv[1:] or ["worker", "relay"]))
