"""What it costs to verify a token: processor time of the first time, of each time after that, and of a forged one.

python -m benchmarks.verifying
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.askers import Unidentified
from tests.support.tokens import SigningKey, TokenIssuer, bearing
from workers.runtime.logs import set_up_logs
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens

_ALGORITHMS = ("Ed25519", "ES256", "RS256", "PS256")
_GRANTS = (
    {"organization": "acme", "role": "account-admin", "accounts": ["main", "eu-*"]},
    {"organization": "acme", "role": "project-owner"},
)


def main(
    count: Annotated[int, typer.Option(min=1, help="Tokens of each algorithm, and as many forged ones.")] = 1_000,
) -> None:
    """Print the microseconds of processor time for a token of each algorithm."""
    set_up_logs(Settings(log_level="WARNING"))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), count))


async def _microseconds(tokens: Tokens, sent: Sequence[bytes], *, holds: bool) -> float:
    """Return the processor time of a token of these."""
    at = datetime.now(UTC)
    headers = [bearing(token) for token in sent]
    began = time.process_time()
    found = [await tokens.verify(one, at) for one in headers]
    took = time.process_time() - began
    assert all(isinstance(one, Unidentified) is not holds for one in found)
    return took / len(sent) * 1e6


async def _measure(folder: Path, count: int) -> None:
    print(f"{'alg':8} {'bytes':>6} {'first, µs':>10} {'again, µs':>10} {'forged, µs':>10}")
    for algorithm in _ALGORITHMS:
        issuer = TokenIssuer(folder, f"https://{algorithm.lower()}.example", SigningKey(algorithm))
        forger = SigningKey(algorithm)
        sent = [issuer.token(f"person-{number}", _GRANTS) for number in range(count)]
        forged = [issuer.token(f"person-{number}", _GRANTS, key=forger) for number in range(count)]
        async with Tokens(Settings(auth="jwt", issuers=issuer.configured)) as tokens:
            await tokens.verify(bearing(issuer.token()), datetime.now(UTC))
            first = await _microseconds(tokens, sent, holds=True)
            again = await _microseconds(tokens, sent, holds=True)
            bad = await _microseconds(tokens, forged, holds=False)
        print(f"{algorithm:8} {len(sent[0]):6} {first:10.0f} {again:10.1f} {bad:10.0f}")


if __name__ == "__main__":
    typer.run(main)
