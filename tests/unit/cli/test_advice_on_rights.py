"""Whoever a `whopays dev` of this folder refuses is told which token would do, and nobody else."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.development.issuer import with_issuer
from cli.sending.rights import advice_on_rights
from cli.terminal.installation import remembered
from schemas.message_types import type_of
from schemas.topics import Topic
from workers.exchange import Message
from workers.runtime.settings import Settings


def _message(name: str, authid: str | None, **data: Any) -> Message:
    event = {"id": "c1", "source": "/cli", "type": type_of(name), "data": {"organization": "acme", **data}}
    return Message(event | ({} if authid is None else {"authid": authid}), Topic.ADMIN_COMMANDS)


def _refused(*reasons: str) -> dict[str, Any]:
    return {"data": {"violations": [{"reason": reason} for reason in reasons]}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WHOPAYS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[None]:
    """A `whopays dev` that makes tokens."""
    with remembered(with_issuer(Settings(auth="jwt"), tmp_path)):
        yield


@pytest.mark.usefixtures("dev")
@pytest.mark.parametrize(
    ("message", "words"),
    (
        (_message("BindProject", "ada"), "ada --role project-owner --role account-user --organization acme"),
        (_message("BindProject", None), "alice --role project-owner --role account-user --organization acme"),
        (_message("CreateAccount", "a b"), "'a b' --role account-admin --organization acme"),
        (_message("SuspendAccount", "ada", reason="PaymentFailure"), "ada --role payments --organization acme"),
        (_message("SuspendAccount", "ada", reason="Administrative"), "ada --role operator --organization acme"),
    ),
)
@pytest.mark.parametrize("reason", ("Unauthenticated", "Forbidden"))
def test_the_token_that_would_do(message: Message, words: str, reason: str) -> None:
    said = advice_on_rights(message, _refused("AccountNotReady", reason))
    assert said is not None
    assert said.splitlines()[1:] == [
        f"  whopays dev token {words} --out .whopays/token",
        "  export WHOPAYS_TOKEN_FILE=.whopays/token",
    ]


@pytest.mark.usefixtures("dev")
@pytest.mark.parametrize("result", (None, {"data": {}}, _refused(), _refused("AccountNotReady")))
def test_what_a_token_would_not_change(result: dict[str, Any] | None) -> None:
    assert advice_on_rights(_message("BindProject", "ada"), result) is None


def test_where_no_dev_runs(tmp_path: Path) -> None:
    assert advice_on_rights(_message("BindProject", "ada"), _refused("Forbidden")) is None
    issuers: dict[str, Any] = {"other": {"audiences": ["us"], "jwks": str(tmp_path / "keys")}}
    with remembered(Settings(issuers=issuers)):
        assert advice_on_rights(_message("BindProject", "ada"), _refused("Forbidden")) is None
