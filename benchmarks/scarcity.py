"""Giving a process only a part of a core, by a control group below that of the benchmark (Linux, as root)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.failures import BenchmarkFailed

_PERIOD_MICROSECONDS = 10_000
_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


@contextmanager
def limited(pid: int, cores: float) -> Iterator[None]:
    """Limit a process to so many cores until the context ends, when it is as it was. Raises BenchmarkFailed."""
    above = _own_group()
    group = above / f"whopays-bench-{pid}"
    quota = int(cores * _PERIOD_MICROSECONDS)
    try:
        group.mkdir()
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise BenchmarkFailed(f"no control group of ours limits a process here: {error}") from error
    try:
        yield
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (above / "cgroup.procs").write_text(left)
        group.rmdir()


def _own_group() -> Path:
    lines = [line.split(":", 2) for line in _OWN.read_text().splitlines()]
    for _, controllers, path in lines:
        if "cpu" in controllers.split(","):
            return _ROOT / controllers / path.lstrip("/")
    return _ROOT / next(path for _, controllers, path in lines if not controllers).lstrip("/")
