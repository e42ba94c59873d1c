"""In which form an object, a list or discovery is answered, what is refused and how, and how pieces are written."""

from typing import Any

import orjson
import pytest

from service.kubernetes.changes import Told
from service.kubernetes.negotiation import AS_IT_IS, Form, discovery_form, object_form, plain_form
from service.kubernetes.objects import Object, project_object
from service.kubernetes.resources import BILLING_ACCOUNT_BINDINGS, BILLING_ACCOUNTS, PROJECTS
from service.kubernetes.statuses import (
    Refusal,
    expired,
    forbidden,
    internal,
    no_such_object,
    no_such_path,
    not_allowed,
    not_watched,
    refusal_of,
    too_large,
)
from service.kubernetes.tables import Included
from service.kubernetes.writing import ListWriter, WatchWriter, one_object
from service.problems import Problem

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_META = "application/json;as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io"
_METAS = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_AS_TABLE = Form("Table", "meta.k8s.io", "v1")
_AS_METADATA = Form("PartialObjectMetadata", "meta.k8s.io", "v1")
_SHOWN = project_object("acme", "web", 7, is_active=True, account=None, established_at=None)
_PARTIAL = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": _SHOWN["metadata"]}


@pytest.mark.parametrize(
    ("accept", "form"),
    (
        (None, AS_IT_IS),
        (" ", AS_IT_IS),
        ("*/*", AS_IT_IS),
        ("application/*", AS_IT_IS),
        ("APPLICATION/JSON", AS_IT_IS),
        (_TABLE, _AS_TABLE),
        (f"{_TABLE}, application/json", _AS_TABLE),
        (f"{_TABLE};q=0.5, application/json", AS_IT_IS),
        (f"{_TABLE};q=0, application/json;q=0.1", AS_IT_IS),
        (f"{_TABLE};q=x", _AS_TABLE),
        ('application/json; as="Table"; v=v1; g=meta.k8s.io', _AS_TABLE),
        (f"{_METAS}, {_META}", Form("PartialObjectMetadata", "meta.k8s.io", "v1beta1")),
        ("application/json;as=Table;v=v2;g=meta.k8s.io, application/json", AS_IT_IS),
        ("application/json;as=Table;v=v1;g=other, application/json", AS_IT_IS),
        ("application/vnd.kubernetes.protobuf, application/json", AS_IT_IS),
    ),
)
def test_the_form_of_an_object(accept: str | None, form: Form) -> None:
    assert object_form(accept, is_list=False) == form


def test_the_form_of_a_list() -> None:
    assert object_form(f"{_META}, {_METAS}", is_list=True) == Form("PartialObjectMetadataList", "meta.k8s.io", "v1")


def test_the_form_of_discovery() -> None:
    form = discovery_form(_AGGREGATED)
    assert (form.kind, form.group_version, form.media) == (
        "APIGroupDiscoveryList",
        "apidiscovery.k8s.io/v2",
        _AGGREGATED,
    )
    assert discovery_form(_TABLE + ", */*") == AS_IT_IS
    assert (AS_IT_IS.media, _AS_TABLE.media) == ("application/json", "application/json")
    assert plain_form("application/json") == AS_IT_IS


@pytest.mark.parametrize("accept", ("application/yaml", "*/*;q=0", _TABLE, "json"))
def test_what_is_not_acceptable(accept: str) -> None:
    with pytest.raises(Refusal) as refused:
        plain_form(accept)
    assert (refused.value.code, refused.value.reason) == (406, "NotAcceptable")
    told = f"only the following media types are accepted: application/json (not {accept})"
    assert refused.value.message == told


@pytest.mark.parametrize(
    ("refusal", "code", "reason", "details", "headers"),
    (
        (no_such_path(), 404, "NotFound", {}, {}),
        (
            no_such_object(PROJECTS, "web"),
            404,
            "NotFound",
            {"name": "web", "group": "resources.milo.io", "kind": "projects"},
            {},
        ),
        (
            no_such_object(BILLING_ACCOUNT_BINDINGS, "x" * 60_000),
            404,
            "NotFound",
            {"name": "x" * 100, "group": "billing.milo.io", "kind": "billingaccountbindings"},
            {},
        ),
        (not_allowed(), 405, "MethodNotAllowed", {}, {b"allow": b"GET, HEAD"}),
        (
            not_watched(PROJECTS),
            405,
            "MethodNotAllowed",
            {"group": "resources.milo.io", "kind": "projects"},
            {b"allow": b"GET, HEAD"},
        ),
        (expired(5), 410, "Expired", None, {}),
        (internal(), 500, "InternalError", {}, {}),
        (
            too_large(9, 4),
            504,
            "Timeout",
            {
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            },
            {b"retry-after": b"1"},
        ),
        (refusal_of(Problem("TooManyRequests", "in words")), 429, "TooManyRequests", None, {}),
        (
            refusal_of(Problem("Unavailable", "in words", headers={"Retry-After": "2"})),
            503,
            "ServiceUnavailable",
            {"retryAfterSeconds": 2},
            {b"retry-after": b"2"},
        ),
    ),
)
def test_refusals(
    refusal: Refusal, code: int, reason: str, details: dict[str, Any] | None, headers: dict[bytes, bytes]
) -> None:
    assert 0 < len(refusal.message) < 200
    said: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": refusal.message,
        "reason": reason,
        "code": code,
    }
    assert orjson.loads(refusal.body()) == (said if details is None else said | {"details": details})
    assert dict(refusal.headers) == headers


@pytest.mark.parametrize(
    ("group", "organization", "name", "message", "details"),
    (
        ("g.io", "acme", "web", 'projects.g.io "web" is forbidden: {} in the namespace "acme"', {"name": "web"}),
        ("g.io", None, None, "projects.g.io is forbidden: {} at the cluster scope", {}),
        ("", "acme", None, 'projects is forbidden: {} in the namespace "acme"', {}),
    ),
)
def test_what_is_forbidden_is_named_whether_or_not_it_exists(
    group: str, organization: str | None, name: str | None, message: str, details: dict[str, str]
) -> None:
    refusal = forbidden("ada", "get", group, "projects", organization, name)
    said = f'User "ada" cannot get resource "projects" in API group "{group}"'
    assert (refusal.code, refusal.reason, refusal.message) == (403, "Forbidden", message.format(said))
    assert refusal.details == details | {"group": group, "kind": "projects"}


def _listed(form: Form) -> Any:
    writer = ListWriter(PROJECTS, form, Included.NONE)
    return orjson.loads(writer.head({"resourceVersion": "9"}) + writer.items([_SHOWN, _SHOWN]) + writer.tail())


def test_lists_are_written_in_pieces() -> None:
    whole = _listed(AS_IT_IS)
    assert whole == {
        "kind": "ProjectList",
        "apiVersion": "resources.milo.io/v1alpha1",
        "metadata": {"resourceVersion": "9"},
        "items": [_SHOWN, _SHOWN],
    }
    metadata = _listed(Form("PartialObjectMetadataList", "meta.k8s.io", "v1"))
    assert metadata == {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "9"},
        "items": [_PARTIAL, _PARTIAL],
    }
    table = _listed(_AS_TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert ([row["cells"][0] for row in table["rows"]], len(table["columnDefinitions"])) == (["web", "web"], 5)


def test_one_object_in_each_form() -> None:
    assert one_object(PROJECTS, AS_IT_IS, Included.OBJECT, _SHOWN) == _SHOWN
    assert one_object(PROJECTS, _AS_METADATA, Included.OBJECT, _SHOWN) == _PARTIAL
    table = one_object(PROJECTS, _AS_TABLE, Included.OBJECT, _SHOWN)
    assert (table["kind"], table["metadata"]) == ("Table", {"resourceVersion": "7"})
    assert [row["object"] for row in table["rows"]] == [_SHOWN]
    assert len(table["columnDefinitions"]) == 5


def test_watches_are_written_line_by_line() -> None:
    writer = WatchWriter(PROJECTS, AS_IT_IS, Included.OBJECT)
    assert writer.event(Told("ADDED", _SHOWN)).endswith(b"}\n")
    assert orjson.loads(writer.event(Told("ADDED", _SHOWN))) == {"type": "ADDED", "object": _SHOWN}
    assert orjson.loads(writer.error(internal().document()))["type"] == "ERROR"
    mark: Object = {"kind": "Project", "apiVersion": "resources.milo.io/v1alpha1", "metadata": {"resourceVersion": "9"}}
    assert orjson.loads(writer.mark(9)) == {"type": "BOOKMARK", "object": mark}
    mark["metadata"]["annotations"] = {"k8s.io/initial-events-end": "true"}
    assert orjson.loads(writer.mark(9, ends_initial_events=True)) == {"type": "BOOKMARK", "object": mark}
    partly = WatchWriter(PROJECTS, _AS_METADATA, Included.OBJECT)
    assert orjson.loads(partly.event(Told("ADDED", _SHOWN)))["object"] == _PARTIAL
    assert orjson.loads(partly.mark(9))["object"] == _PARTIAL | {"metadata": {"resourceVersion": "9"}}


def test_only_the_first_table_of_a_watch_has_columns() -> None:
    writer = WatchWriter(BILLING_ACCOUNTS, _AS_TABLE, Included.NONE)
    first, second = (orjson.loads(writer.mark(position))["object"] for position in (9, 10))
    assert (len(first["columnDefinitions"]), len(second["columnDefinitions"])) == (8, 0)
    assert [one["metadata"] for one in (first, second)] == [{"resourceVersion": "9"}, {"resourceVersion": "10"}]
    assert len(second["rows"]) == 1
