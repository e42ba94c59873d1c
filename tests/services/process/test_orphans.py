"""Nothing that a test starts outlives the tests, even if they are killed."""

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.packages import ROOT
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import until

_STARTS_ANOTHER = """
import asyncio, sys
from tests.support.processes import DIE_WITH_PARENT
async def main():
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; time.sleep(600)", preexec_fn=DIE_WITH_PARENT
    )
    print(started.pid, flush=True)
    await started.wait()
asyncio.run(main())
"""


@pytest.mark.skipif(DIE_WITH_PARENT is None, reason="only Linux kills a process when its parent dies")
async def test_a_process_ends_with_the_killed_run_that_started_it(tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _STARTS_ANOTHER,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert run.stdout is not None
    child = psutil.Process(int(await run.stdout.readline()))
    run.send_signal(signal.SIGKILL)
    await run.wait()

    async def has_ended() -> bool:
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    await until(has_ended, "the end of the child")
