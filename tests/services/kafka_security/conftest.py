"""A secure broker, and an installation on it whose roles run as their parties."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from embedded import Addresses
from embedded.data_folder import DataFolder
from embedded.kafka import Kafka
from embedded.kafka_security import ADMIN, KafkaSecurity
from tests.faults.own_servers import Breakable
from tests.support.command_line import Ran, whopays_of
from tests.support.folders import temporary_folder
from tests.support.installations import Installation, installed
from workers.runtime.kafka import kafka_options
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.acls import Party, apply
from workers.topics.cluster import administration

STRANGER = "stranger"
"""A user to whom nobody gave any right."""
ON_CALL = "on-call"
"""A user who is two parties: `operators` and `relay`."""

_TOKENS = {
    # Kafka's own validator for developments: it believes an unsigned token. What is tested is the client.
    "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    "listener.name.client.oauthbearer.sasl.jaas.config": (
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
    ),
}

ROLES = {
    Party.WORKERS: (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS, Role.TIMERS),
    Party.RELAY: (Role.RELAY,),
    Party.REPLAYS: (Role.REPLAYS,),
}


@dataclass
class Secured:
    """A secure broker."""

    kafka: Kafka
    security: KafkaSecurity

    def scram(self, user: str, mechanism: str = "SCRAM-SHA-256") -> dict[str, Any]:
        """Return the settings of a client with a password."""
        return {
            "kafka_security_protocol": "SASL_SSL",
            "kafka_ssl_ca_location": str(self.security.authority),
            "kafka_sasl_mechanism": mechanism,
            "kafka_sasl_username": user,
            "kafka_sasl_password": self.security.passwords[user],
        }

    def certificate(self, user: str) -> dict[str, Any]:
        """Return the settings of a client with a certificate."""
        return {
            "kafka_bootstrap_servers": self.kafka.servers_for_certificates,
            "kafka_security_protocol": "SSL",
            "kafka_ssl_ca_location": str(self.security.authority),
            "kafka_ssl_certificate_location": str(self.security.certificate_of(user)),
        }


@dataclass
class SecuredInstallation:
    """An installation on a secure broker, where each party has its rights and nothing is running yet."""

    broker: Secured
    installation: Installation

    def settings(self, user: str) -> Settings:
        """Return the installation's settings for a client that is this user."""
        return self.installation.settings.model_copy(
            update=dict(Settings(**self.broker.scram(user)).model_dump(exclude_unset=True))
        )

    def options(self, user: str) -> dict[str, Any]:
        """Return the options of a client of aiokafka that is this user."""
        return kafka_options(self.settings(user))

    async def start(self, party: Party) -> None:
        """Start a process with the roles of a party, as that party."""
        await self.installation.start(*ROLES[party], **self._variables(party))

    async def whopays(self, user: str, *words: str) -> Ran:
        """Run a command line as this user."""
        return await whopays_of(self.installation)(*words, **self._variables(user))

    def _variables(self, user: str) -> dict[str, str]:
        return {f"WHOPAYS_{name.upper()}": value for name, value in self.broker.scram(user).items()}


@pytest_asyncio.fixture(scope="package")
async def broker() -> AsyncIterator[Secured]:
    """A secure broker with a user for each party."""
    with temporary_folder() as path:
        folder = DataFolder(path / "kafka", lambda _: None)
        security = KafkaSecurity(folder.path, [*Party, STRANGER, ON_CALL])
        kafka = Kafka(folder, settings=_TOKENS, report=lambda _: None, security=security)
        running = Breakable(folder, kafka)
        try:
            await running.start()
            yield Secured(kafka, security)
        finally:
            await running.close()


@pytest_asyncio.fixture(scope="package")
async def secured(services: Addresses, template: str, broker: Secured) -> AsyncIterator[SecuredInstallation]:
    """An installation on it."""
    async with _secured(services, template, broker) as made:
        yield made


@asynccontextmanager
async def _secured(services: Addresses, template: str, broker: Secured) -> AsyncIterator[SecuredInstallation]:
    addresses = replace(services, kafka_bootstrap_servers=broker.kafka.bootstrap_servers)
    async with installed(addresses, template, roles=(), **broker.scram(ADMIN)) as installation:
        async with administration(installation.settings) as client:
            await apply(client, {party: f"User:{party}" for party in Party}, installation.settings)
            await apply(client, dict.fromkeys((Party.OPERATORS, Party.RELAY), f"User:{ON_CALL}"), installation.settings)
        yield SecuredInstallation(broker, installation)


@pytest.fixture(params=["SCRAM-SHA-256", "SCRAM-SHA-512", "certificate"])
def as_admin(request: pytest.FixtureRequest, broker: Secured) -> Settings:
    """The settings of the administrator, each way of showing who one is."""
    if request.param == "certificate":
        return Settings(**broker.certificate(ADMIN))
    said = broker.scram(ADMIN, request.param)
    return Settings(kafka_bootstrap_servers=broker.kafka.bootstrap_servers, **said)
