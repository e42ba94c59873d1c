"""`whopays token check` and `whopays roles`: what they tell, and what they must not."""

import json
import os
import subprocess
import sys
from pathlib import Path

from schemas.commands import COMMANDS
from tests.support.packages import ROOT
from tests.support.tokens import ISSUER, SigningKey, TokenIssuer

_SILENT = {name: value for name, value in os.environ.items() if not name.startswith("WHOPAYS_")}
_GRANTS = ({"organization": "acme", "role": "viewer", "accounts": ["main", "eu-*"]}, {"organization": "acme"})


def _whopays(*words: str, given: bytes = b"", folder: Path = ROOT, **variables: str) -> tuple[int, str, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        input=given,
        capture_output=True,
        env={**_SILENT, **variables, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


def test_a_token_that_holds_is_explained(issuer: TokenIssuer, tmp_path: Path) -> None:
    token = issuer.token("alice", _GRANTS, exp=1_900_000_000, command={"source": "/ci", "id": "c1"})
    (tmp_path / "token").write_bytes(token + b"\n")
    issuers = json.dumps(issuer.configured)
    status, out, err = _whopays("token", "check", "token", "--json", folder=tmp_path, WHOPAYS_ISSUERS=issuers)
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "holds": True,
        "person": "alice",
        "issuer": ISSUER,
        "expires": "2030-03-17T17:47:40.000000Z",
        "command": {"source": "/ci", "id": "c1"},
        "grants": [{"organization": "acme", "role": "viewer", "accounts": ["main", "eu-*"]}],
        "ignoredGrants": 1,
    }
    status, out, err = _whopays("token", "check", given=token, folder=tmp_path, WHOPAYS_ISSUERS=issuers)
    assert status == 0, err
    assert "viewer in acme: accounts main, eu-*" in out
    assert "1 grant of an unknown form" in out
    assert "the command c1 of /ci alone" in out
    assert not any(part in out + err for part in token.decode().split("."))


def test_a_token_that_is_refused_is_explained(issuer: TokenIssuer, tmp_path: Path) -> None:
    token = issuer.token(key=SigningKey(key_id="first"))
    status, out, err = _whopays("token", "check", given=token, WHOPAYS_ISSUERS=json.dumps(issuer.configured))
    assert (status, err) == (1, "")
    assert out == "The token is refused: the token's signature is not its issuer's.\n"


def test_a_token_as_an_argument_is_not_repeated(issuer: TokenIssuer) -> None:
    token = issuer.token().decode()
    status, out, err = _whopays("token", "check", token)
    assert (status, out) == (2, "")
    assert "never the token itself" in err
    assert not any(part in err for part in token.split("."))


def test_every_command_is_in_the_table_of_roles() -> None:
    status, out, err = _whopays("roles", "--json")
    assert (status, err) == (0, "")
    table = {one["command"]: one["needs"] for one in json.loads(out)["commands"]}
    assert table.keys() == COMMANDS.keys()
    project = {"anyOf": ["project-owner"], "field": "/project", "of": "projects", "onlyIfNamed": False}
    account = {"anyOf": ["account-user", "account-admin"], "field": "/account", "of": "accounts", "onlyIfNamed": False}
    assert table["BindProject"] == [project, account]
    suffices = {"where": "/reason", "is": "PaymentFailure", "roles": ["payments"]}
    assert table["SuspendAccount"][0]["alsoAnyOf"] == suffices
    assert table["SetDefaultAccount"][0]["of"] == "organization"
