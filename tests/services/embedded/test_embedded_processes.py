"""Nothing outlives its parent, and nothing that was killed prevents the next start."""

import sys
from pathlib import Path

import psutil
import pytest

from embedded import EmbeddedServices
from tests.services.embedded.running import Holder, alive_after, kill, published, query


async def test_servers_end_when_their_parent_is_killed(kept_folder: Path) -> None:
    holder = Holder(kept_folder)
    descendants = holder.descendants()
    assert len(descendants) > len(holder.supervisors()) == 2
    holder.process.kill()
    holder.close()
    # The next start waits for them of its own accord.
    with EmbeddedServices(kept_folder, durable=False) as services:
        addresses = services.start()
        assert alive_after(descendants, 0) == []
        assert await query(addresses, "SELECT value FROM kept") == [("before",)]


async def test_everything_killed_at_once_starts_again(kept_folder: Path) -> None:
    holder = Holder(kept_folder)
    await query(holder.addresses, "CREATE TABLE survivor AS SELECT 1 AS value")
    descendants = holder.descendants()
    kill([psutil.Process(holder.process.pid), *descendants])
    holder.close()
    assert alive_after(descendants, 20) == []
    # A process id in the file that a killed server leaves behind may by now be another program's.
    process_file = kept_folder / "postgresql" / "postmaster.pid"
    lines = process_file.read_text().splitlines(keepends=True)
    process_file.write_text("".join(["1\n", *lines[1:]]))
    with EmbeddedServices(kept_folder, durable=False) as services:
        addresses = services.start()
        assert await query(addresses, "DROP TABLE survivor") == []
        assert await published(addresses, 1) == [b"before"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_servers_end_when_their_supervisors_are_killed(kept_folder: Path) -> None:
    holder = Holder(kept_folder)
    try:
        descendants, supervisors = holder.descendants(), holder.supervisors()
        kill(supervisors)
        # The supervisors themselves remain until the holder has waited for them.
        assert alive_after([process for process in descendants if process not in supervisors], 20) == []
    finally:
        holder.close()
