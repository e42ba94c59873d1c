"""Questions about accounts: their state, and the history of their phases."""

from typing import Any

from db.questions.accounts import account, accounts, phases
from db.sealing import KeyEncryption, UnknownKey
from schemas.events import AccountState, Phase
from service import examples
from service.answers import JSON, Answer, answer
from service.models import AccountDetail, Page, PhaseEntered
from service.organizations import ROOT
from service.paging import PAGE, page
from service.parameters import choice
from service.problems import Problem
from service.questions import Asked, Question
from service.snapshots import snapshot
from service.waits import OF_ALL

NOT_FOUND = "There is no such account in this organization."
_PHASE = choice("phase", Phase, "Only accounts in this phase.", Phase.READY)


async def _accounts(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        items, key = await accounts(
            connection,
            asked.organization,
            phase=asked.values.get(_PHASE.name),
            limit=asked.limit,
            after=asked.after,
            reach=asked.reach,
        )
    return page(asked, items, key, found)


async def _account(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        try:
            document = await _document(asked, connection, _keys(asked))
        except UnknownKey:
            # The server lacks the contact's key: answer as if it had none.
            document = await _document(asked, connection, None)
        if document is None:
            raise Problem("AccountNotFound", NOT_FOUND)
    return answer(document, found)


async def _document(asked: Asked, connection: Any, keys: KeyEncryption | None) -> dict[str, Any] | None:
    return await account(
        connection,
        asked.organization,
        asked.names["account"],
        with_balance=asked.sees_money,
        keys=keys,
        reach=asked.reach,
    )


def _keys(asked: Asked) -> KeyEncryption | None:
    """Return the keys that decrypt the contact, if the asker may see it and the server has them."""
    return asked.state.keys if asked.sees_money else None


async def _phases(asked: Asked) -> Answer:
    async with snapshot(asked.state, asked.organization) as (connection, found):
        result = await phases(
            connection, asked.organization, asked.names["account"], limit=asked.limit, after=asked.after
        )
        if result is None:
            raise Problem("AccountNotFound", NOT_FOUND)
    items, key = result
    return page(asked, items, key, found)


QUESTIONS = (
    Question(
        name="listAccounts",
        path=f"{ROOT}/accounts",
        summary="Accounts of an organization",
        description="All accounts, archived ones too, by the bytes of their names; each as in `AccountChanged`.",
        handler=_accounts,
        models={JSON: Page[AccountState]},
        examples={JSON: examples.page_of(examples.ACCOUNT)},
        parameters=(_PHASE, *PAGE, *OF_ALL),
    ),
    Question(
        name="getAccount",
        path=f"{ROOT}/accounts/{{account}}",
        summary="An account",
        description=(
            "The account, how many projects it pays for, what it lacks to be Ready, and what blocks its closure. "
            "Balance and contact are shown only to those whom section 12 of the contract allows to see them."
        ),
        handler=_account,
        models={JSON: AccountDetail},
        examples={JSON: examples.ACCOUNT_DETAIL},
        parameters=OF_ALL,
        problems=("AccountNotFound",),
    ),
    Question(
        name="listPhases",
        path=f"{ROOT}/accounts/{{account}}/phases",
        summary="Phases of an account",
        description="Every change of the account's phase, oldest first.",
        handler=_phases,
        models={JSON: Page[PhaseEntered]},
        examples={JSON: examples.page_of(examples.PHASE)},
        parameters=(*PAGE, *OF_ALL),
        problems=("AccountNotFound",),
    ),
)
