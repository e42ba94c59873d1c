"""Commands about rights: their options. The implementation is imported on call."""

from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.output import AsJson


def roles(as_json: AsJson = False) -> None:
    """Show which role each command needs."""
    with importing():
        from cli.operating import role_table  # noqa: PLC0415 - see above

    role_table.roles(as_json=as_json)


def check_token(
    file: Annotated[
        str, typer.Argument(help="File that holds the token and nothing else; `-` for the standard input.")
    ] = "-",
    as_json: AsJson = False,
) -> None:
    """Say who a token is for and what it grants, or why it is refused.

    The issuers are those of WHOPAYS_ISSUERS. The token is not shown. Exit status 1 when it is refused, 2 when it could
    not be checked.
    """
    with importing():
        from cli.operating import token_check  # noqa: PLC0415 - see above

    token_check.check_token(file, as_json=as_json)
