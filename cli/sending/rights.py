"""Advice for a sender who was refused by a `whopays dev`: how to get a token with the needed rights."""

import shlex
from collections.abc import Mapping
from typing import Any

from cli.terminal.installation import HOME, running_here
from domain.commands import RULES
from schemas.commands import COMMANDS
from schemas.results import Reason
from workers.exchange import Message

DEV_ISSUER = "whopays-dev"
"""The name of the issuer that `whopays dev` creates."""


def advice_on_rights(message: Message, result: Mapping[str, Any] | None) -> str | None:
    """Return how to get a sufficient token, if a `whopays dev` of this folder refused a command for lack of rights.

    The command was sent, so it has an organization.
    """
    refused = {violation["reason"] for violation in result["data"].get("violations", ())} if result else set()
    if refused.isdisjoint({Reason.UNAUTHENTICATED, Reason.FORBIDDEN}) or DEV_ISSUER not in running_here().get(
        "issuers", {}
    ):
        return None
    person = str(message.event.get("authid") or "alice")
    rights = RULES[COMMANDS[message.name]].rights
    roles = dict.fromkeys(right.roles_for(message.event["data"])[0] for right in rights)
    file = HOME / "token"
    words = [person, *(word for role in roles for word in ("--role", role)), "--organization", message.organization]
    return (
        "This whopays dev checks tokens, and issues them. Get one with the needed rights, and send the command again:\n"
        f"  whopays dev token {shlex.join(map(str, words))} --out {file}\n"
        f"  export WHOPAYS_TOKEN_FILE={file}"
    )
