"""What the tests of the client tell whopays, by means of the client."""

from uuid import uuid4

from tests.support.installations import Installation
from whopays_client import (
    BindProject,
    Connection,
    CreateAccount,
    PaymentProfileChanged,
    PaymentTerms,
    ProjectChanged,
    Publisher,
)


def connection_to(installation: Installation) -> Connection:
    """Return where an installation is."""
    return Connection(installation.kafka_bootstrap_servers, installation.prefix)


def new_organization() -> str:
    """Return the name of an organization that nobody has used."""
    return f"o-{uuid4().hex[:12]}"


def bind(organization: str, project: str, account: str, **more: object) -> BindProject:
    """Return the command that makes an account the payer of a project, with some seconds of patience for the facts."""
    said = {"organization": organization, "project": project, "account": account, **more}
    return BindProject.model_validate(said)


async def set_up(publisher: Publisher, organization: str, *accounts: str, projects: tuple[str, ...] = ()) -> None:
    """Have accounts that are Ready, and active projects."""
    await publisher.report(
        PaymentProfileChanged(
            organization=organization, payment_profile="card", kind="CreditCard", state="Valid", version=1
        )
    )
    for project in projects:
        await publisher.report(ProjectChanged(organization=organization, project=project, state="Active", version=1))
    for account in accounts:
        created = await publisher.send(
            CreateAccount(
                organization=organization,
                account=account,
                currency_code="EUR",
                payment_terms=PaymentTerms(),
                payment_profile="card",
            )
        )
        created.expect()
    # Facts and commands are read by different consumers: a binding that waits tells that both are known.
    for project in projects:
        first = await publisher.send(bind(organization, project, accounts[0], wait_seconds=60))
        (await first.final(60)).expect()
