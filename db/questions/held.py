"""SQL for the payer of a project at an instant, and the interval it returns; imports no driver and no models."""

from collections.abc import Mapping
from typing import Any

from db.questions.shapes import INTERVAL_COLUMNS, interval


def held_interval(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the interval of a row of `HELD`; None if nobody pays."""
    return None if row["account"] is None else interval(*(row[name] for name in INTERVAL_COLUMNS))


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
        CROSS JOIN LATERAL (
            SELECT from_instant FROM bindings
            WHERE organization = projects.organization AND bindings.project = projects.project
                AND number = past.number + 1
            OFFSET 0
        ) AS following
        WHERE projects.payer_since > asked.at
    ) AS payer ON true
    LEFT JOIN LATERAL (
        SELECT currency_code FROM accounts
        WHERE accounts.organization = projects.organization AND accounts.account = payer.account
        OFFSET 0
    ) AS accounts ON true
"""
"""Joins the payer at `asked.at` to `projects`.

Most questions are about the last change of payer, which is in the project's row; only earlier ones need `bindings`.
OFFSET 0 makes the server look up the full key: otherwise it may read all accounts of an organization, or all bindings
of a project, if it expects only a few.
"""
HELD_COLUMNS = """
    projects.organization, projects.project, payer.account, payer.number, payer.legacy_id, accounts.currency_code,
    payer.established_at, payer.ended_at
"""
