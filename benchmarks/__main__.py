"""`python -m benchmarks [WORKLOAD]`: measure a workload; `all` when none is named."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import Servers, servers
from benchmarks.report import Report, environment_facts, rate, write
from benchmarks.tables import show, show_environment
from benchmarks.workloads import (
    backlog,
    growth,
    huge,
    mixed,
    paced,
    rebinding,
    suspension,
    worker_processes,
)
from workers.settings import Settings

_DEFAULT = "all"

program = typer.Typer(
    name="benchmarks",
    help="Measure whopays on a real PostgreSQL and a real Kafka: those of WHOPAYS_DATABASE_URL and "
    "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS, or else fresh embedded ones.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
