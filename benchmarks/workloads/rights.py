"""The workload: rebinding commands whose senders' tokens are checked, beside the same from senders who are trusted.

Each has its rounds in turn. There are five people in each organization, each with a token of two grants.
"""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.contenders import measure_rebindings, whopays_contender
from benchmarks.fleet import Fleet, establish
from benchmarks.installations import Servers, installed
from benchmarks.measuring import OBSERVER, Round
from benchmarks.outcomes import verify_state
from benchmarks.report import Report, rate
from benchmarks.tokens import PEOPLE_OF_EACH, tokens_of
from benchmarks.usage import OTHERS
from benchmarks.workloads.rebinding import MEASURED
from tests.support.tokens import TokenIssuer

TRUSTED, TOKENS = "trusted", "jwt"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; there are five tokens for each organization."""

    commands: int = 20_000
    organizations: int = 200
    projects: int = 20_000
    rounds: int = 5


async def run(servers: Servers, size: Size) -> Report:
    """Measure with and without tokens in turn. Raises BenchmarkFailed, also when a single outcome is wrong."""
    with tempfile.TemporaryDirectory(prefix="whopays-bench-") as folder:
        issuer = TokenIssuer(Path(folder))
        fleet = Fleet(size.organizations, size.projects, PEOPLE_OF_EACH)
        tokens = tokens_of(fleet, issuer)
        checking = {"WHOPAYS_AUTH": "jwt", "WHOPAYS_ISSUERS": json.dumps(issuer.configured)}
        async with installed(servers, issuers=issuer.configured) as settings:
            await establish(fleet, settings)
            contenders = [
                whopays_contender(fleet, size.commands, name=TRUSTED),
                whopays_contender(fleet, size.commands, name=TOKENS, changed=checking, tokens=tokens),
            ]
            rounds: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
            for number in range(1, size.rounds + 1):
                # Whoever is second finds a larger database, and a warmer machine.
                for contender in contenders if number % 2 else reversed(contenders):
                    title = f"Round {number} of {size.rounds}: {contender.name}"
                    rounds[contender.name].append(await measure_rebindings(title, settings, contender))
            await verify_state(settings, fleet)
    with_tokens, without = rounds[TOKENS], rounds[TRUSTED]
    ratios = {
        f"commands/s, {TOKENS} / {TRUSTED}": rate(with_tokens) / rate(without),
        f"CPU per command, {TRUSTED} / {TOKENS}": _cpu_each(without) / _cpu_each(with_tokens),
        f"CPU µs more per command with {TOKENS}": (_cpu_each(with_tokens) - _cpu_each(without)) * 1e6,
    }
    return Report("rights", MEASURED, asdict(size) | {"tokens": len(tokens)}, rounds, ratios=ratios)


def _cpu_each(rounds: list[Round]) -> float:
    """Return the seconds of all processes but the observer for a command, in the median round."""
    return median(
        sum(used.cpu_seconds for name, used in one.usage.items() if name not in (OBSERVER, OTHERS)) / one.commands
        for one in rounds
    )
