"""Tables as kubectl prints them: every column, ages at every boundary, and how much of an object a row carries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.kubernetes.objects import Object, billing_account, billing_account_binding, project_object
from service.kubernetes.resources import BILLING_ACCOUNT_BINDINGS, BILLING_ACCOUNTS, PROJECTS, RESOURCES, Resource
from service.kubernetes.statuses import Refusal
from service.kubernetes.tables import Included, definitions, duration, mark_row, partial, read_included, row, table

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_NOW = _BEGAN + timedelta(hours=5)
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 31_536_000
_VERSION = "meta.k8s.io/v1"


def _account(**more: object) -> Object:
    conditions = [
        {"type": type_, "status": "True", "reason": f"{type_}Reason", "message": "", "lastTransitionTime": ""}
        for type_ in ("ProfileAttached", "Ready")
    ]
    state: dict[str, Any] = {
        "account": "main",
        "phase": "Ready",
        "currencyCode": "EUR",
        "paymentTerms": None,
        "paymentProfile": "card",
        "conditions": conditions,
    }
    return billing_account(
        "acme", state | more, profile_kind="CreditCard", linked_projects=2, created_at=_BEGAN, position=7
    )


_BOUND = billing_account_binding("acme", "web", 3, "main", _BEGAN, 7)
_ENDED = billing_account_binding("acme", "web", 2, "main", _BEGAN, 7, ended_at=_NOW, phase="Superseded")
_PAID = project_object("acme", "web", 7, is_active=True, account="main", established_at=_BEGAN)
_UNPAID = project_object("acme", "idle", 7, is_active=False, account=None, established_at=None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    (
        (-1, "0s"),
        (0, "0s"),
        (0.99, "0s"),
        (1, "1s"),
        (2 * _MINUTE - 1, "119s"),
        (2 * _MINUTE, "2m"),
        (2 * _MINUTE + 1, "2m1s"),
        (10 * _MINUTE - 1, "9m59s"),
        (10 * _MINUTE, "10m"),
        (10 * _MINUTE + 1, "10m"),
        (3 * _HOUR - 1, "179m"),
        (3 * _HOUR, "3h"),
        (3 * _HOUR + _MINUTE, "3h1m"),
        (8 * _HOUR - 1, "7h59m"),
        (8 * _HOUR, "8h"),
        (8 * _HOUR + _MINUTE, "8h"),
        (2 * _DAY - 1, "47h"),
        (2 * _DAY, "2d"),
        (2 * _DAY + _HOUR, "2d1h"),
        (8 * _DAY - 1, "7d23h"),
        (8 * _DAY, "8d"),
        (8 * _DAY + _HOUR, "8d"),
        (2 * _YEAR - 1, "729d"),
        (2 * _YEAR, "2y"),
        (2 * _YEAR + _DAY, "2y1d"),
        (8 * _YEAR - 1, "7y364d"),
        (8 * _YEAR, "8y"),
        (8 * _YEAR + _DAY, "8y"),
    ),
)
def test_durations_have_two_units_at_most(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("resource", "shown", "cells"),
    (
        (BILLING_ACCOUNTS, _account(), ["main", "Ready", "card", 2, "5h", "EUR", "CreditCard", "ReadyReason"]),
        (
            BILLING_ACCOUNTS,
            _account(currencyCode=None, paymentProfile=None),
            ["main", "Ready", "<none>", 2, "5h", "<none>", "<none>", "ReadyReason"],
        ),
        (BILLING_ACCOUNT_BINDINGS, _BOUND, ["web-3", "web", "main", "Active", "2026-01-01T00:00:00.000000Z", "<none>"]),
        (
            BILLING_ACCOUNT_BINDINGS,
            _ENDED,
            ["web-2", "web", "main", "Superseded", "2026-01-01T00:00:00.000000Z", "2026-01-01T05:00:00.000000Z"],
        ),
        (PROJECTS, _PAID, ["web", "main", "2026-01-01T00:00:00.000000Z", "True", "ProjectActive"]),
        (PROJECTS, _UNPAID, ["idle", "<none>", "<none>", "False", "ProjectInactive"]),
    ),
)
def test_cells_of_every_resource(resource: Resource, shown: Object, cells: list[object]) -> None:
    assert row(resource, shown, _NOW, Included.NONE, _VERSION) == {"cells": cells, "object": None}


def test_an_object_without_a_beginning_has_no_age() -> None:
    shown = _account()
    del shown["metadata"]["creationTimestamp"]
    assert row(BILLING_ACCOUNTS, shown, _NOW, Included.NONE, _VERSION)["cells"][4] == "<unknown>"


def test_columns_of_every_resource() -> None:
    found = {
        resource.kind: [(one["name"], one["type"], one["format"], one["priority"]) for one in definitions(resource)]
        for resource in RESOURCES
    }
    name = ("Name", "string", "name", 0)
    assert found == {
        "BillingAccount": [
            name,
            ("Phase", "string", "", 0),
            ("Profile", "string", "", 0),
            ("Projects", "integer", "", 0),
            ("Age", "string", "", 0),
            ("Currency", "string", "", 1),
            ("Kind", "string", "", 1),
            ("Reason", "string", "", 1),
        ],
        "BillingAccountBinding": [
            name,
            ("Project", "string", "", 0),
            ("Account", "string", "", 0),
            ("Phase", "string", "", 0),
            ("Since", "string", "", 0),
            ("Until", "string", "", 1),
        ],
        "Project": [
            name,
            ("Account", "string", "", 0),
            ("Since", "string", "", 0),
            ("Ready", "string", "", 1),
            ("Reason", "string", "", 1),
        ],
    }
    assert all(one["description"].endswith(".") for resource in RESOURCES for one in definitions(resource))


def test_how_much_of_an_object_a_row_carries() -> None:
    metadata = {"kind": "PartialObjectMetadata", "apiVersion": _VERSION, "metadata": _PAID["metadata"]}
    assert partial(_PAID, _VERSION) == metadata
    carried = {one: row(PROJECTS, _PAID, _NOW, one, _VERSION)["object"] for one in Included}
    assert carried == {Included.NONE: None, Included.METADATA: metadata, Included.OBJECT: _PAID}
    assert [read_included(text) for text in ("", "None", "Metadata", "Object")] == [
        Included.METADATA,
        Included.NONE,
        Included.METADATA,
        Included.OBJECT,
    ]
    with pytest.raises(Refusal) as refused:
        read_included("All")
    assert refused.value.document() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'unrecognized includeObject value: "All"',
        "reason": "BadRequest",
        "code": 400,
    }


def test_a_bookmark_has_a_row_of_nothing() -> None:
    mark = {"kind": "BillingAccount", "metadata": {"resourceVersion": "9"}}
    assert mark_row(BILLING_ACCOUNTS, mark, _VERSION) == {
        "cells": ["", "", "", 0, "", "", "", ""],
        "object": {"kind": "PartialObjectMetadata", "apiVersion": _VERSION, "metadata": {"resourceVersion": "9"}},
    }


def test_a_table() -> None:
    assert table({"resourceVersion": "1"}, ({"name": "Name"},), ({"cells": []},), _VERSION) == {
        "kind": "Table",
        "apiVersion": _VERSION,
        "metadata": {"resourceVersion": "1"},
        "columnDefinitions": [{"name": "Name"}],
        "rows": [{"cells": []}],
    }
