"""Each alert of `deploy/prometheus` fires when what it is about happens, and rests once it is mended."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.alerting.scenes import SCENES, Scene, begin
from tests.alerting.stage import Stage, stage
from tests.faults.own_servers import own_servers
from tests.support.tokens import TokenIssuer

pytestmark = [
    pytest.mark.chaos,
    # aiokafka leaves a connection open when the broker dies while it is being established.
    pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection:ResourceWarning"),
]


@pytest_asyncio.fixture(scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A whole installation on servers of its own, which a Prometheus has seen."""
    folder = tmp_path_factory.mktemp("prometheus")
    async with (
        own_servers() as servers,
        servers.installation(issuer=TokenIssuer(folder)) as installation,
        stage(installation, servers, folder) as made,
    ):
        await begin(made)
        yield made


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.happens.__name__.removeprefix("_"))
async def test_alerts_fire_and_rest(watched: Stage, scene: Scene) -> None:
    async with scene.happens(watched):
        for alert in scene.alerts:
            await watched.fires(alert)
    for alert in scene.alerts:
        await watched.rests(alert)
