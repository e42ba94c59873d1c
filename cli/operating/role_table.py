"""`whopays roles`: the commands and the roles that they need, from the table that authorizes them."""

from typing import Any

from rich.text import Text

from cli.terminal.layout import Column, Listing
from cli.terminal.output import print_json
from cli.terminal.screen import show
from domain.commands import RULES
from domain.rights import Right


def roles(*, as_json: bool) -> None:
    """Print each command with the rights that its sender needs."""
    rules = sorted(RULES.items(), key=lambda rule: rule[0].__name__)
    if as_json:
        commands = [{"command": one.__name__, "needs": list(map(_document, rule.rights))} for one, rule in rules]
        print_json({"commands": commands})
        return
    rows = [(Text(one.__name__), Text(", and ".join(map(_words, rule.rights)))) for one, rule in rules]
    show(Listing((Column("command"), Column("needs")), rows))


def _document(right: Right) -> dict[str, Any]:
    document: dict[str, Any] = {
        "anyOf": list(right.roles),
        "field": f"/{right.member}",
        "of": "organization" if right.kind is None else right.kind,
        "onlyIfNamed": right.only_if_named,
    }
    if right.when is not None:
        member, value, more = right.when
        document["alsoAnyOf"] = {"where": f"/{member}", "is": value, "roles": list(more)}
    return document


def _words(right: Right) -> str:
    of = "the whole organization" if right.kind is None else right.member
    words = f"{' or '.join(right.roles)} of {of}"
    if right.only_if_named:
        words += " (if named)"
    if right.when is not None:
        member, value, more = right.when
        words += f" ({' or '.join(more)} suffices where {member} is {value})"
    return words
