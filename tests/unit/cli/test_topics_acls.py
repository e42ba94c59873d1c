"""`whopays topics acls`: the lines for Kafka's own command, for each party and the principal that it is."""

import pytest
from typer.testing import CliRunner, Result

from cli.program import app
from workers.runtime.settings import Settings
from workers.topics.acls import Party, allowed, as_commands


def _asked(*words: str) -> Result:
    return CliRunner().invoke(app, ("topics", "acls", *words), env={"WHOPAYS_KAFKA_BOOTSTRAP_SERVERS": "kafka:1"})


def _principals(ran: Result) -> dict[str, list[str]]:
    """Return the principals of the printed lines, by the title that is printed above them."""
    found: dict[str, list[str]] = {}
    for block in ran.stdout.removeprefix("# ").split("\n# "):
        title, *lines = block.splitlines()
        found[title] = [line.split("--allow-principal ")[1].split(" ")[0] for line in lines]
    return found


def test_every_party_is_a_user_of_its_own_name_unless_said() -> None:
    ran = _asked()
    assert ran.exit_code == 0
    found = _principals(ran)
    assert list(found) == [f"{party}: User:{party}" for party in Party]
    for party, lines in zip(Party, found.values(), strict=True):
        assert set(lines) == {f"User:{party}"}


def test_only_the_parties_that_are_named() -> None:
    found = _principals(_asked("--principal", "relay=User:r", "--principal", "workers=Group:w"))
    assert {title: set(lines) for title, lines in found.items()} == {
        "relay: User:r": {"User:r"}, "workers: Group:w": {"Group:w"}
    }  # fmt: skip


@pytest.mark.parametrize("party", Party)
def test_each_right_of_a_party_is_a_line(party: Party) -> None:
    settings = Settings(kafka_bootstrap_servers="kafka:1", topic_prefix="p.")
    lines = as_commands(party, "User:x", settings, client_config=None)
    configured = as_commands(party, "User:x", settings, client_config="my file")
    assert len(lines) == len(allowed(party, settings))
    for line, other, right in zip(lines, configured, allowed(party, settings), strict=True):
        assert line.startswith("kafka-acls.sh --bootstrap-server kafka:1 --add --allow-principal User:x --operation ")
        assert other == line.replace(" --add", " --command-config 'my file' --add")
        assert line.count("--operation") == len(right.operations)


@pytest.mark.parametrize(
    ("words", "said"),
    (
        ("king=User:x", "There is no party 'king'. Parties are: resource-manager, payments, "),
        ("relay", "names no principal. Write it as --principal relay=User:relay"),
        ("relay=", "names no principal"),
        ("relay=x", "names no principal"),
        ("relay=:x", "names no principal"),
        ("relay=User:", "names no principal"),
    ),
)
def test_what_names_no_party_or_principal(words: str, said: str) -> None:
    ran = _asked("--principal", words)
    assert ran.exit_code == 1
    assert said in ran.stderr
    assert ran.stdout == ""
