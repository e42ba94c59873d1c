"""What is reported of a server that ends and does not come back, and whether it is started again."""

import threading
from pathlib import Path

import pytest

from embedded.data_folder import DataFolder
from embedded.errors import EmbeddedError
from embedded.watch import Watch
from tests.unit.embedded.small import UP, WRONG, Small


def test_one_that_does_not_come_back_is_reported_now_and_then(tmp_path: Path) -> None:
    said: list[str] = []
    folder = DataFolder(tmp_path, print)
    folder.acquire()
    server = Small(folder, WRONG, UP)
    try:
        server.launch()
        with pytest.raises(EmbeddedError, match="ended while starting"):
            server.wait_until_ready()
        ended = f"Small has ended (exit code 8; its log is {folder.log('small')})."
        watch = Watch([], said.append)
        (thread,) = (one for one in threading.enumerate() if one.name == "watch")
        assert thread.daemon, "it keeps no process from ending"
        watch.stop()
        assert not thread.is_alive()
        for _ in range(11):
            watch._look(server)
        assert said == [
            f"{ended} Starting it again ...",
            f"Small has not started in 5 attempts. {ended}",
            f"Small has not started in 10 attempts. {ended}",
        ]
        assert len(server.tried) == 1, "whoever was told to leave it alone does"
        server.relaunch()
        server.wait_until_ready()
        for _ in range(2):
            watch._look(server)
        assert said[3:] == ["Small is running again."]
    finally:
        server.stop()
        folder.release()
