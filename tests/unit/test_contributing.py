"""The lists of CONTRIBUTING.md are true: each command and each field of an account stands in their places alone."""

import re
import tokenize
from dataclasses import fields
from functools import cache
from inspect import getsourcefile
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel

from domain.commands import RULES
from domain.state import Account
from schemas.commands import COMMANDS, CreateAccount, UpdateAccount
from tests.support.packages import PACKAGES, ROOT

# What commands mean beyond being decided. The command line's demo and hints send some, as anybody may.
FURTHER_PLACES = {
    "BindProject": {"domain/bindings.py", "domain/state.py"},  # one that waits is kept
    # How many a transaction moves is bounded, and the account of a result is the one that projects move to.
    "TransferProjects": {"schemas/parsing.py", "workers/batches/parts.py"},
}
SENDERS = {
    *(
        "cli/demo/",
        "cli/development/",
        "cli/drill/",
        "cli/sending/",
        "cli/asking/answered_accounts.py",
        "db/questions/",
    ),
    # What it shows of an account is a choice of the contract's.
    "service/kubernetes/",
    # Of projects, intervals and profiles; an account is described by its class.
    *("service/examples.py", "service/models.py"),
}
# Rules about fields of an account, and what else has that name.
RULES_ABOUT = {
    # A project has one, too.
    "display_name": {
        "cli/asking/listed.py", "cli/asking/listed_accounts.py", "cli/asking/project.py", "db/exports.py",
        "db/migrations/payers_of_0008.py", "db/rows.py", "domain/facts.py", "schemas/facts.py",
    },
    "preferences": {"schemas/preferences.py", "schemas/card_numbers.py", "schemas/exporting/rules.py"},
    "currency_code": {
        "cli/asking/listed.py", "cli/asking/listed_accounts.py", "db/account_rows.py", "db/exports.py",
        "domain/accounts.py", "domain/bindings.py", "domain/blockers.py",
        "domain/closure.py", "domain/phase.py", "schemas/results.py",
    },
    "payment_terms": {"domain/accounts.py", "domain/bindings.py", "domain/phase.py"},
    "payment_profile": {
        "db/audit.py", "db/load.py", "db/store.py", "domain/accounts.py", "domain/book.py", "domain/commands.py",
        "domain/facts.py", "domain/fold.py", "domain/gathering.py", "domain/knowledge.py", "domain/phase.py",
        "domain/rights.py", "domain/rules.py", "schemas/facts.py",
    },
}  # fmt: skip
_SAID = {*CreateAccount.model_fields, *UpdateAccount.model_fields} - {"organization", "account"}
SETTABLE = [field.name for field in fields(Account) if field.name in _SAID]


def _places(heading: str) -> list[str]:
    """Return the files and folders that the steps below a heading begin with."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    steps = re.findall(r"^(\d+)\. `([^`]+)`:", section, flags=re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    return [place for _, place in steps]


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _words(path: Path, *, strings: bool) -> frozenset[str]:
    """Return the identifiers of a file, and the words of its strings; of a page all words. Docstrings do not count."""
    if path.suffix != ".py":
        return frozenset(re.findall(r"\w+", _text(path)))
    found: set[str] = set()
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            is_text = strings and token.type == tokenize.STRING and not token.string.startswith('"""')
            if token.type == tokenize.NAME or is_text:
                found |= set(re.findall(r"\w+", token.string))
    return frozenset(found)


def _stands_in(place: str, names: set[str], *, strings: bool) -> bool:
    files = sorted((ROOT / place).rglob("*.py")) if place.endswith("/") else [ROOT / place]
    return any(_has(file, names, strings=strings) for file in files)


def _product_files(names: set[str], *, strings: bool) -> set[str]:
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return {str(file.relative_to(ROOT)) for file in files if _has(file, names, strings=strings)}


def _has(file: Path, names: set[str], *, strings: bool) -> bool:
    """Return whether one of the names is a word of a file; only files in which one stands somewhere are taken apart."""
    return any(name in _text(file) for name in names) and not names.isdisjoint(_words(file, strings=strings))


def _beyond(found: set[str], places: set[str]) -> set[str]:
    return {file for file in found if not any(file.startswith(place) for place in places)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_stands_in_four_places(name: str) -> None:
    places = _places("Add a command")
    assert len(places) == 4
    rule = Path(getsourcefile(RULES[COMMANDS[name]].decide) or "").relative_to(ROOT)
    listed = {str(rule) if place == "domain/" else place for place in places}
    assert [place for place in sorted(listed) if not _stands_in(place, {name}, strings=False)] == []
    assert _beyond(_product_files({name}, strings=False), listed | SENDERS) == FURTHER_PLACES.get(name, set())


@pytest.mark.parametrize("name", SETTABLE)
def test_a_field_of_an_account_stands_in_nine_places_at_most(name: str) -> None:
    places = _places("Add a field to an account")
    assert len(places) <= 9
    names = {name, to_camel(name)}
    assert [place for place in places if not _stands_in(place, names, strings=True)] == []
    assert _beyond(_product_files(names, strings=True), {*places, *SENDERS}) == RULES_ABOUT[name]


def test_every_field_that_can_be_set_is_followed() -> None:
    assert set(SETTABLE) == set(RULES_ABOUT)
    assert len(SETTABLE) >= 5
