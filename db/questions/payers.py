"""Who pays for a project, now or at an instant; and for very many at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.questions.shapes import INTERVAL_COLUMNS, JSON_INTERVAL_MEMBERS, interval
from db.questions.snapshots import Snapshot
from db.questions.who import WHO_PAYS
from schemas.instants import format_instant

Question = tuple[str, str, datetime]
"""An organization, a project and an instant."""


async def payer(
    connection: AsyncConnection, organization: str, project: str, at: datetime | None, snapshot: Snapshot
) -> dict[str, Any] | None:
    """Return `organization`, `project`, `at`, `payer` and `settled`; None if the project was never reported.

    `payer` is the interval that holds `at` (None: the snapshot's clock), with its `endedAt`, or None where nobody pays
    then. It is settled where `at` is not after the closed instant.
    """
    instant = snapshot.now if at is None else at
    rows = await fetch(connection, _PAYER, organization=organization, project=project, at=instant)
    if not rows:
        return None
    return {
        "organization": organization,
        "project": project,
        "at": format_instant(instant),
        "payer": held_interval(rows[0]),
        "settled": snapshot.is_settled(instant),
    }


async def payers(
    connection: AsyncConnection, questions: Sequence[Question], closed: Mapping[str, datetime | None]
) -> list[bytes]:
    """Return the answers to questions, in their order, in one statement; 10,000 at a time are not too many.

    Each answer is a JSON object: `organization`, `project`, `at`, `payer`, `known`, `settled`. `closed` is the closed
    instant of every organization that is asked about. Names must be identifiers: they are written as they are.
    """
    asked = [list(column) for column in zip(*questions, strict=True)] or [[], [], []]
    rows = await fetch(connection, _PAYERS, organizations=asked[0], projects=asked[1], instants=asked[2])
    return [_answer(question, row, closed[question[0]]) for question, row in zip(questions, rows, strict=True)]


async def paying_account(
    connection: AsyncConnection, organization: str, project: str, at: datetime | None = None
) -> str | None:
    """Return the account that pays for a project now, or paid at an instant; None when nobody does."""
    answer = (await connection.exec_driver_sql(WHO_PAYS, (organization, project, at))).one()
    return None if answer.account is None else str(answer.account)


def held_interval(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the interval of a row of `HELD`; None where nobody pays."""
    return None if row["account"] is None else interval(*(row[name] for name in INTERVAL_COLUMNS))


def _answer(question: Question, row: Mapping[str, Any], closed: datetime | None) -> bytes:
    organization, project, at = question
    held: bytes | None = row["held"]
    settled = closed is not None and at <= closed
    return b'{"organization":"%b","project":"%b","at":"%b","payer":%b,"known":%b,"settled":%b}' % (
        organization.encode(),
        project.encode(),
        format_instant(at).encode(),
        held or b"null",
        b"true" if row["is_known"] else b"false",
        b"true" if settled else b"false",
    )


HELD = """
    LEFT JOIN LATERAL (
        SELECT projects.account, projects.number, projects.legacy_id, projects.payer_since AS established_at,
            CAST(NULL AS timestamptz) AS ended_at
        WHERE projects.payer_since <= asked.at
        UNION ALL
        SELECT past.account, past.number, past.legacy_id, past.from_instant, following.from_instant
        FROM (
            SELECT account, number, legacy_id, from_instant FROM bindings
            WHERE organization = projects.organization AND bindings.project = projects.project
                AND from_instant <= asked.at
            ORDER BY number DESC LIMIT 1
        ) AS past
        JOIN bindings AS following ON following.organization = projects.organization
            AND following.project = projects.project AND following.number = past.number + 1
        WHERE projects.payer_since > asked.at
    ) AS payer ON true
    LEFT JOIN accounts ON accounts.organization = projects.organization AND accounts.account = payer.account
"""
"""Joins to `projects` who pays at `asked.at`.

Most questions are about the last change of payer, which stands with the project: only earlier ones need `bindings`.
"""
HELD_COLUMNS = """
    projects.organization, projects.project, payer.account, payer.number, payer.legacy_id, accounts.currency_code,
    payer.established_at, payer.ended_at
"""
_PAYER = text(
    f"""
    SELECT {HELD_COLUMNS}
    FROM (VALUES (CAST(:at AS timestamptz))) AS asked(at)
    JOIN projects ON projects.organization = :organization AND projects.project = :project
    {HELD}
    """
)
_PAYERS = text(
    f"""
    SELECT held.project IS NOT NULL AS is_known,
        CASE WHEN held.account IS NOT NULL THEN convert_to('{{' || {JSON_INTERVAL_MEMBERS} || '}}', 'UTF8') END AS held
    FROM (
        SELECT asked.place, {HELD_COLUMNS}
        FROM unnest(CAST(:organizations AS text[]), CAST(:projects AS text[]), CAST(:instants AS timestamptz[]))
            WITH ORDINALITY AS asked(organization, project, at, place)
        LEFT JOIN projects ON projects.organization = asked.organization AND projects.project = asked.project
        {HELD}
    ) AS held
    ORDER BY held.place
    """
)
