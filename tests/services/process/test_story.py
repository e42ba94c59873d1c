"""A story across the three input topics, in both CloudEvents modes, as readers of committed records see it."""

import pytest

from schemas.topics import Topic
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, exactly_published, results, send, told_unpaid
from tests.support.messages import account, bind, command, profile, project


@pytest.mark.parametrize("binary", (False, True), ids=["structured", "binary"])
async def test_projects_change_payer_and_everyone_is_told(installation: Installation, binary: bool) -> None:
    await send(installation, [profile("acme", binary=binary), project("acme", "web", binary=binary)])
    await all_consumed(installation)
    await send(
        installation,
        [
            account("acme", "main", binary=binary),
            account("acme", "spare", binary=binary, ce_correlationid="trip-1"),
            bind("acme", "web", "main", "c1", binary=binary),
            bind("acme", "web", "spare", "c2", binary=binary, reason="cheaper"),
            bind("acme", "web", "spare", "c3", binary=binary, dryRun=True),
            bind("acme", "nowhere", "nobody", "c4", binary=binary),
            command("SuspendAccount", "c5", "acme", account="spare", reason="PaymentFailure", binary=binary),
        ],
    )
    await all_consumed(installation)
    await send(installation, [project("acme", "web", 2, state="Deleted", binary=binary)])
    found = await exactly_published(installation)

    outcomes = {command_id: result["outcome"] for command_id, result in results(found).items()}
    assert {name: outcomes[name] for name in ("create-main", "create-spare", "c1", "c2", "c3", "c4", "c5")} == {
        "create-main": "Applied",
        "create-spare": "Applied",
        "c1": "Applied",
        "c2": "Applied",
        "c3": "Unchanged",
        "c4": "Rejected",
        "c5": "Applied",
    }
    bindings = [one for one in found if one.topic == Topic.BINDINGS]
    assert [one.data["change"] for one in bindings] == ["Bound", "Superseded", "Released"]
    assert [one.event["sequence"] for one in bindings] == [f"{number:020d}" for number in (1, 2, 3)]
    assert [one.data["kind"] for one in found if one.topic == Topic.NOTICES] == ["PayerMissing", "AccountSuspended"]
    accounts = [one.data for one in found if one.topic == Topic.ACCOUNTS and one.data["account"] == "main"]
    assert [data.get("previousPhase", "state") for data in accounts] == [None, "Provisioning", "state"]
    spare = next(one for one in found if one.event["subject"] == "acme/spare")
    assert spare.event["correlationid"] == "trip-1"


async def test_records_of_every_compression_are_read(installation: Installation) -> None:
    codecs = ("gzip", "snappy", "lz4", "zstd")
    for codec in codecs:
        await send(installation, [project("acme", f"by-{codec}")], compression_type=codec)
    await all_consumed(installation)
    assert told_unpaid(await exactly_published(installation)) == {f"by-{codec}" for codec in codecs}
