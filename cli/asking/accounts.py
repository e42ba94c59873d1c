"""An account, shown."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.terminal.describing import coloured


def show_account(console: Console, account: dict[str, Any], history: Sequence[dict[str, Any]]) -> None:
    """Print an account: its state, the conditions that explain its phase, its holds and the phases it entered."""
    title = f"{account['organization']}/{account['account']}"
    console.print(Panel(_state(account), title=Text(title, style="bold"), title_align="left"))
    conditions = _table("Conditions", "since", "type", "status", "reason", "message")
    for condition in account["conditions"]:
        conditions.add_row(
            condition["lastTransitionTime"],
            Text(condition["type"]),
            coloured(condition["status"]),
            Text(condition["reason"]),
            Text("" if condition["status"] == "True" else condition["message"]),
        )
    console.print(conditions)
    if account["holds"]:
        console.print(_holds(account["holds"]))
    for title, member in (("Preferences", "preferences"), ("Contact (personal data)", "contact")):
        if account.get(member):
            console.print(_details(title, account[member]))
    phases = _table("History", "since", "phase", "reason", "by", "caused by")
    for entry in history:
        change = Text.assemble(f"{entry['from'] or 'new'} → ", coloured(entry["to"]))
        phases.add_row(entry["at"], change, Text(entry["reason"]), Text(entry["by"]), Text(entry["causedBy"]))
    console.print(phases)


def _state(account: dict[str, Any]) -> Table:
    terms = account["paymentTerms"]
    balance = account["balance"]
    closure = account["closure"]
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim")
    lines.add_column()
    lines.add_row("phase", coloured(account["phase"]))
    for name, value in (
        ("name", account["displayName"]),
        ("currency", account["currencyCode"]),
        ("terms", terms and f"{terms['netDays']} days net, invoiced {terms['invoiceFrequency'].lower()}"),
        ("payment profile", account["paymentProfile"]),
        ("active since", account["activatedAt"]),
        ("balance", balance and f"{balance['outstanding']} {balance['currencyCode']} as of {balance['asOf']}"),
        ("closure", closure and _closure(closure)),
        ("pays for", f"{account['projects']} project{'' if account['projects'] == 1 else 's'}"),
        ("version", str(account["version"])),
        *((("contact", "none, or erased"),) if "contact" in account and account["contact"] is None else ()),
    ):
        lines.add_row(name, Text(value) if value else Text("none", style="dim"))
    return lines


def _holds(holds: Sequence[dict[str, Any]]) -> Table:
    table = _table("Holds", "since", "reason", "message", "by", "reactivation")
    for hold in holds:
        requested = hold.get("reactivation")
        table.add_row(
            hold["placedAt"],
            Text(hold["reason"], style="red"),
            Text(hold["message"] or ""),
            Text(hold["by"]),
            Text(f"requested by {requested['by']}: {requested['resolution']}" if requested else "not requested"),
        )
    return table


def _closure(closure: dict[str, Any]) -> str:
    reason = f": {closure['reason']}" if closure["reason"] else ""
    return f"requested by {closure['by']} at {closure['requestedAt']}{reason}"


def _details(title: str, members: dict[str, Any]) -> Table:
    """List what is said in members within members, each under its path."""
    table = _table(title, "member", "value")
    for path, value in _leaves(members):
        table.add_row(path, Text(str(value)))
    return table


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


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, header_style="dim", overflow="fold", no_wrap=column in {"since", "phase", "reason"})
    return table
