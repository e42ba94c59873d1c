"""`whopays serve`: answers questions over HTTP."""

from importlib.util import find_spec

import typer

from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json_line
from workers.runtime.logs import set_up_logs

_NEEDED = ("fastapi", "httptools", "uvicorn", "uvloop")


def serve(*, address: str | None, port: int | None, as_json: bool) -> None:
    """Answer questions over HTTP until SIGTERM or Ctrl-C."""
    insist_on_packages()
    from service.serving import run  # noqa: PLC0415 - needs those packages

    said = {"serve_address": address, "serve_port": port}
    settings = load_settings().model_copy(update={name: value for name, value in said.items() if value is not None})
    set_up_logs(settings)

    def announce(where: str) -> None:
        if as_json:
            print_json_line({"url": where})
        else:
            typer.echo(f"whopays answers at {where}. Ctrl-C stops it.")

    with reaching(settings):
        run(settings, announce)


def insist_on_packages() -> None:
    """Raise CommandFailed if the packages of the HTTP server are not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise CommandFailed(
            f"Answering over HTTP needs packages that are not installed ({', '.join(missing)}).\n"
            "Install whopays with its extra, in its checkout: pip install '.[serve]'"
        )
