"""The service is asked whatever its OpenAPI document allows, and whatever it does not; `make fuzz` asks longer."""

from pathlib import Path

from embedded import Addresses
from tests.fuzz.calling import call_all, tell_the_examples
from tests.support.installations import installed


async def test_every_answer_is_as_the_document_says(services: Addresses, template: str, tmp_path: Path) -> None:
    async with installed(services, template) as installation:
        await tell_the_examples(installation)
        called = await call_all(installation, tmp_path, examples=1, seed=7)
    assert called.calls > 200, called.said
    assert called.is_well, called.said + called.log
    assert "Traceback" not in called.log, called.log
