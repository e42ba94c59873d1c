"""`whopays dev token`: a token of the issuer that a `whopays dev` created."""

import re
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from cli.development.issuer import DevIssuer, write_secret
from cli.sending.rights import DEV_ISSUER
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.installation import running_here
from schemas.askers import Role, grants_of
from schemas.people import is_authid, is_system
from schemas.tokens import LARGEST_TOKEN_BYTES

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def token(
    person: str,
    *,
    roles: Sequence[str],
    organizations: Sequence[str],
    lists: Mapping[str, Sequence[str] | None],
    valid_for: str,
    out: Path | None,
    data_dir: Path,
) -> None:
    """Print a token, or write it to a file that only its owner may read."""
    if not is_authid(person) or is_system(person):
        raise Misused(f"{person!r} is not the name of a person: 1 to 256 visible characters, and not system:...")
    unknown = [role for role in roles if role not in set(Role)]
    if unknown:
        raise Misused(f"--role {unknown[0]}: there is no such role. Known are {', '.join(Role)}.")
    seconds = seconds_of(valid_for)
    grants = _grants(roles, organizations, lists)
    made = DevIssuer(_folder(data_dir)).token(person, grants, seconds)
    if len(made) > LARGEST_TOKEN_BYTES:
        raise Misused(f"The token would have {len(made)} bytes, of which {LARGEST_TOKEN_BYTES} are read. Grant less.")
    if out is None:
        sys.stdout.write(made + "\n")
        return
    try:
        write_secret(out, made)
    except OSError as error:
        raise CommandFailed(f"--out {out}: cannot be written ({error.strerror}).") from None


def _grants(
    roles: Sequence[str], organizations: Sequence[str], lists: Mapping[str, Sequence[str] | None]
) -> list[dict[str, Any]]:
    """Return the grants: each role in each organization. Raises Misused for one without effect."""
    narrowed = {
        kind: [name for word in words for name in word.split(",")] for kind, words in lists.items() if words is not None
    }
    grants = [
        {"organization": organization, "role": role, **narrowed} for organization, role in product(organizations, roles)
    ]
    if grants_of(grants)[1]:
        raise Misused(
            "This would grant nothing: an organization is a name or *; accounts, projects and payment profiles are "
            "names, of which a * at the end stands for the rest."
        )
    return grants


def seconds_of(said: str) -> int:
    """Parse a duration such as `90s` or `7d` into seconds. Raises Misused."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", said)
    if found is None:
        raise Misused(f"--valid-for {said}: say it as 90s, 30m, 8h or 7d.")
    return int(found[1]) * _SECONDS[found[2]]


def _folder(data_dir: Path) -> Path:
    """Return the folder with the key: that of the `whopays dev` running in this folder, else the data folder."""
    issuer = running_here().get("issuers", {}).get(DEV_ISSUER)
    return Path(issuer["jwks"]).parent if issuer else data_dir
