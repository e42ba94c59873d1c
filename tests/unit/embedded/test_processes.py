"""A program under its supervisor: how it ends, what is said of it, and what it is told."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from signal import Signals

import pytest

from embedded import processes, supervisor
from embedded.data_folder import DataFolder
from embedded.errors import EmbeddedError
from embedded.processes import Process, Program, clean_environment
from tests.unit.embedded.small import TAKEN, UP, WRONG, Small

_STUBBORN = (
    "import signal, sys\n"
    "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\n"
    "print('ready', flush=True)\n"
    "while True: signal.pause()\n"
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    begun = []

    def start(
        code: str,
        *,
        stop_signals: Sequence[tuple[Signals, float]] = ((Signals.SIGTERM, 60.0),),
        user: tuple[int, int] | None = None,
    ) -> Process:
        log = tmp_path / "log"
        with (tmp_path / "held").open("a") as held:
            command = [sys.executable, "-S", "-c", code]
            program = Program("It", command, tmp_path, log, {"A": "b"}, stop_signals, held.fileno(), user)
            begun.append(Process(program))
        return begun[-1]

    yield start
    for process in begun:
        process.stop()


def test_one_that_ends_well(run: Callable[..., Process], tmp_path: Path) -> None:
    (tmp_path / "log").write_text("of before\n")
    process = run("import os; print(os.environ['A'], os.getcwd())")
    process.run_to_end(60)
    assert process.exit_code() == 0
    assert process.output() == f"b {tmp_path}\n"
    assert (tmp_path / "log").read_text() == f"of before\nb {tmp_path}\n"
    assert process.description_of_end() == f"It has ended (exit code 0; its log is {tmp_path / 'log'})"
    (tmp_path / "log").unlink()
    assert process.output() == ""


def test_one_that_fails(run: Callable[..., Process], tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError) as raised:
        run("import sys\nfor line in range(27): print(line)\nsys.exit(3)").run_to_end(60)
    said = "".join(f"\n    {line}" for line in range(2, 27))
    assert str(raised.value) == f"It failed (exit code 3). The end of its log, {tmp_path / 'log'}:{said}"
    silent = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(EmbeddedError, match=r"failed \(exit code 137\).*\n    \(nothing was written\)$"):
        silent.run_to_end(60)


def test_one_that_takes_too_long_is_stopped(run: Callable[..., Process]) -> None:
    process = run("import signal; signal.pause()")
    with pytest.raises(EmbeddedError, match="It has not finished within 0 seconds"):
        process.run_to_end(0.01)
    assert process.exit_code() is not None


def test_one_that_does_not_listen_is_ended_by_force(run: Callable[..., Process]) -> None:
    process = run(_STUBBORN, stop_signals=((Signals.SIGTERM, 0.1), (Signals.SIGKILL, 60.0)))
    while "ready" not in process.output():
        assert process.exit_code() is None
    process.stop()
    assert (process.exit_code(), process.output()) == (137, "ready\nasked\n")


def test_it_ends_with_its_supervisor_told_to(run: Callable[..., Process]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = run("import signal; print('ready', flush=True); signal.pause()")
        while "ready" not in process.output():
            assert process.exit_code() is None
        assert process.exit_code() is None
        os.kill(process.supervisor_id, number)
        with pytest.raises(EmbeddedError, match="exit code 143"):
            process.run_to_end(60)


_TELLS = """
import ctypes, json, os
names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb")
said = dict(line.split(":", 1) for line in open("/proc/self/status"))
told = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(told))
held = [one for one in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{one}").endswith("/held")]
print(json.dumps([{name: said[name].split() for name in names}, told.value, len(held)]))
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may be others, and tell in /proc")
def test_it_is_whom_it_should_be_and_may_pass_closed_folders_alone(run: Callable[..., Process]) -> None:
    """The folder of this test is root's alone. Whoever is killed leaves nobody: each is told when its parent ends."""
    may = ["0000000000000002"]
    for user, expected in (
        ((54321, 54322), {"Uid": ["54321"] * 4, "Gid": ["54322"] * 4, "Groups": [], "CapInh": may, "CapPrm": may}),
        (None, {"Uid": ["0"] * 4, "CapAmb": ["0000000000000000"]}),
    ):
        process = run(_TELLS, stop_signals=((Signals.SIGUSR1, 60.0), (Signals.SIGTERM, 60.0)), user=user)
        process.run_to_end(60)
        said, told, held = json.loads(process.output())
        assert {name: said[name] for name in expected} == expected
        assert (told, held) == (Signals.SIGUSR1, 1)
        if user is not None:
            assert (said["CapEff"], said["CapAmb"]) == (may, may)


@pytest.mark.parametrize(("code", "status"), (("", 0), ("raise SystemExit(7)", 7), ("import os; os.abort()", 134)))
def test_what_has_ended_is_asked_for_its_status_alone(code: str, status: int) -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", code])
    ended.wait()
    assert supervisor.end(ended, [(int(signal.SIGTERM), 0.0)]) == status


def test_a_large_log_begins_again(run: Callable[..., Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LARGEST_LOG_BYTES", 3)
    for content, kept in (("abc", False), ("abcd", True)):
        (tmp_path / "log").write_text(content)
        run("print(1)").run_to_end(60)
        assert (tmp_path / "log.1").exists() is kept
    assert ((tmp_path / "log.1").read_text(), (tmp_path / "log").read_text()) == ("abcd", "1\n")


def test_what_would_change_a_server_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "x")
    monkeypatch.setenv("HTTP_PGHOST", "y")
    kept = clean_environment(without_prefixes=["PG"])
    assert ("PGHOST" in kept, kept["HTTP_PGHOST"], kept["LC_ALL"]) == (False, "y", "C.UTF-8")


def test_other_ports_are_taken_where_somebody_took_these(folder: DataFolder) -> None:
    server = Small(folder, TAKEN, TAKEN, UP)
    with pytest.raises(RuntimeError, match="Small is not launched"):
        _ = server.has_ended
    server.launch()
    server.wait_until_ready()
    assert not server.has_ended
    assert len(set(server.tried)) == 3
    assert server.ports == {"port": server.tried[-1]} == folder.choose_ports(("port",))
    first = server.supervisor_id
    server.relaunch()
    server.wait_until_ready()
    assert server.supervisor_id != first
    assert len(set(server.tried)) == 3, "on the same port"
    server.stop()
    server.stop()
    server.ask_to_stop()


def test_one_that_never_finds_a_port_is_given_up(folder: DataFolder) -> None:
    server = Small(folder, TAKEN)
    server.launch()
    with pytest.raises(
        EmbeddedError, match=r"Small ended while starting \(exit code 9\).*\n    Address already in use"
    ):
        server.wait_until_ready()
    assert len(set(server.tried)) == 5
    server.stop()


def test_one_that_ends_for_another_reason_is_not_tried_again(folder: DataFolder) -> None:
    server = Small(folder, WRONG)
    server.launch()
    with pytest.raises(EmbeddedError, match=r"ended while starting \(exit code 8\)"):
        server.wait_until_ready()
    assert len(server.tried) == 1
    server.stop()


def test_one_that_never_answers_is_given_up(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.server._SECONDS_TO_START", 0.0)
    server = Small(folder, "import signal; signal.pause()")
    server.launch()
    with pytest.raises(EmbeddedError, match="Small does not answer after 0 seconds"):
        server.wait_until_ready()
    assert os.getsid(server.supervisor_id) == server.supervisor_id, "Ctrl-C in the terminal is for its parent alone"
    monkeypatch.undo()
    server.ask_to_stop()
    with pytest.raises(EmbeddedError, match=r"ended while starting \(exit code 143\)"):
        server.wait_until_ready()
    assert server.description_of_end() == (f"Small has ended (exit code 143; its log is {folder.log('small')})")
    server.stop()


def test_a_supervisor_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """The end of its standard input is the sign; what is written there before means nothing."""
    specification = {
        "command": [sys.executable, "-S", "-c", "import signal; print('up', flush=True); signal.pause()"],
        "stop_signals": [[int(signal.SIGINT), 60.0]], "user": None,
    }  # fmt: skip
    begun = subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(specification)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert begun.stdin is not None
    assert begun.stdout is not None
    assert begun.stdout.readline() == b"up\n"
    begun.stdin.write(b"words\n")
    begun.stdin.flush()
    assert begun.poll() is None
    begun.stdin.close()
    ended = threading.Thread(target=begun.wait)
    ended.start()
    ended.join(60)
    assert begun.returncode in (1, 130)
    begun.stdout.close()
