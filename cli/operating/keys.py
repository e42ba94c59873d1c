"""Commands about personal data and its encryption: their options. The implementation is imported on call."""

from typing import Annotated

import typer

from cli.terminal.ending import importing
from cli.terminal.names import Account, Organization
from cli.terminal.output import AsJson


def erase_contact(
    organization: Organization,
    account: Account,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase an account's contact permanently.

    Its data key is destroyed; the account's history stays, and no event is published. Needs no key-encryption key. It
    is not an error if there is no contact (any more).
    """
    with importing():
        from cli.operating import personal_data  # noqa: PLC0415 - see above

    personal_data.erase_contact(organization=organization, account=account, is_sure=is_sure, as_json=as_json)


def new_key(
    id_: Annotated[
        str | None, typer.Option("--id", help="The key's id.", show_default="the time, such as 20270131T120000Z")
    ] = None,
) -> None:
    """Print a new key-encryption key.

    It is printed as the JSON that WHOPAYS_ENCRYPTION_KEYS takes, and stored nowhere. To replace a key, put the new one
    beside the old one in that JSON: see docs/operations.md.
    """
    with importing():
        from cli.operating import personal_data  # noqa: PLC0415 - see above

    personal_data.new_key(id_=id_)


def rewrap_keys(as_json: AsJson = False) -> None:
    """Wrap all data keys under the active key.

    These are the keys of contacts and of sealed dead letters; afterwards no other key-encryption key is needed. May be
    interrupted and repeated, also while the workers run.
    """
    with importing():
        from cli.operating import personal_data  # noqa: PLC0415 - see above

    personal_data.rewrap_keys(as_json=as_json)
