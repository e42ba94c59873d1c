"""A Prometheus that watches an installation with the configuration and the alerts of `deploy/`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from tests.support.packages import ROOT
from tests.support.prometheus import Prometheus, prometheus

_FOLDER = ROOT / "deploy" / "prometheus"


@asynccontextmanager
async def watching(folder: Path, addresses: Mapping[str, str]) -> AsyncIterator[Prometheus]:
    """Yield a Prometheus with the configuration of `compose.yaml`, whose services are at these addresses."""
    configuration = yaml.safe_load((_FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(_FOLDER / name) for name in configuration["rule_files"]]
    for job in configuration["scrape_configs"]:
        for static in job["static_configs"]:
            static["targets"] = [addresses[target.partition(":")[0]] for target in static["targets"]]
    async with prometheus(folder, configuration) as made:
        yield made
