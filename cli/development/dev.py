"""`whopays dev`: a whole installation on this machine, in the foreground."""

import asyncio
import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from cli.development.servers import prepare, servers
from cli.terminal.failures import reaching
from cli.terminal.installation import HOME, RUNNING, remembered, warn_of_unknown_variables
from cli.terminal.layout import copyable
from cli.terminal.output import print_json_line
from cli.terminal.screen import console, error_console, put
from workers.process import run_roles
from workers.runtime.logs import set_up_logs
from workers.runtime.roles import ALL_ROLES
from workers.runtime.settings import Settings

DATA = HOME / "dev"
SECURE_DATA = HOME / "dev-secure"
"""A separate data folder: users cannot be added to a Kafka that was created without any."""

_TRY = (
    "whopays tail",
    "whopays dev token alice --role account-admin --organization acme --out .whopays/token",
    "export WHOPAYS_TOKEN_FILE=.whopays/token",
    "whopays send CreateAccount --organization acme account=main currencyCode=EUR paymentTerms.netDays=30",
    "whopays account acme main",
)


def dev(*, data_dir: Path, reset: bool, secure: bool, as_json: bool) -> None:
    """Run a whole installation on this machine until Ctrl-C."""
    said = of_a_development(Settings())
    warn_of_unknown_variables()
    set_up_logs(said)
    # A broker that has just started has no group coordinator yet, which the client logs as an error on each attempt.
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.CRITICAL)
    report = _say
    folder = SECURE_DATA if secure and data_dir == DATA else data_dir
    running = servers(said, folder, report, reset=reset, secure=secure)
    with _sigterm_interrupts(), suppress(KeyboardInterrupt), running as settings:
        with reaching(settings):
            asyncio.run(prepare(settings, report))
            with remembered(settings) as is_found:
                if not is_found:
                    report(
                        f"Another whopays dev runs in this folder: the commands here keep talking to it ({RUNNING}).\n"
                        "To reach this one, set WHOPAYS_DATABASE_URL and WHOPAYS_KAFKA_BOOTSTRAP_SERVERS as it says."
                    )
                asyncio.run(run_roles(settings, ALL_ROLES, on_ready=lambda: announce(settings, as_json=as_json)))
        report("Stopping ...")


def of_a_development(said: Settings) -> Settings:
    """Return the settings with human-readable logs and checked tokens, unless they are set otherwise."""
    defaults = {"log_format": "console", "auth": "jwt"}
    return said.model_copy(update={name: one for name, one in defaults.items() if name not in said.model_fields_set})


def announce(settings: Settings, *, as_json: bool) -> None:
    """Print the variables with which other folders find the installation, and what to try."""
    lent = settings.model_dump(mode="json", include={"issuers"})
    addresses = {
        "WHOPAYS_DATABASE_URL": settings.database_url,
        "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "WHOPAYS_AUTH": str(settings.auth),
        **_security(settings),
        **({"WHOPAYS_ISSUERS": json.dumps(lent["issuers"])} if settings.auth == "jwt" else {}),
    }
    if as_json:
        print_json_line(addresses)
        return
    screen = console()
    for name, value in addresses.items():
        # Not wrapped, so that it can be pasted.
        put(screen, Text(f"export {name}='{value}'", no_wrap=True))
    lines: tuple[RenderableType, ...] = (
        Text("whopays is ready. Ctrl-C stops it; its data stays.", style="bold green"),
        f"In another terminal, in this folder, the commands find it by themselves ({RUNNING});",
        "elsewhere, paste the lines above first. Try:",
        *(copyable(line) for line in _TRY if settings.auth == "jwt" or "token" not in line),
    )
    put(screen, *lines)


def _security(settings: Settings) -> dict[str, str]:
    """Return the variables with which another client connects to a secure Kafka as the same user."""
    if settings.kafka_ssl_ca_location is None:
        return {}
    password = Path(settings.kafka_ssl_ca_location).with_name(f"{settings.kafka_sasl_username}.password")
    return {
        "WHOPAYS_KAFKA_SECURITY_PROTOCOL": settings.kafka_security_protocol,
        "WHOPAYS_KAFKA_SSL_CA_LOCATION": settings.kafka_ssl_ca_location,
        "WHOPAYS_KAFKA_SASL_MECHANISM": str(settings.kafka_sasl_mechanism),
        "WHOPAYS_KAFKA_SASL_USERNAME": str(settings.kafka_sasl_username),
        "WHOPAYS_KAFKA_SASL_PASSWORD_FILE": str(password),
    }


def _say(message: str) -> None:
    put(error_console(), Text(message, style="dim", no_wrap=True))


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Make SIGTERM act like Ctrl-C, even while the servers start."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
