"""Names that are asked for are looked up only where something could have them: no other reaches a statement."""

import pytest

from schemas.identifiers import LONGEST_IDENTIFIER
from service.kubernetes.finding import _can_be
from service.kubernetes.resources import (
    ACCOUNT,
    BILLING_ACCOUNT_BINDINGS,
    BILLING_ACCOUNTS,
    NAME,
    PROJECT,
    PROJECTS,
    Resource,
)
from service.kubernetes.selectors import read_selection

_LONGEST = "a" * LONGEST_IDENTIFIER


@pytest.mark.parametrize("resource", (BILLING_ACCOUNTS, PROJECTS))
@pytest.mark.parametrize(
    ("name", "can_be"), (("main", True), (_LONGEST, True), (f"{_LONGEST}-1", False), ("Main", False))
)
def test_accounts_and_projects_are_named_as_such(resource: Resource, name: str, can_be: bool) -> None:
    assert _can_be(resource, read_selection(resource, f"{NAME}={name}", "")) == can_be


@pytest.mark.parametrize(
    ("asked", "can_be"),
    (
        (f"{NAME}=web-1", True),
        (f"{NAME}={_LONGEST}-1", True),
        (f"{NAME}=web", False),
        (f"{NAME}=Web-1", False),
        (f"{PROJECT}=web,{ACCOUNT}=main", True),
        (f"{PROJECT}=Web", False),
        (f"{ACCOUNT}=Main", False),
    ),
)
def test_bindings_are_named_after_a_project_and_a_number(asked: str, can_be: bool) -> None:
    selection = read_selection(BILLING_ACCOUNT_BINDINGS, asked, "")
    assert _can_be(BILLING_ACCOUNT_BINDINGS, selection) == can_be
