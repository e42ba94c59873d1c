"""Nothing that a test starts outlives the tests, even if they are killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.packages import ROOT
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import until
from tests.support.warm import start_warm

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


_STARTS_ONE_WARM = """
import asyncio, os
from tests.support.warm import start_warm
async def main():
    started = await start_warm("http.server", ["0", "--bind", "127.0.0.1"], os.environ)
    print(started.pid, flush=True)
    await started.wait()
asyncio.run(main())
"""


_TRIES_A_CHANGE = """
import os
from pathlib import Path
from threading import Thread
from tests.mutants.warm import WarmPytest
Path("test_it.py").write_text('''
def test_it():
    import os, time
    with open("pid", "w") as pid:
        print(os.getpid(), file=pid)
    time.sleep(600)
''')
os.mkfifo("pid")
trying = Thread(target=WarmPytest(Path.cwd(), os.environ).run, args=(["test_it.py"], 600))
trying.start()
print(Path("pid").read_text(), end="", flush=True)
trying.join()
"""


@pytest.mark.skipif(DIE_WITH_PARENT is None, reason="only Linux kills a process when its parent dies")
@pytest.mark.parametrize(
    "program", (_STARTS_ANOTHER, _STARTS_ONE_WARM, _TRIES_A_CHANGE), ids=("cold", "warm", "mutants")
)
async def test_a_process_ends_with_the_killed_run_that_started_it(tmp_path: Path, program: str) -> None:
    (folder := tmp_path / "copy").mkdir()
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        cwd=folder,
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


async def test_a_process_that_was_started_warm_is_as_any_other() -> None:
    refused = await start_warm("compileall", ["--never-heard-of"], os.environ)
    assert await refused.wait() == 2
    assert b"unrecognized arguments: --never-heard-of" in await refused.stderr.read()
    with pytest.raises(ProcessLookupError):
        refused.terminate()
    serving = await start_warm("http.server", ["0", "--bind", "127.0.0.1"], os.environ)
    process = psutil.Process(serving.pid)
    assert process.cwd() == str(Path.cwd())
    serving.kill()
    assert await serving.wait() == serving.returncode == -signal.SIGKILL
    assert not process.is_running()
