"""How an account is shown."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cli.terminal.describing import coloured
from cli.terminal.layout import Card, Column, Listing, details
from cli.terminal.output import count_of


def account_view(account: dict[str, Any]) -> Iterator[RenderableType]:
    """Render an account, given as `whopays account --json` prints it: its state, and what explains its phase."""
    title = Text(f"{account['organization']}/{account['account']}", style="bold")
    yield Card(title, [details(_state(account).items())], "dim")
    yield Listing(
        (Column("type"), Column("status"), Column("reason"), Column("since", may_move=True), Column("", may_move=True)),
        [
            (
                Text(condition["type"]),
                coloured(condition["status"]),
                Text(condition["reason"]),
                Text(condition["lastTransitionTime"]),
                Text("" if condition["status"] == "True" else condition["message"]),
            )
            for condition in account["conditions"]
        ],
        title="Conditions",
    )
    if account["holds"]:
        yield _holds(account["holds"])
    for name, member in (("Preferences", "preferences"), ("Contact (personal data)", "contact")):
        if account.get(member):
            yield Text(name, style="bold")
            yield details((path, Text(str(value))) for path, value in _leaves(account[member]))
    yield Listing(
        (
            Column("since"),
            Column("phase"),
            Column("reason", may_move=True),
            Column("by", may_move=True),
            Column("caused by", may_move=True),
        ),
        [
            (
                Text(entry["at"]),
                Text.assemble(f"{entry['from'] or 'new'} → ", coloured(entry["to"])),
                Text(entry["reason"]),
                Text(entry["by"]),
                Text(entry["causedBy"]),
            )
            for entry in account["history"]
        ],
        title="History",
    )


def _state(account: dict[str, Any]) -> dict[str, Text]:
    terms = account["paymentTerms"]
    balance = account["balance"]
    closure = account["closure"]
    said = {
        "name": account["displayName"],
        "currency": account["currencyCode"],
        "terms": terms and f"{count_of(terms['netDays'], 'day')} net, invoiced {terms['invoiceFrequency'].lower()}",
        "payment profile": account["paymentProfile"] and _profile(account["paymentProfile"], account["profile"]),
        "active since": account["activatedAt"],
        "balance": balance and f"{balance['outstanding']} {balance['currencyCode']} as of {balance['asOf']}",
        "closure": _closure(closure, account["closureBlockers"]),
        "pays for": count_of(account["boundProjects"], "project"),
        "version": str(account["version"]),
    }
    if "contact" in account and account["contact"] is None:
        said["contact"] = "none, or erased"
    none = Text("none", style="dim")
    return {"phase": coloured(account["phase"])} | {
        name: Text(value) if value else none for name, value in said.items()
    }


def _holds(holds: Sequence[dict[str, Any]]) -> Listing:
    rows = []
    for hold in holds:
        requested = hold.get("reactivation")
        rows.append(
            (
                Text(hold["placedAt"]),
                Text(hold["reason"], style="red"),
                Text(hold["by"]),
                Text(hold["message"] or ""),
                Text(f"requested by {requested['by']}: {requested['resolution']}" if requested else "not requested"),
            )
        )
    moving = (Column(name, may_move=True) for name in ("by", "message", "reactivation"))
    columns = (Column("since"), Column("reason"), *moving)
    return Listing(columns, rows, title="Holds")


def _profile(name: str, profile: dict[str, Any] | None) -> str:
    if profile is None:
        return f"{name}, of which nothing is known yet"
    expires = f" until {profile['expiresAt']}" if profile["expiresAt"] else ""
    return f"{name} ({profile['kind']}, {profile['state']}{expires})"


def _closure(closure: dict[str, Any] | None, blockers: Sequence[dict[str, Any]]) -> str:
    blocked = f"blocked by {', '.join(one['reason'] for one in blockers)}" if blockers else ""
    if closure is None:
        return f"not requested; {blocked}" if blocked else ""
    reason = f": {closure['reason']}" if closure["reason"] else ""
    requested = f"requested by {closure['by']} at {closure['requestedAt']}{reason}"
    return f"{requested}; {blocked}" if blocked else requested


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _leaves(inner, f"{path}.{name}" if path else name)
        case list():
            for index, inner in enumerate(value):
                yield from _leaves(inner, f"{path}[{index}]")
        case None:
            return
        case _:
            yield path, value
