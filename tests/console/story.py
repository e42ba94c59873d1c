"""What the console's tests look at: accounts in every phase, projects of every kind, refusals, dead letters, names."""

from collections.abc import Iterable

from schemas.topics import Topic
from tests.support.messages import Said, account, bind, command, profile, project

ACME = "acme"
HOSTILE = "x--" + "y" * 247 + ".9z"
"""A legal name, as long and as unusual as can be."""
MARKUP = "<img src=x onerror=alert(1)> & \"quotes\" 'too' \u05d0\u05d1\u05d2 \u202f Z\u0351\u0352\u0363"
LONG = "W" * 500
COMMAND_ID = "../a?b=c#d%2f&<script>alert(1)</script> \"'"
RESOLUTION = "all three invoices are paid"
FAR = "2099-01-01T00:00:00.123456Z"


def beginning() -> Iterable[Said]:
    """Facts that commands rest on."""
    for name in ("card", "card-lab"):
        yield profile(ACME, name)
    for name in ("web", "rocket", "api"):
        yield project(ACME, name, displayName=f"Acme's {name}", uid=f"uid-{name}")
    yield project(ACME, "lonely")
    yield project(ACME, "gone")
    yield profile(HOSTILE)
    yield project(HOSTILE, HOSTILE, displayName=MARKUP, ce_id="hostile-1")
    yield project(HOSTILE, "constructor", displayName=LONG)
    yield project(HOSTILE, "0..0--0.xn--e1afmkfd")


def accounts() -> Iterable[Said]:
    """Accounts, one after the other in every phase."""
    yield account(ACME, "main", displayName="Main account")
    yield account(ACME, "research", paymentProfile="card-lab", currencyCode="USD")
    yield account(ACME, "growth")
    yield command("CreateAccount", "create-startup", ACME, account="startup")
    yield account(ACME, "incomplete", paymentProfile="card-unknown")
    yield account(ACME, "overdue")
    yield command("SuspendAccount", "hold-1", ACME, account="overdue", reason="PaymentFailure",
                  message="three invoices are unpaid", ce_authid="ivy")  # fmt: skip
    yield command("SuspendAccount", "hold-2", ACME, account="overdue", reason="ComplianceViolation", message=MARKUP)
    yield command("RequestReactivation", "lift-1", ACME, account="overdue", resolution=RESOLUTION,
                  reasons=["PaymentFailure"], ce_authid="ada")  # fmt: skip
    yield account(ACME, "closed")
    yield command("ReportBalance", "balance-1", ACME, account="closed", outstanding="0", currencyCode="EUR",
                  asOf="2026-01-01T00:00:00Z")  # fmt: skip
    yield command("RequestClosure", "close-1", ACME, account="closed", ce_authid="ada")
    yield command("ApproveClosure", "close-2", ACME, account="closed", ce_authid="ivy")
    yield account(HOSTILE, HOSTILE, displayName=LONG, ce_id="create-hostile")
    yield account(HOSTILE, "constructor", displayName=MARKUP)


def bindings() -> Iterable[Said]:
    """Changes of payer, and commands that are refused, scheduled or wait."""
    yield bind(ACME, "web", "main", "bind-web")
    yield bind(ACME, "gone", "main", "bind-gone")
    for number, payer in enumerate(("main", "research", "growth", "research")):
        yield bind(ACME, "rocket", payer, f"bind-rocket-{number}", reason="it moves")
    yield bind(ACME, "web", "overdue", "refused-1", expectedAccount="research")
    yield bind(ACME, "web", "nobody-knows", "refused-2")
    yield bind(ACME, "web", "research", "later", effectiveAt=FAR)
    yield bind(ACME, "rocket", "startup", "patient", waitSeconds=3600)
    yield command("RequestClosure", "close-main", ACME, account="main")
    yield bind(HOSTILE, HOSTILE, HOSTILE, COMMAND_ID, reason=MARKUP)
    yield bind(HOSTILE, "constructor", "constructor", "bind-constructor")
    yield bind(HOSTILE, "constructor", "startup", f"refused {COMMAND_ID}")


def ending() -> Iterable[Said]:
    """What comes after bindings: deletions, and records that cannot be answered."""
    yield project(ACME, "gone", 2, state="Deleted")
    yield project(ACME, "api", 2, state="Inactive", displayName="Acme's api", uid="uid-api")


def unreadable() -> list[tuple[Topic, bytes, bytes]]:
    """Records that become dead letters: topic, key and value."""
    return [
        (Topic.PROJECTS, ACME.encode(), b"{this is no JSON"),
        (Topic.PAYMENT_PROFILES, ACME.encode(), b'{"specversion": "1.0"}'),
        (Topic.PROJECTS, b"<script>alert(1)</script>", b"\xff"),
    ]
