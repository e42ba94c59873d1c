"""Pages of bindings: the active ones, or all that ever existed."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from db.driver import Connection, Statement, fetch
from db.questions.reached import EVERYWHERE, Reached, is_within
from db.questions.resources.keys import Key, after_key, values_of


@dataclass(frozen=True, slots=True)
class ShownBinding:
    """A binding; `ended_at` is None while it is active, `next_account` also if it was released."""

    organization: str
    project: str
    number: int
    account: str
    established_at: datetime
    ended_at: datetime | None
    next_account: str | None

    @property
    def key(self) -> Key:
        """The key after which the next page continues."""
        return self.organization, self.project, self.number


async def bindings_page(
    connection: Connection,
    organization: str | None,
    after: Key,
    limit: int,
    *,
    only_active: bool,
    project: str | None = None,
    account: str | None = None,
    reached: Reached = EVERYWHERE,
    either: bool = False,
) -> list[ShownBinding]:
    """Return bindings by project, then number, optionally of one project or one account.

    Bindings out of reach are left out. A named project or account must itself be within reach; with `either`, it is
    enough that the binding's project or account is.
    """
    named = {name: value for name, value in (("project", project), ("account", account)) if value is not None}
    is_one, within = organization is not None, _within(() if either else tuple(named))
    if reached.is_everything:
        statement = _bindings(is_one, only_active, tuple(named))
    elif is_one and not named:
        statement = _seen_bindings(only_active)
    else:
        statement = _bindings(is_one, only_active, tuple(named), f" AND ({within})")
    values = values_of(organization, after) | reached.values()
    rows = await fetch(connection, statement, **values, **named, row_limit=limit)
    return [ShownBinding(*row.values()) for row in rows]


async def binding(
    connection: Connection, organization: str, project: str, number: int, reached: Reached = EVERYWHERE
) -> ShownBinding | None:
    """Return a binding, active or ended, if it is within reach."""
    before = (organization, project, number - 1)
    found = await bindings_page(
        connection, organization, before, 1, only_active=False, project=project, reached=reached, either=True
    )
    return next((one for one in found if one.number == number), None)


def _within(named: tuple[str, ...]) -> str:
    """Return the condition on bindings: everything named is within reach; without names, project or account is."""
    of_project, of_account = is_within("project", "project"), is_within("account", "account")
    if not named:
        return f"{of_project} OR {of_account}"
    return " AND ".join({"project": of_project, "account": of_account}[name] for name in named)


@cache
def _bindings(is_one: bool, only_active: bool, named: tuple[str, ...], within: str = "") -> Statement:
    required = "".join(f" AND {name} = :{name}" for name in named) + within
    if "account" not in named:
        required += " AND account IS NOT NULL"
    first = () if is_one else ("organization",)
    if only_active:
        return Statement(
            f"""
            SELECT organization, project, number, account, payer_since, CAST(NULL AS timestamptz), CAST(NULL AS text)
            FROM projects WHERE {after_key(is_one, "project")} {required}
            ORDER BY {", ".join((*first, "project"))} LIMIT :row_limit
            """
        )
    order = (*first, "project", "number")
    return Statement(
        f"""
        SELECT page.organization, page.project, page.number, page.account, page.from_instant,
            next.from_instant AS ended_at, next.account AS next_account
        FROM (
            SELECT organization, project, number, account, from_instant
            FROM bindings WHERE {after_key(is_one, "project", "number")} {required}
            ORDER BY {", ".join(order)} LIMIT :row_limit
        ) AS page
        LEFT JOIN bindings AS next ON next.organization = page.organization AND next.project = page.project
            AND next.number = page.number + 1
        ORDER BY {", ".join(f"page.{name}" for name in order)}
        """
    )


@cache
def _seen_bindings(only_active: bool) -> Statement:
    """Return the statement for an organization's bindings within reach.

    It takes the limit from each span of projects and each account within reach, then from all of them.
    """
    table, begin, order = (
        ("projects", "payer_since", "project") if only_active else ("bindings", "from_instant", "project, number")
    )
    listed = f"SELECT organization, project, number, account, {begin} AS begin FROM {table} WHERE"
    after = after_key(True, *order.split(", "))
    within = "unnest(CAST(:{kind}_lows AS text[]), CAST(:{kind}_highs AS text[])) AS span(low, high)"
    return Statement(
        f"""
        SELECT page.organization, page.project, page.number, page.account, page.begin,
            next.from_instant AS ended_at, next.account AS next_account
        FROM (
            SELECT * FROM (
                SELECT of_project.* FROM {within.format(kind="project")} CROSS JOIN LATERAL (
                    {listed} {after} AND project BETWEEN span.low AND span.high AND account IS NOT NULL
                    ORDER BY {order} LIMIT :row_limit
                ) AS of_project
                UNION
                SELECT of_account.* FROM (
                    SELECT accounts.account AS name FROM {within.format(kind="account")}
                    JOIN accounts ON organization = :organization AND account COLLATE "C" BETWEEN span.low AND span.high
                ) AS reached CROSS JOIN LATERAL (
                    {listed} {after} AND {table}.account = reached.name ORDER BY {order} LIMIT :row_limit
                ) AS of_account
            ) AS seen
            ORDER BY {order} LIMIT :row_limit
        ) AS page
        LEFT JOIN bindings AS next ON next.organization = page.organization AND next.project = page.project
            AND next.number = page.number + 1
        ORDER BY {", ".join(f"page.{name}" for name in order.split(", "))}
        """
    )
