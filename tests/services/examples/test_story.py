"""The three pipelines on a running whopays, as `make examples` shows them."""

import sys
from pathlib import Path

from examples import truth
from examples.story import Story
from tests.services.client.telling import connection_to
from tests.support.installations import Installation


async def test_the_pipelines_agree_with_postgresql(installation: Installation, tmp_path: Path) -> None:
    settings = [f"{name}={value}" for name, value in installation.environment().items() if name.startswith("WHOPAYS_")]
    whopays = ("env", *settings, sys.executable, "-m", "cli")
    outcome = await Story(connection_to(installation), tmp_path, print, whopays).play()
    async with installation.engine.connect() as connection:
        paid = await truth.timelines(connection)
    assert truth.claims(outcome, paid) == dict.fromkeys(truth.claims(outcome, paid), True)
    assert {account for account, *_ in outcome.rollups} == {"product", "research"}
    assert outcome.quarantine == [("lab", "nobody", "NobodyPaid")]
    assert len(outcome.invoices["research"]) == 1
    assert len(outcome.invoices["product"]) == 2
