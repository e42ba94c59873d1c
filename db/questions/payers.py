"""Who pays for projects, now or at an instant: one statement for all questions that arrive together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from db.driver import Connection, Statement, driver, fetch
from db.placing import place_of
from db.questions.held import HELD, HELD_COLUMNS, held_interval
from db.questions.snapshots import SNAPSHOTS, Snapshot
from db.questions.who import WHO_PAYS
from schemas.instants import format_instant


@dataclass(frozen=True, slots=True)
class PayerQuestion:
    """Who pays for a project at an instant, or at the snapshot's clock; `shard` is the organization's."""

    shard: int
    organization: str
    project: str
    at: datetime | None


async def payers(
    connection: "Connection | asyncpg.Connection[asyncpg.Record]", questions: Sequence[PayerQuestion]
) -> list[tuple[Snapshot, dict[str, Any] | None]]:
    """Return for each question its snapshot, and the answer: None if the project was never reported.

    An answer has `organization`, `project`, `at`, `payer` and `settled`: `payer` is the interval that contains `at`,
    with its `endedAt`, or None if nobody pays then; it is settled if `at` is not after the closed instant. One
    statement is one snapshot, so no transaction is needed.
    """
    rows = await fetch(
        connection,
        _PAYERS,
        shards=[one.shard for one in questions],
        organizations=[one.organization for one in questions],
        projects=[one.project for one in questions],
        instants=[one.at for one in questions],
    )
    return [_answer(question, row) for question, row in zip(questions, rows, strict=True)]


async def paying_account(
    connection: Connection, organization: str, project: str, at: datetime | None = None
) -> str | None:
    """Return the account that pays for a project now, or paid at an instant; None if nobody did."""
    place = place_of(organization.encode())
    answer = await (await driver(connection)).fetchrow(WHO_PAYS, organization, project, at, place)
    return None if answer["account"] is None else str(answer["account"])


def _answer(question: PayerQuestion, row: Any) -> tuple[Snapshot, dict[str, Any] | None]:
    snapshot = Snapshot(question.shard, row["position"], row["closed"], row["now"])
    if row["project"] is None:
        return snapshot, None
    at = snapshot.now if question.at is None else question.at
    return snapshot, {
        "organization": question.organization,
        "project": question.project,
        "at": format_instant(at),
        "payer": held_interval(row),
        "settled": snapshot.is_settled(at),
    }


_PAYERS = Statement(
    f"""
    WITH known AS MATERIALIZED ({SNAPSHOTS})
    SELECT known.position, known.closed, known.now, {HELD_COLUMNS}
    FROM unnest(
        CAST(:shards AS smallint[]), CAST(:organizations AS text[]), CAST(:projects AS text[]),
        CAST(:instants AS timestamptz[])
    )
        WITH ORDINALITY AS question(shard, organization, project, at, place)
    JOIN known ON known.shard = question.shard
    CROSS JOIN LATERAL (SELECT coalesce(question.at, known.now) AS at) AS asked
    LEFT JOIN projects ON projects.organization = question.organization AND projects.project = question.project
    {HELD}
    ORDER BY question.place
    """
)
