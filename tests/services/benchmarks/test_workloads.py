"""Every workload of `make bench` runs, on servers of its own: at sizes that measure nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import WORKLOADS
from benchmarks.installations import Servers
from benchmarks.installations import servers as benchmark_servers
from benchmarks.plots import draw
from benchmarks.report import write
from benchmarks.tables import show


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The servers that benchmarks start, or those that the environment names."""
    with benchmark_servers() as found:
        yield found


@pytest.mark.chaos
@pytest.mark.parametrize("name", WORKLOADS)
async def test_a_workload_runs(servers: Servers, name: str, tmp_path: Path) -> None:
    workload = WORKLOADS[name]
    report = await workload.run(servers, workload.quick)
    assert report.workload == name
    show(report)
    write(tmp_path / "results.json", {}, [report])
    draw(tmp_path / "results.json", tmp_path)
