"""`whopays send` with every kind of member, and with final results that come later."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from cli.sending.composing import compose
from schemas.commands import COMMANDS
from tests.services.cli.test_send import CARD, TERMS, send
from tests.support.command_line import Whopays
from tests.support.installations import Installation
from tests.support.kafka import send as send_records
from tests.support.messages import project


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_composed(name: str) -> None:
    message = compose(name, {}, ("organization=acme", "dryRun=true"), {})
    assert message.event["data"] == {"organization": "acme", "dryRun": True}


@pytest.mark.parametrize(
    ("name", "member", "value"),
    (
        ("SetDefaultAccount", "account=null", None),
        ("SetDefaultAccount", "account=main", "main"),
        ("BindProject", "expectedAccount=null", None),
        ("BindProject", "effectiveAt=2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"),
        ("BindProject", "waitSeconds=5", 5),
        ("ReportBalance", "outstanding=12.50", "12.50"),
        ("ReportBalance", "outstanding=0", "0"),
        ("TransferProjects", 'projects=["a", "b"]', ["a", "b"]),
        ("ApproveReactivation", 'reasons=["PaymentFailure"]', ["PaymentFailure"]),
        ("UpdateAccount", "contact=null", None),
        ("UpdateAccount", "displayName=null", None),
        ("UpdateAccount", "expectedVersion=3", 3),
        ("UpdateAccount", "paymentTerms.netDays=null", {"netDays": None}),
        (
            "UpdateAccount",
            "paymentTerms.latePaymentPenalty.annualPercent=8",
            {"latePaymentPenalty": {"annualPercent": "8"}},
        ),
        ("UpdateAccount", "preferences.eInvoicing.standard=Cfdi", {"eInvoicing": {"standard": "Cfdi"}}),
        ("UpdateAccount", "contact.address.country=CH", {"address": {"country": "CH"}}),
        ("UpdateAccount", 'contact.emails=["a@b.example"]', {"emails": ["a@b.example"]}),
    ),
)
def test_a_value_is_written_as_its_member_wants_it(name: str, member: str, value: object) -> None:
    (said,) = compose(name, {}, (member,), {}).event["data"].values()
    assert said == value


async def test_an_account_shows_balance_closure_and_preferences(whopays: Whopays) -> None:
    await send(whopays, "shown", "CreateAccount", "account=main", *TERMS, "preferences.invoiceLanguage=de-CH")
    await send(
        whopays, "shown", "ReportBalance", "account=main", "outstanding=12.50", "currencyCode=EUR",
        "asOf=2026-01-31T12:00:00Z",
    )  # fmt: skip
    await send(whopays, "shown", "SuspendAccount", "account=main", "reason=PaymentFailure", "--authid", "ivy")
    await send(whopays, "shown", "RequestReactivation", "account=main", "resolution=paid", "--authid", "ada")
    await send(whopays, "shown", "RequestClosure", "account=main", "reason=merged", "--authid", "ada")
    shown = (await whopays("account", "shown", "main")).expect(0).out
    for words in ("12.5 EUR as of 2026-01-31T12:00:00", "requested by ada: paid", ": merged", "invoiceLanguage"):
        assert words in shown
    balance = (await whopays("account", "shown", "main", "--json")).expect(0).document["balance"]
    assert (balance["outstanding"], balance["currencyCode"]) == ("12.5", "EUR")
    await send(whopays, "shown", "SetDefaultAccount", "account=null")


async def test_the_final_result_is_waited_for_on_demand(whopays: Whopays, playground: Installation) -> None:
    organization = ("--organization", "patient")
    for words in (
        ("CreateAccount", "account=main", *TERMS),
        CARD,
        ("ProjectChanged", "project=web", "state=Active", "version=1"),
    ):
        (await whopays("send", *words, *organization)).expect(0)
    bind = ("send", "BindProject", "account=main", *organization)
    soon = f"effectiveAt={datetime.now(UTC) + timedelta(seconds=2):%Y-%m-%dT%H:%M:%S.%fZ}"
    scheduled = (await whopays(*bind, "project=web", soon, "--id", "b1")).expect(0)
    assert "Scheduled" in scheduled.out
    assert "whopays result patient b1" in scheduled.err
    repeated = (await whopays(*bind, "project=web", soon, "--id", "b1", "--wait-final", "--json")).expect(0)
    assert repeated.document["result"]["data"]["outcome"] == "Applied"

    async def appears_later() -> None:
        await asyncio.sleep(1)
        await send_records(playground, [project("patient", "api")])

    later = asyncio.create_task(appears_later())
    waited = (await whopays(*bind, "project=api", "waitSeconds=30", "--wait-final", "--json")).expect(0)
    await later
    assert waited.document["result"]["data"]["outcome"] == "Applied"

    vain = (await whopays(*bind, "project=none", "waitSeconds=1", "--wait-final")).expect(1)
    assert "ProjectNotFound" in vain.out
    assert "waiting for the final result" in vain.err
    rehearsed = (await whopays(*bind, "project=none", "waitSeconds=9", "--wait-final", "--dry-run")).expect(0)
    assert "Waiting" in rehearsed.out
    assert "follows" not in rehearsed.out + rehearsed.err
