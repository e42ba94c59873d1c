"""How a project is shown: its payer, and scheduled and waiting bindings."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from cli.terminal.layout import Card, details


def project_card(project: dict[str, Any]) -> Card:
    """Render a project, given as `whopays project --json` prints it."""
    title = Text(f"{project['organization']}/{project['project']}", style="bold")
    return Card(title, [details(_lines(project))], "cyan")


def _lines(project: dict[str, Any]) -> Iterator[tuple[str, Text]]:
    yield "state", Text(f"{project['state']}, version {project['version']}")
    for label, member in (("name", "displayName"), ("uid", "uid")):
        if member in project:
            yield label, Text(project[member])
    payer, scheduled = project["payer"], project["scheduled"]
    if payer is None:
        yield "paid by", Text("nobody", style="dim")
    else:
        yield "paid by", Text.assemble((payer["account"], "bold"), f" since {payer['establishedAt']}")
        yield "binding", Text(payer["bindingId"])
    if scheduled is not None:
        yield "scheduled", _to_come(scheduled, "from", scheduled["effectiveAt"])
    for one in project["waiting"]:
        yield "waiting", _to_come(one, "until", one["until"])


def _to_come(one: dict[str, Any], when: str, instant: str) -> Text:
    by = f"command {one['commandId']} from {one['commandSource']}"
    return Text.assemble((one["account"], "bold"), f" {when} {instant} ({by})")
