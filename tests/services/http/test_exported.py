"""`whopays export intervals` holds what an outsider computes from the answers of HTTP, row for row."""

import csv
import io
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from schemas.instants import format_instant, parse_instant
from tests.support.command_line import whopays_of
from tests.support.installations import Installation

ACCOUNTS = ("main", "spare")
Rows = list[dict[str, Any]]


@pytest.mark.parametrize("organization", ("acme", "initech"))
async def test_an_export_is_what_http_says(told: Installation, ask: httpx.AsyncClient, organization: str) -> None:
    everything = [
        item for account in ACCOUNTS for item in await _intervals(ask, f"{organization}/accounts/{account}", 2)
    ]
    assert len({item["project"] for item in everything}) > 1
    instants = sorted({item[end] for item in everything for end in ("establishedAt", "endedAt") if item[end]})
    if organization == "initech":
        # The binding of a project that was deleted: nobody pays after it.
        assert instants[-1] not in {item["establishedAt"] for item in everything}
    tick = timedelta(microseconds=1)
    within = format_instant(parse_instant(instants[1]) + tick), format_instant(parse_instant(instants[-1]) - tick)
    for begins, ends in ((instants[0], instants[-1]), (instants[1], instants[2]), within):
        expected = await _expected(ask, organization, begins, ends)
        words = ("--from", begins, "--until", ends, "--organization", organization, "--format")
        lines = (await whopays_of(told)("export", "intervals", *words, "ndjson")).expect(0).out
        for line, row in zip(lines.splitlines(), expected, strict=True):
            assert orjson.loads(line) == row
        table = (await whopays_of(told)("export", "intervals", *words, "csv")).expect(0).out
        assert list(csv.DictReader(io.StringIO(table, newline=""), strict=True)) == [
            {name: {None: "", True: "true"}.get(value, value) for name, value in row.items()} for row in expected
        ]


async def _expected(ask: httpx.AsyncClient, organization: str, begins: str, ends: str) -> Rows:
    """Return the rows of an export, of pages of any length."""
    period = {"from": begins, "until": ends, "closedAtLeast": ends}
    rows = []
    for account in ACCOUNTS:
        path = f"{organization}/accounts/{account}"
        said = (await ask.get(f"/v1/organizations/{path}")).json()
        items = await _intervals(ask, path, 1, **period)
        assert items == await _intervals(ask, path, 3, **period)
        rows += [_row(item, said, await _project(ask, item), begins, ends) for item in items]
    return sorted(rows, key=lambda row: (row["x_Project"], row["x_EstablishedAt"]))


def _row(
    item: dict[str, Any], account: dict[str, Any], project: dict[str, Any], begins: str, ends: str
) -> dict[str, Any]:
    organization = item["organization"]
    return {
        "BillingAccountId": f"{organization}/{item['account']}",
        "BillingAccountName": account.get("displayName") or item["account"],
        "BillingCurrency": item["currencyCode"],
        "BillingPeriodStart": begins,
        "BillingPeriodEnd": ends,
        "ChargePeriodStart": item["from"],
        "ChargePeriodEnd": item["until"],
        "SubAccountId": f"{organization}/{item['project']}",
        "SubAccountName": project.get("displayName") or item["project"],
        "x_Organization": organization,
        "x_Account": item["account"],
        "x_Project": item["project"],
        "x_BindingId": item["bindingId"],
        "x_EstablishedAt": item["establishedAt"],
        "x_EndedAt": item["endedAt"],
        "x_Settled": True,
    }


async def _project(ask: httpx.AsyncClient, item: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = (
        await ask.get(f"/v1/organizations/{item['organization']}/projects/{item['project']}")
    ).json()
    return said


async def _intervals(ask: httpx.AsyncClient, path: str, limit: int, **period: str) -> Rows:
    """Return all intervals of an account, so many a page; of a period each page says that it is settled."""
    items: Rows = []
    following: dict[str, str] = {}
    while True:
        parameters: dict[str, str | int] = {**period, "limit": limit, **following}
        page = (await ask.get(f"/v1/organizations/{path}/intervals", params=parameters)).json()
        assert page["settled"] is bool(period)
        items += page["items"]
        if page["next"] is None:
            return items
        following = {"cursor": page["next"]}
