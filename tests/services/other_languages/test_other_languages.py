"""Each example follows every change of payer exactly once, and sends commands whose results it tells."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from embedded import Addresses
from schemas.topics import Topic
from tests.services.other_languages.programs import FOLDER, LANGUAGES, Language, run, running
from tests.support.installations import Installation, installed
from tests.support.kafka import all_consumed, send
from tests.support.messages import account, profile, project
from tests.support.toolchains import needs
from tests.support.waiting import until

MOST_LINES = 60
_FOLLOWED_SECONDS = 60

in_each_language = pytest.mark.parametrize(
    "language", [pytest.param(one, marks=needs(*one.tools), id=one.name) for one in LANGUAGES]
)


@pytest.fixture(scope="module")
async def installation(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation with one organization for each language, its accounts Ready."""
    async with installed(services, template) as made:
        names = [language.name for language in LANGUAGES]
        await send(made, [fact for name in names for fact in (profile(name), project(name, "genome"))])
        await all_consumed(made)
        await send(made, [account(name, payer) for name in names for payer in ("main", "research")])
        await all_consumed(made)
        yield made


@in_each_language
async def test_changes_are_followed_once_and_commands_answered(
    language: Language, installation: Installation, tmp_path: Path
) -> None:
    name, file = language.name, tmp_path / "payers"
    bind, follow = language.program("bind"), [*language.program("follow"), str(file)]

    async def followed(*payers: str) -> None:
        expected = [f"{name}/genome {number} {payer}" for number, payer in enumerate(payers, 1)]

        async def there() -> bool:
            return _lines(file, name) == expected

        await until(there, f"{expected} in {file}", _FOLLOWED_SECONDS)

    async with running(follow, installation):
        status, said, complaints = await run([*bind, name, "genome", "main"], installation)
        assert (status, said.split()[0]) == (0, "Applied"), complaints
        await followed("main")
    with file.open("a") as torn:
        torn.write(f"{name}/gen")
    await _abort(installation, f"{name}/genome")
    await _send_without_value(installation, f"{name}/genome")
    assert (await run([*bind, name, "genome", "research"], installation))[0] == 0
    async with running(follow, installation):
        await followed("main", "research")
        status, said, complaints = await run([*bind, name, "unheard", "main"], installation)
        assert (status, said.split()[0]) == (1, "Rejected"), complaints
        assert "ProjectNotFound" in said
        assert (await run([*bind, name, "genome", "main"], installation))[0] == 0
        await followed("main", "research", "main")
    assert "nobody" not in file.read_text()


@in_each_language
async def test_a_gap_ends_the_follower(language: Language, installation: Installation, tmp_path: Path) -> None:
    # A project of its own: followers of other languages would stumble over it as well.
    file = tmp_path / "payers"
    file.write_text(f"{language.name}/genome 1 main\n{language.name}/gap 4 main\n")
    await _publish(installation, f"{language.name}/gap", 6)
    status, _, complaints = await run([*language.program("follow"), str(file)], installation)
    assert status != 0
    assert f"{language.name}/gap: events after 4 are missing" in complaints


@pytest.mark.parametrize("name", ("bind", "follow"))
@in_each_language
def test_an_example_is_short(language: Language, name: str) -> None:
    [source] = [
        path for path in (FOLDER / language.name).rglob("*") if path.stem.lower() == name and path.is_file()
    ] or (FOLDER / language.name / name).glob("*.go")
    assert len(source.read_text(encoding="utf-8").splitlines()) < MOST_LINES


def _lines(file: Path, organization: str) -> list[str]:
    text = file.read_text() if file.exists() else ""
    return [line for line in text.split("\n") if line.startswith(f"{organization}/")]


async def _abort(installation: Installation, subject: str) -> None:
    """Write a change that is taken back: whoever reads uncommitted records would take it for true."""
    producer = AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap_servers, transactional_id=f"{installation.prefix}{subject}"
    )
    try:
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait(_topic(installation), _change(subject, 2, "nobody"), subject.encode())
        await producer.abort_transaction()
    finally:
        await producer.stop()


async def _publish(installation: Installation, subject: str, sequence: int) -> None:
    await _send(installation, _change(subject, sequence, "main"), subject)


async def _send_without_value(installation: Installation, subject: str) -> None:
    await _send(installation, None, subject)


async def _send(installation: Installation, value: bytes | None, subject: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap_servers)
    try:
        await producer.start()
        await producer.send_and_wait(_topic(installation), value, subject.encode())
    finally:
        await producer.stop()


def _topic(installation: Installation) -> str:
    return installation.settings.topic(Topic.BINDINGS)


def _change(subject: str, sequence: int, payer: str) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": "io.milo.billing.BindingChanged.v1",
            "subject": subject,
            "sequence": f"{sequence:020d}",
            "data": {"current": {"account": payer}},
        }
    )
