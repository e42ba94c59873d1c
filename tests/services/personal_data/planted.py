"""Personal data and card numbers to plant wherever a producer may put them, rightly or wrongly."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from schemas.topics import Topic
from tests.support.messages import Said, account, command, profile, project

CONTACT: dict[str, Any] = {
    "name": "Xanthippe Quillfeather",
    "emails": ["xanthippe@zebrafinch.example", "grüße@zebrafinch.example"],
    "phone": "+41445559173",
    "address": {
        "line1": "Grottenolmweg 77b",
        "line2": "Hinterhaus Wespennest",
        "postalCode": "ZQ-98231",
        "city": "Obernarrenbach",
        "country": "CH",
    },
    "accountingContact": {"name": "Zoë Größenwahn", "emails": ["balthazar@zuckerkandl.example"]},
    "language": "de-CH",
}
WORDS = (
    "Quillfeather", "xanthippe", "zebrafinch", "grüße", "1445559173", "Grottenolmweg", "Wespennest", "ZQ-98231",
    "Obernarrenbach", "Größenwahn", "balthazar", "zuckerkandl",
)  # fmt: skip
"""What must be found nowhere: distinctive parts of the contact, and of the malformed ones."""

CARDS = ("4111111111111111", "5555 5555 5555 4444", "3782-822463-10005")
CARD_NUMBERS = (*CARDS, "5555555555554444", "378282246310005")

FAULTY_TO_READ, FAULTY_TO_KEEP = "faulty-to-read", "faulty-to-keep"
"""Organizations whose commands make the service fail, see faulty_worker.py."""


def contacts_that_are_kept() -> list[Said]:
    """Return commands that are applied: accounts `a` and `b` of acme have the contact afterwards."""
    return [
        account("acme", "a", contact=CONTACT),
        account("acme", "b", binary=True),
        command("UpdateAccount", "update-b", "acme", account="b", contact=CONTACT),
        command("UpdateAccount", "rehearsed", "acme", account="b", contact=CONTACT | {"language": "fr"}, dryRun=True),
        command("CreateAccount", "rehearsed-2", "acme", account="c", contact=CONTACT, dryRun=True, binary=True),
    ]


TOKEN_HEADERS = ("authorization", "Authorization", "ce_authorization", "CE_AUTHORIZATION")
"""Headers whose values are never kept or shown."""


def refused_commands() -> list[Said]:
    """Return commands with the contact that are answered `Rejected`, at each stage."""
    stages = [
        command("UpdateAccount", "nobody", "acme", account="a", contact=CONTACT, ce_authid=None),
        command("UpdateAccount", "nobody-2", "acme", account="a", contact=CONTACT, ce_authid="system:me"),
        command("UpdateAccount", "update-b", "acme", account="b", contact=CONTACT | {"language": "it"}),
        command("UpdateAccount", "late", "acme", account="b", contact=CONTACT, ce_expirytime="2001-01-01T00:00:00Z"),
        command("InviteContact", "unknown", "acme", account="a", contact=CONTACT),
        command("UpdateAccount", "shape", "acme", account="a", contact=CONTACT, currencyCode="euro"),
        command("BindProject", "elsewhere", "acme", project="web", account="a", contact=CONTACT),
        command("UpdateAccount", "misspelt", "acme", account="a", contakt=CONTACT),
        command("UpdateAccount", "deeper", "acme", account="a", preferences={"contact": CONTACT}),
        account("acme", "a", contact=CONTACT, ce_id="exists"),
        command("UpdateAccount", "absent", "acme", account="z", contact=CONTACT),
    ]
    malformed = [
        command("UpdateAccount", f"malformed-{number}", "acme", account="a", contact=contact)
        for number, contact in enumerate(_malformed_contacts())
    ]
    return stages + malformed


def unanswerable_commands() -> list[Said]:
    """Return records of the command topic with the contact that become dead letters."""
    good = command("UpdateAccount", "good", "acme", account="a", contact=CONTACT)
    value = good.value or b""
    named = orjson.dumps({"specversion": "1.0", "data": {"organization": CONTACT["name"], "contact": CONTACT}})
    twice = orjson.dumps(CONTACT["address"])[:-1] + b',"Grottenolmweg":1,"Grottenolmweg":2}'
    return [
        replace(good, value=value + b"}"),
        replace(good, value=value[:-20]),
        replace(good, value=value + b"\xff"),
        replace(good, value=value.decode().encode("utf-16")),
        replace(good, value=b"\xef\xbb\xbf" + value),
        replace(good, value=value.replace(orjson.dumps(CONTACT["address"]), twice)),
        replace(good, value=value[:-1] + b',"filler":"' + b"x" * 300_000 + b'"}'),
        replace(good, value=named, key=None),
        command("UpdateAccount", "old", "acme", account="a", contact=CONTACT, ce_specversion="0.3"),
        command("UpdateAccount", "", "acme", account="a", contact=CONTACT),
        replace(project("acme", "web", contact=CONTACT), topic=Topic.ADMIN_COMMANDS),
        replace(good, value=in_base64(value)[:-1]),
        replace(good, value=in_base64(value, data_base64="!")),
        replace(good, value=in_base64(value, data={})),
        *(replace(good, value=b"{", headers=((name, str(CONTACT["name"]).encode()),)) for name in TOKEN_HEADERS),
        command("UpdateAccount", "fault", FAULTY_TO_READ, account="a", contact=CONTACT),
        account(FAULTY_TO_KEEP, "a", contact=CONTACT),
    ]


def in_base64(event: bytes, **changed: Any) -> bytes:
    """Return an event with its data in base64."""
    attributes = orjson.loads(event)
    data = orjson.dumps(attributes.pop("data"))
    return orjson.dumps(attributes | {"data_base64": b64encode(data).decode()} | changed)


def facts() -> list[Said]:
    """Return facts with the contact in a member that they do not have: it is ignored."""
    return [
        project("acme", "web", contact=CONTACT),
        project("acme", "web", contact=CONTACT),
        project("acme", "api", binary=True, contact=CONTACT),
        profile("acme", contact=CONTACT),
    ]


def card_numbers() -> Iterator[Said]:
    """Yield commands and facts with card numbers, good and bad ones."""
    for number, card in enumerate(CARDS):
        identity = f"card-{number}"
        yield command("SuspendAccount", identity, "acme", account="a", reason="Administrative", message=card)
        yield command("UpdateAccount", f"{identity}-c", "acme", account="a", contact=CONTACT | {"name": card})
        yield command("UpdateAccount", f"{identity}-m", "acme", account="a", contact={card: card})
        named: dict[str, Any] = {card: {card: [card]}}
        yield command("UpdateAccount", f"{identity}-n", "acme", account="a", **named)
        yield command("AttachPaymentProfile", f"{identity}-p", "acme", account="a", paymentProfile=card)
        yield command("ChargeCard", f"{identity}-u", "acme", binary=True, number=card)
        yield command("UpdateAccount", "", "acme", account="a", displayName=card)
        yield command("UpdateAccount", f"{identity}-o", "", account="a", displayName=card)
        carded = project("acme", f"p-{number}", displayName=card)
        yield replace(carded, key=card.encode(), headers=(("reference", card.encode()),))
        yield project("acme", f"q-{number}", binary=True, displayName=card, state="Asleep")
        yield profile("acme", f"c-{number}", reference=card)
        yield profile("acme", f"d-{number}", reference=card, ce_type="io.milo.billing.Other.v1")
        yield profile("acme", f"e-{number}", reason=card, ce_id=None)
        yield profile("acme", card)
        yield project("acme", f"r-{number}", unknown={card: 1})
        large = project("acme", f"s-{number}", displayName=card, filler="x" * 300_000)
        yield large
        encoded = project("acme", f"t-{number}", displayName=card)
        yield replace(encoded, value=in_base64(encoded.value or b""))
        yield replace(encoded, value=in_base64(encoded.value or b"")[:-1])
        yield replace(encoded, value=in_base64(encoded.value or b"", data={}))
        sent = command("UpdateAccount", f"{identity}-b", "acme", account="a", displayName=card)
        yield replace(sent, value=in_base64(sent.value or b""))
        yield replace(large, topic=Topic.ADMIN_COMMANDS)
        yield from (
            replace(carded, topic=topic, value=value)
            for topic in (Topic.PROJECTS, Topic.PAYMENT_PROFILES, Topic.ADMIN_COMMANDS)
            for value in _broken(carded.value or b"")
        )


def hashes_of_card_numbers() -> list[bytes]:
    """Return the hashes of the card numbers and of the records that hold them."""
    wholes = [said.value or b"" for said in card_numbers() if said.topic is not Topic.ADMIN_COMMANDS]
    return [hashlib.sha256(one).digest() for one in (*map(str.encode, CARD_NUMBERS), *wholes)]


def _broken(value: bytes) -> tuple[bytes, ...]:
    escaped = value.replace(b"4111", b"\\u0034111")
    return value[:-1], b'"' + value, b"\xef\xbb\xbf" + value, value.decode().encode("utf-16"), escaped[:-1]


def _malformed_contacts() -> Iterator[Any]:
    yield CONTACT["name"]
    yield [CONTACT]
    yield CONTACT | {"Quillfeather": "Xanthippe"}
    yield CONTACT | {"address": CONTACT["address"] | {"Grottenolmweg": 77}}
    yield CONTACT | {"accountingContact": {"zuckerkandl": {"balthazar": 1}}}
    yield CONTACT | {"address": CONTACT["address"]["line1"]}
    yield CONTACT | {"address": CONTACT["address"] | {"country": "Obernarrenbach"}}
    yield CONTACT | {"address": CONTACT["address"] | {"city": None}}
    yield CONTACT | {"emails": "xanthippe@zebrafinch.example"}
    yield CONTACT | {"emails": ["xanthippe(at)zebrafinch.example", {"zebrafinch": 1}, "xanthippe@@zebrafinch"]}
    yield CONTACT | {"emails": []}
    yield CONTACT | {"phone": "+41 44 555 91 73 1445559173"}
    yield CONTACT | {"phone": 41445559173}
    yield CONTACT | {"language": "Quillfeather"}
    yield CONTACT | {"name": "Quillfeather\x07"}
    yield CONTACT | {"name": "Quillfeather" * 100}
    yield {"name": CONTACT["name"]}
    yield {"xanthippe/zebrafinch~Quillfeather": CONTACT}
