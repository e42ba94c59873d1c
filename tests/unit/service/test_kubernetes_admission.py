"""Who sees which resources: judged by the token and the request alone, before anything is looked up."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.askers import Asker, Grant, Kind, Names, Role, Verified
from service.asker import TRUSTED
from service.kubernetes.admission import Admitted, admitted
from service.kubernetes.resources import (
    ACCOUNT,
    BILLING_ACCOUNT_BINDINGS,
    BILLING_ACCOUNTS,
    NAME,
    PROJECT,
    PROJECTS,
    Resource,
)
from service.kubernetes.selectors import Requirement, Selection
from service.kubernetes.statuses import Refusal

_EXPIRES = datetime(2100, 1, 1, tzinfo=UTC)


def _asker(*grants: Grant) -> Verified:
    return Verified(Asker("ada", "idp", grants), _EXPIRES)


def _grant(organization: str = "acme", **lists: str) -> Grant:
    kinds = {"accounts": Kind.ACCOUNTS, "projects": Kind.PROJECTS}
    named = tuple((kinds[kind], Names(exact=frozenset({name}))) for kind, name in lists.items())
    return Grant(organization, Role.VIEWER, named)


_ALL = _asker(_grant())
_SOME = _asker(_grant(accounts="main", projects="web"))
_PROJECT_ONLY = _asker(_grant(projects="web"))
_ACCOUNTS, _PROJECTS = "billingaccounts.billing.milo.io", "projects.resources.milo.io"


def _of(what: str, plural: str, group: str, where: str) -> str:
    return f'{what} is forbidden: User "ada" cannot list resource "{plural}" in API group "{group}" {where}'


@pytest.mark.parametrize(
    ("asker", "resource", "organization", "name", "said"),
    (
        (TRUSTED, BILLING_ACCOUNTS, "acme", "main", None),
        (TRUSTED, BILLING_ACCOUNTS, None, None, None),
        (_ALL, None, "acme", None, None),
        (_ALL, BILLING_ACCOUNTS, "acme", "lab", None),
        (_SOME, BILLING_ACCOUNTS, "acme", "main", None),
        (_SOME, BILLING_ACCOUNTS, "acme", None, None),
        (_SOME, PROJECTS, "acme", "web", None),
        (_SOME, BILLING_ACCOUNT_BINDINGS, "acme", "api-3", None),
        (_asker(_grant("*")), PROJECTS, None, None, None),
        (_ALL, None, "globex", None, _of('namespaces "globex"', "namespaces", "", 'in the namespace "globex"')),
        (
            _ALL, BILLING_ACCOUNTS, "globex", "main",
            _of(f'{_ACCOUNTS} "main"', "billingaccounts", "billing.milo.io", 'in the namespace "globex"'),
        ),
        (
            _SOME, BILLING_ACCOUNTS, "acme", "lab",
            _of(f'{_ACCOUNTS} "lab"', "billingaccounts", "billing.milo.io", 'in the namespace "acme"'),
        ),
        (_ALL, PROJECTS, None, None, _of(_PROJECTS, "projects", "resources.milo.io", "at the cluster scope")),
        (
            _SOME, PROJECTS, "acme", "api",
            _of(f'{_PROJECTS} "api"', "projects", "resources.milo.io", 'in the namespace "acme"'),
        ),
    ),
)  # fmt: skip
def test_who_is_admitted(
    asker: Verified, resource: Resource | None, organization: str | None, name: str | None, said: str | None
) -> None:
    if said is None:
        assert admitted(asker, "list", resource, organization, name).asker is asker
        return
    with pytest.raises(Refusal) as refused:
        admitted(asker, "list", resource, organization, name)
    assert (refused.value.code, refused.value.message) == (403, said)


def _object(name: str, project: str = "api", account: str = "lab") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {"phase": "Ready"},
        "spec": {"projectRef": {"name": project}, "billingAccountRef": {"name": account}},
    }


@pytest.mark.parametrize(
    ("resource", "shown", "sees"),
    (
        (BILLING_ACCOUNTS, _object("main"), True),
        (BILLING_ACCOUNTS, _object("web"), False),
        (PROJECTS, _object("web"), True),
        (PROJECTS, _object("main"), False),
        (BILLING_ACCOUNT_BINDINGS, _object("api-1"), False),
        (BILLING_ACCOUNT_BINDINGS, _object("web-1", project="web"), True),
        (BILLING_ACCOUNT_BINDINGS, _object("api-1", account="main"), True),
    ),
)
def test_what_is_seen(resource: Resource, shown: dict[str, Any], sees: bool) -> None:
    assert admitted(_SOME, "list", resource, "acme", None).sees(resource, shown) is sees
    assert Admitted().sees(resource, shown) is True


@pytest.mark.parametrize(
    ("resource", "field", "name", "is_empty"),
    (
        (BILLING_ACCOUNTS, NAME, "main", False),
        (BILLING_ACCOUNTS, NAME, "web", True),
        (PROJECTS, NAME, "web", False),
        (PROJECTS, NAME, "main", True),
        (BILLING_ACCOUNT_BINDINGS, PROJECT, "web", False),
        (BILLING_ACCOUNT_BINDINGS, PROJECT, "main", True),
        (BILLING_ACCOUNT_BINDINGS, ACCOUNT, "main", False),
        (BILLING_ACCOUNT_BINDINGS, ACCOUNT, "web", True),
        (BILLING_ACCOUNT_BINDINGS, NAME, "api-1", False),
    ),
)
def test_what_names_anything_out_of_reach_finds_nothing(
    resource: Resource, field: str, name: str, is_empty: bool
) -> None:
    found = admitted(_SOME, "list", resource, "acme", None)
    asked = Selection((Requirement(field, True, name),))
    assert found.within(resource, asked).is_empty is is_empty
    assert found.within(resource, Selection()).is_empty is False


@pytest.mark.parametrize(
    ("binding", "sees"),
    (("web-1", True), ("api-1", False), ("api", True), ("api-x", True), ("-1", True), ("a-b-1", False)),
)
def test_whose_project_a_binding_names(binding: str, sees: bool) -> None:
    assert admitted(_PROJECT_ONLY, "get", BILLING_ACCOUNT_BINDINGS, "acme", binding).sees_project_of(binding) is sees
