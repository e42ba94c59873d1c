"""Secrets that are planted in every setting, and looked for in all that is said, stored, published and listed."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest_asyncio
from sqlalchemy import make_url, text

from embedded import Addresses
from schemas.topics import Topic
from tests.services.personal_data.searching import Needles, everything
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, administer, free_port
from tests.support.kafka import published
from tests.support.serving import serving

_PASSWORD = "pl@nted/password p%of"
_WRONG = "planted-wrong-password"
_KEY = b"planted encryption key".ljust(32, b"!")
_TOKEN = "eyJhbGciOiJFZERTQSJ9.planted-token-payload.planted-token-signature"
_KAFKA = "planted-kafka-password"
_PARTS = ("planted-key-of-wrong-form", "planted-sslpassword", *_TOKEN.split(".")[1:])
NEEDLES = Needles([_PASSWORD, _WRONG, _KAFKA, *_PARTS], [_KEY])


@pytest_asyncio.fixture
async def role(services: Addresses) -> AsyncIterator[str]:
    """A role whose password is planted, and that may do what the owner of the tables may."""
    name = "planted_login"
    owner = make_url(services.database_url).username
    await administer(services, f'DROP ROLE IF EXISTS "{name}"')
    await administer(services, f'CREATE ROLE "{name}" LOGIN PASSWORD \'{_PASSWORD}\' IN ROLE "{owner}"')
    yield name
    await administer(services, f'DROP ROLE "{name}"')


def _listed_processes() -> list[tuple[str, bytes]]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((f"the command line of process {process.name}", (process / "cmdline").read_bytes()))
        except OSError:
            continue
    return found


def _provocations(user: str, place: str) -> list[dict[str, str]]:
    """Return settings that cannot work, each with a secret in it."""
    said = quote(_PASSWORD, safe="")
    return [
        *(
            {"WHOPAYS_DATABASE_URL": address}
            for address in (
                f"postgresql://{user}:{_WRONG}@{place}",
                f"postgresql://{user}:{said}@127.0.0.1:1/nothing",
                f"postgresql://{user}:{said}@127.0.0.1:1,127.0.0.1:2/nothing",
                f"postgresql://{user}:{said}@{place}?sslmode=require",
                f"postgresql://{user}:{said}@{place}?sslmode=verify-full&sslrootcert=/nowhere&sslpassword={_PARTS[1]}",
                f"postgresql://{user}:{_WRONG}@{place}?nothing={_PARTS[1]}",
                f"postgresql://{user}:{_WRONG}?{_WRONG}@{place}",
                f"postgresql://{user}:{_WRONG}:{_WRONG}@{place}",
                f"host=nowhere password={_WRONG}",
            )
        ),
        {"WHOPAYS_DATABASE_URL": f"postgresql://{user}:{said}@{place}", "WHOPAYS_DATABASE_PASSWORD": _WRONG},
        {"WHOPAYS_ENCRYPTION_KEYS": json.dumps({"a": _PARTS[0]})},
        {"WHOPAYS_ENCRYPTION_KEYS": _PARTS[0]},
        {
            "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "WHOPAYS_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "WHOPAYS_KAFKA_SASL_MECHANISM": "PLAIN",
            "WHOPAYS_KAFKA_SASL_USERNAME": "planted",
            "WHOPAYS_KAFKA_SASL_PASSWORD": _KAFKA,
        },
        {"WHOPAYS_KAFKA_SASL_MECHANISM": "PLAIN", "WHOPAYS_KAFKA_SASL_PASSWORD": _KAFKA},
    ]


async def test_no_secret_is_ever_said(quiet_installation: Installation, role: str, tmp_path: Path) -> None:
    installation, metrics = quiet_installation, free_port()
    url = make_url(installation.settings.database_url)
    place = f"{url.host}:{url.port}/{url.database}"
    token = tmp_path / "token"
    token.write_text(f"{_TOKEN}\n")
    secrets = {
        "WHOPAYS_DATABASE_URL": f"postgresql://{role}:{quote(_PASSWORD, safe='')}@{place}",
        "WHOPAYS_ENCRYPTION_KEYS": json.dumps({"planted": b64encode(_KEY).decode()}),
        "WHOPAYS_LOG_LEVEL": "DEBUG",
        "WHOPAYS_TOKEN_FILE": str(token),
    }
    worker = await installation.start(WHOPAYS_METRICS_PORT=str(metrics), **secrets)
    whopays = whopays_of(installation)
    places: list[tuple[str, bytes]] = []

    async def say(*words: str, **variables: str) -> None:
        ran = await whopays(*words, **{**secrets, **variables})
        assert ran.fault is None or isinstance(ran.fault, SystemExit), (words, variables, repr(ran.fault))
        places.append((f"what {words} says with {sorted(variables)}", f"{ran.out}\n{ran.err}".encode()))

    contact = 'contact={"name": "Ann", "emails": ["ann@acme.example"]}'
    for words in (
        ("send", "CreateAccount", "account=main", contact, "--organization", "acme", "--json"),
        ("send", "CreateAccount", "account=_", "--organization", "acme"),
        ("send", "BindProject", "--organization", "acme"),
        ("send", "ProjectChanged", "project=web", "state=Active", "version=1", "--organization", "acme", "--json"),
        ("send", "ProjectChanged", "project=web", "--organization", "acme"),
        ("account", "acme", "main", "--json"),
        ("dead-letters", "list", "--json"),
        ("migrate", "--json"),
        ("verify", "--json"),
        ("topics", "check", "--json"),
    ):
        await say(*words)
    for variables in _provocations(role, place):
        for line in ("who acme web", "migrate", "topics check"):
            await say(*line.split(), **variables)
    token.write_text("planted-token-payload and more")
    other = ("send", "CreateAccount", "account=other", "--organization", "acme")
    await say(*other)
    for program in (f"cat {token}", f"cat {token} /nowhere", f"cat {tmp_path / 'good'}"):
        _written(tmp_path / "good", _TOKEN)
        await say(*other, "--token-command", program, WHOPAYS_TOKEN_FILE="")
    async with serving(installation, **secrets) as server:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            for path in ("/v1/organizations/acme/accounts/main", "/v1/organizations/acme/events", "/readyz"):
                answer = await client.get(path, headers={"authorization": f"Bearer {_TOKEN}"})
                places.append((f"the answer to {path}", answer.content + repr(answer.headers).encode()))
        places += _listed_processes()
        await server.stop()
        places += [("a line of serve", line.encode()) for line in server.lines]
    places += await everything(installation, metrics)
    # A crash, with its traceback.
    async with installation.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE handled_records RENAME TO gone"))
    await whopays(
        "send", "CreateAccount", "account=last", "--organization", "acme", "--timeout", "0",
        **{**secrets, "WHOPAYS_TOKEN_FILE": _written(tmp_path / "again", _TOKEN)},
    )  # fmt: skip
    assert await worker.ended() == 1
    assert any("Traceback" in line or "exception" in line for line in worker.lines)
    places += [("a line of the worker that crashed", line.encode()) for line in worker.lines]
    assert NEEDLES.hidden_in(places) == []
    # The token did arrive where it belongs: what was looked for is there to be found.
    sent = await published(installation, Topic.ADMIN_COMMANDS, are_events=False)
    assert _PARTS[2] in NEEDLES.hidden_in([("x", repr(one.headers).encode()) for one in sent])[0]


def _written(path: Path, content: str) -> str:
    path.write_text(content)
    return str(path)


def test_a_token_is_never_an_argument() -> None:
    """What stands on a command line is in the list of processes and in the history of the shell."""
    from cli.program import COMMANDS, Group
    from cli.program import Unloaded as Loading

    options = {
        name
        for every in COMMANDS.values()
        for one in every
        for command in (one.commands if isinstance(one, Group) else (one,))
        for parameter in Loading(command, None).load().params
        for name in parameter.opts
    }
    assert "--token-file" in options
    secret = ("token", "password", "secret", "--key")
    named = {name for name in options if any(word in name for word in secret) and not name.endswith("-file")}
    assert named == {"--token-command"}, "the program that prints it"
