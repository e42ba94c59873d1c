"""The one place where the runner touches the service: where it runs, and the code behind its query commands."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from db.questions import accounts, intervals, payers
from db.sealing import KeyEncryption
from tests.acceptance.observer import Observer
from tests.acceptance.progress import ConsumerProgress
from tests.acceptance.records import OutputRecord, Sent
from tests.acceptance.run_case import Services
from tests.acceptance.sending import Sender
from tests.acceptance.vocabulary import instant_text
from tests.support.contract_files import check_published, check_sent


class Installation(Protocol):
    """A running installation, as the fixture `installation` provides it."""

    @property
    def kafka_bootstrap_servers(self) -> str: ...

    @property
    def prefix(self) -> str:
        """The prefix of every topic."""
        ...

    @property
    def engine(self) -> AsyncEngine: ...

    @property
    def keys(self) -> KeyEncryption:
        """The keys that open contacts."""
        ...


class ServicesOfInstallation:
    """What the cases share on one installation, for as long as it is entered with `async with`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._stack = AsyncExitStack()
        self.against_schemas: list[str] = []
        """What was sent or published that is not as its published schema says."""

    async def __aenter__(self) -> Services:
        servers, prefix = self._installation.kafka_bootstrap_servers, self._installation.prefix
        return Services(
            sender=await self._stack.enter_async_context(Sender(servers, prefix, self._sent)),
            observer=await self._stack.enter_async_context(Observer(servers, prefix, self._published)),
            progress=await self._stack.enter_async_context(ConsumerProgress(servers, prefix)),
            questions=QuestionsOfService(self._installation.engine, self._installation.keys),
            prefix=prefix,
        )

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _sent(self, sent: Sent) -> None:
        with self._noting():
            check_sent(sent.topic, sent.key, sent.value, sent.headers)

    def _published(self, record: OutputRecord) -> None:
        with self._noting():
            check_published(record.value)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except AssertionError as finding:
            self.against_schemas.append(str(finding))


class QuestionsOfService:
    """The questions, asked through the code of the query commands."""

    def __init__(self, engine: AsyncEngine, keys: KeyEncryption) -> None:
        self._engine = engine
        self._keys = keys

    async def payer(self, organization: str, project: str, at: datetime | None) -> str | None:
        async with self._engine.connect() as connection:
            return await payers.paying_account(connection, organization, project, at)

    async def timeline(self, organization: str, project: str) -> list[dict[str, Any]]:
        async with self._engine.connect() as connection:
            entries = await intervals.timeline(connection, organization, project)
        return [
            {
                "number": entry.number,
                "bindingId": str(entry.binding_id),
                "account": entry.account,
                "establishedAt": instant_text(entry.established_at),
                "endedAt": None if entry.ended_at is None else instant_text(entry.ended_at),
                "ended": entry.ended_at is not None,
            }
            for entry in entries
        ]

    async def account(self, organization: str, account: str) -> dict[str, Any] | None:
        async with self._engine.connect() as connection:
            return await accounts.account(connection, organization, account, with_balance=True, keys=self._keys)

    async def account_history(self, organization: str, account: str) -> list[dict[str, Any]]:
        async with self._engine.connect() as connection:
            return await accounts.account_history(connection, organization, account)

    async def projects_of_account(self, organization: str, account: str) -> list[str]:
        async with self._engine.connect() as connection:
            return await accounts.projects_of_account(connection, organization, account)
