"""Who pays for projects, for all who ask at about the same time, in one statement, which is one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from db.closed import CLOSED_INSTANT
from db.engine import fetch
from db.questions.held import HELD, HELD_COLUMNS, held_interval
from db.questions.snapshots import Snapshot
from schemas.instants import format_instant


@dataclass(frozen=True, slots=True)
class PointQuestion:
    """Who pays for a project at an instant, or at the snapshot's clock; `shard` is the organization's."""

    shard: int
    organization: str
    project: str
    at: datetime | None


async def point_payers(
    connection: Any, questions: Sequence[PointQuestion]
) -> list[tuple[Snapshot, dict[str, Any] | None]]:
    """Return for each question the snapshot that its answer is of, and the answer of `db.questions.payers.payer`.

    The connection is the driver's own, and needs no transaction.
    """
    rows = await fetch(
        connection,
        _POINT_PAYERS,
        shards=[one.shard for one in questions],
        organizations=[one.organization for one in questions],
        projects=[one.project for one in questions],
        instants=[one.at for one in questions],
    )
    return [_answer(question, row) for question, row in zip(questions, rows, strict=True)]


def _answer(question: PointQuestion, row: Any) -> tuple[Snapshot, dict[str, Any] | None]:
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


_POINT_PAYERS = text(
    f"""
    WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS instant),
    known AS MATERIALIZED (
        SELECT shards.shard, shards.position, {CLOSED_INSTANT} AS closed,
            greatest(clock.instant, shards.last_instant) AS now
        FROM clock CROSS JOIN shards LEFT JOIN published USING (shard)
        WHERE shards.shard = ANY(CAST(:shards AS smallint[]))
    )
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
