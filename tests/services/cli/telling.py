"""An organization in which something has happened, for all tests that ask about it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.instants import format_instant
from tests.services.cli.test_send import CARD, TERMS, send
from tests.support.command_line import Whopays

FORMULA, QUOTED = '=HYPERLINK("https://x.example")', '"The site", of München'


@dataclass(frozen=True)
class Told:
    """What happened in the organization `told`.

    `changes` are the instants at which `web` got a payer: main, lab, and main again. `api` is paid by lab; nobody ever
    paid for `idle`, and `gone` is deleted. The account `draft` has no payment profile. `after` is later than all.
    """

    changes: tuple[str, ...]
    after: str


async def tell(whopays: Whopays) -> Told:
    """Let it happen."""
    for words in (
        ("CreateAccount", "account=main", *TERMS, f"displayName={FORMULA}"),
        ("CreateAccount", "account=lab", *TERMS),
        ("CreateAccount", "account=draft", *TERMS[:-1]),
        CARD,
        *(("ProjectChanged", f"project={name}", "state=Active", "version=1") for name in ("gone", "idle")),
        ("ProjectChanged", "project=api", "state=Active", "version=1", f"displayName={FORMULA}"),
        ("ProjectChanged", "project=gone", "state=Deleted", "version=2"),
        ("ProjectChanged", "project=web", "state=Active", "version=1", f"displayName={QUOTED}"),
        ("BindProject", "project=api", "account=lab"),
        *(("BindProject", "project=web", f"account={account}") for account in ("main", "lab", "main")),
    ):
        await send(whopays, "told", *words)
    payers = (await whopays("timeline", "told", "web", "--json")).expect(0).document["items"]
    return Told(tuple(one["establishedAt"] for one in payers), format_instant(datetime.now(UTC)))
