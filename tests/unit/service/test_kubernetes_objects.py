"""The objects member by member, the paths they are found by, and the documents that describe them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
import pytest

from service.kubernetes import discovery, documents
from service.kubernetes.objects import (
    at_position,
    billing_account,
    billing_account_binding,
    fields_of,
    namespace,
    project_object,
)
from service.kubernetes.paths import Discovered, Objects, place_of
from service.kubernetes.resources import (
    ACCOUNT,
    BILLING_ACCOUNT_BINDINGS,
    BILLING_ACCOUNTS,
    GROUPS,
    NAME,
    PHASE,
    PROJECT,
    PROJECTS,
)
from service.kubernetes.statuses import Refusal

DESCRIBED = Path(__file__).parent / "kubernetes.json"
"""What describes the interface; `python -m tests.unit.service.test_kubernetes_objects` writes it."""

_BEGAN, _ENDED = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
_SINCE, _UNTIL = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"
_STATE: dict[str, Any] = {
    "account": "main",
    "phase": "Ready",
    "currencyCode": None,
    "paymentTerms": None,
    "paymentProfile": None,
    "conditions": [],
}


def _uid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def _account(profile_kind: str | None, **more: object) -> dict[str, Any]:
    return billing_account(
        "acme", _STATE | more, profile_kind=profile_kind, linked_projects=3, created_at=_BEGAN, position=7
    )


def test_an_account_of_which_little_is_known() -> None:
    assert _account(None) == {
        "apiVersion": "billing.milo.io/v1alpha1",
        "kind": "BillingAccount",
        "metadata": {
            "name": "main",
            "namespace": "acme",
            "uid": _uid("billing.milo.io/BillingAccount/acme/main"),
            "resourceVersion": "7",
            "creationTimestamp": _SINCE,
        },
        "spec": {},
        "status": {"phase": "Ready", "conditions": [], "linkedProjectsCount": 3},
    }


def test_an_account_of_which_all_is_known() -> None:
    terms = {"netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1}
    condition = {"type": "Ready", "status": "True", "reason": "r", "message": "m", "lastTransitionTime": _SINCE}
    told = {
        "currencyCode": "EUR",
        "paymentTerms": terms | {"more": 1},
        "paymentProfile": "card",
        "conditions": [condition | {"more": 1}],
    }
    shown = _account("CreditCard", **told)
    assert shown["spec"] == {
        "currencyCode": "EUR",
        "paymentTerms": terms,
        "paymentProfile": {"name": "card", "kind": "CreditCard"},
    }
    assert shown["status"]["conditions"] == [condition]
    assert _account(None, **told)["spec"]["paymentProfile"] == {"name": "card"}


@pytest.mark.parametrize(
    ("phase", "message"),
    (("Superseded", "another account pays now"), ("Released", "the account no longer pays for the project")),
)
def test_a_binding_that_ended(phase: str, message: str) -> None:
    shown = billing_account_binding("acme", "web", 2, "main", _BEGAN, 7, ended_at=_ENDED, phase=phase)
    assert shown["status"] == {
        "phase": phase,
        "conditions": [
            {"type": "Bound", "status": "False", "reason": phase, "message": message, "lastTransitionTime": _UNTIL}
        ],
        "billingResponsibility": {"establishedAt": _SINCE, "endedAt": _UNTIL},
    }
    assert fields_of(BILLING_ACCOUNT_BINDINGS, shown) == {NAME: "web-2", PHASE: phase, PROJECT: "web", ACCOUNT: "main"}


def test_a_binding_that_lasts() -> None:
    shown = billing_account_binding("acme", "web", 2, "main", _BEGAN, 7)
    message = "the account pays for the project"
    assert shown["status"] == {
        "phase": "Active",
        "conditions": [
            {"type": "Bound", "status": "True", "reason": "Bound", "message": message, "lastTransitionTime": _SINCE}
        ],
        "billingResponsibility": {"establishedAt": _SINCE, "currentAccount": "main"},
    }
    assert shown["metadata"]["creationTimestamp"] == _SINCE
    assert shown["metadata"]["uid"] == _uid("billing.milo.io/BillingAccountBinding/acme/web-2")


def test_projects() -> None:
    paid = project_object("acme", "web", 7, is_active=True, account="main", established_at=_BEGAN)
    idle = project_object("acme", "idle", 7, is_active=False, account=None, established_at=None)
    assert paid["status"] == {
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "ProjectActive", "message": "the project is active"}
        ],
        "billingResponsibility": {"account": "main", "establishedAt": _SINCE},
    }
    assert idle["status"] == {
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "ProjectInactive", "message": "the project is inactive"}
        ]
    }
    assert idle["metadata"] == {
        "name": "idle",
        "namespace": "acme",
        "uid": _uid("resources.milo.io/Project/acme/idle"),
        "resourceVersion": "7",
    }
    # Of half of it nothing is said.
    for half in ({"account": "main", "established_at": None}, {"account": None, "established_at": _BEGAN}):
        assert project_object("acme", "idle", 7, is_active=False, **half)["status"] == idle["status"]
    assert paid["spec"] == {"organizationRef": {"name": "acme"}}
    assert fields_of(PROJECTS, paid) == {NAME: "web"}
    assert fields_of(BILLING_ACCOUNTS, _account(None)) == {NAME: "main", PHASE: "Ready"}


def test_an_organization_is_a_namespace() -> None:
    assert namespace("acme") == {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": "acme", "uid": _uid("/Namespace/acme")},
        "spec": {},
        "status": {"phase": "Active"},
    }


def test_an_object_at_another_position_is_the_same() -> None:
    shown = _account(None)
    later = at_position(shown, 9)
    assert (later["metadata"].pop("resourceVersion"), shown["metadata"].pop("resourceVersion")) == ("9", "7")
    assert later == shown


_BASE = "/apis/billing.milo.io/v1alpha1"


@pytest.mark.parametrize(
    ("path", "place"),
    (
        ("/api/v1/namespaces/acme", Objects("/api/v1/namespaces/{namespace}", None, "acme")),
        (f"{_BASE}/billingaccounts", Objects(f"{_BASE}/billingaccounts", BILLING_ACCOUNTS)),
        (
            f"{_BASE}/namespaces/acme/billingaccounts",
            Objects(f"{_BASE}/namespaces/{{namespace}}/billingaccounts", BILLING_ACCOUNTS, "acme"),
        ),
        (
            f"{_BASE}/namespaces/ac%6de/billingaccountbindings/web%2D1",
            Objects(
                f"{_BASE}/namespaces/{{namespace}}/billingaccountbindings/{{name}}",
                BILLING_ACCOUNT_BINDINGS,
                "acme",
                "web-1",
            ),
        ),
    ),
)
def test_paths_of_objects(path: str, place: Objects) -> None:
    assert place_of(path.encode()) == place


_DISCOVERED = (
    "/version",
    "/api",
    "/apis",
    "/openapi/v3",
    *(f"/openapi/v3/apis/{group}/v1alpha1" for group in GROUPS),
    *(f"/apis/{group}" for group in GROUPS),
    *(f"/apis/{group}/v1alpha1" for group in GROUPS),
)


@pytest.mark.parametrize("path", _DISCOVERED)
@pytest.mark.parametrize("end", ("", "/"))
def test_paths_of_discovery(path: str, end: str) -> None:
    place = place_of((path + end).encode())
    assert isinstance(place, Discovered)
    assert place.path == path
    assert (place.aggregated is not None) is (path in ("/api", "/apis"))


@pytest.mark.parametrize(
    "path",
    (
        "/",
        "/none",
        "/apis//",
        "/apis/none",
        "/apis/none/v1alpha1",
        "/apis/billing.milo.io/v1",
        "/openapi/v3/apis/none/v1alpha1",
        "/openapi/v3/apis/billing.milo.io/v1",
        f"{_BASE}/none",
        f"{_BASE}/projects",
        f"{_BASE}/billingaccounts/",
        f"{_BASE}/namespaces/acme",
        f"{_BASE}/namespaces/acme/projects",
        f"{_BASE}/namespaces/acme/projects/web",
        f"{_BASE}/namespaces/acme/billingaccounts/main/status",
        f"{_BASE}/namespaces/acme/billingaccounts/a%2fb",
        "/api/v1/namespaces/acme/",
    ),
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(Refusal) as refused:
        place_of(path.encode())
    assert refused.value.code == 404


def _described() -> bytes:
    version = discovery.server_version()
    described = {
        "/api": [discovery.core_versions(), discovery.aggregated_core("v2")],
        "/apis": [discovery.group_list(), discovery.aggregated_groups("v2beta1")],
        "/version": version | {"gitVersion": version["gitVersion"].partition("+")[0], "goVersion": ""},
        "/openapi/v3": documents.root(),
        **{f"/openapi/v3/apis/{group}": documents.document(group) for group in GROUPS},
        **{f"/apis/{group}": [discovery.group(group), discovery.resource_list(group)] for group in GROUPS},
    }
    return orjson.dumps(described, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def test_what_describes_the_interface_is_as_it_was() -> None:
    command = f"python -m {__name__}"
    assert _described() == DESCRIBED.read_bytes(), f"clients depend on it: look at the difference; {command} keeps it"


if __name__ == "__main__":
    DESCRIBED.write_bytes(_described())
