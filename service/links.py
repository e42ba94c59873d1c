"""OpenAPI links: which values of an answer are parameters of the next question."""

from collections.abc import Mapping
from typing import Any

from service.cursors import CURSOR
from service.parameters import LIMIT
from service.questions import Question

_ITEM, _ANSWER = "$response.body#/items/0", "$response.body#/answers/0"
_AS_OF, _TAG = "$response.header.Whopays-As-Of", "$response.header.ETag"
_NAMES = ("organization", "project", "account", "name")

_OF_PROJECT = ("getProject", "getPayer", "listProjectIntervals")
_OF_ACCOUNT = ("getAccount", "listPhases", "listAccountIntervals")
_PROJECT, _ACCOUNT, _PAYER = "$request.path.project", "$request.path.account", "$response.body#/payer/account"


def links_of(question: Question) -> dict[str, Any]:
    """Return the links of a question's answer, by their names in the OpenAPI document."""
    links: dict[str, Mapping[str, str]] = dict(_LINKS.get(question.name, {}))
    given = {one.name: f"$request.query.{one.name}" for one in question.parameters if one not in (LIMIT, CURSOR)}
    if question.is_paged:
        links["nextPage"] = {"to": question.name, **given, "cursor": "$response.body#/next"}
    if question.has_tag:
        links["unlessItIsStillSo"] = {"to": question.name, **given, "If-None-Match": _TAG}
    return {name: _link(question, **values) for name, values in links.items()}


def _link(question: Question, *, to: str, **values: str) -> dict[str, Any]:
    """Return a link; names in its path are those of the request unless `values` has others."""
    asked = {name: f"$request.path.{name}" for name in _NAMES if f"{{{name}}}" in question.path}
    if to != question.name:
        asked = {name: value for name, value in asked.items() if name == "organization"}
    return {"operationId": to, "parameters": asked | values}


def _each(questions: tuple[str, ...], **values: str) -> dict[str, dict[str, str]]:
    return {to: {"to": to, **values} for to in questions}


_LINKS: dict[str, dict[str, dict[str, str]]] = {
    "getOrganization": {
        **_each(("listProjects", "listAccounts", "listResults", "listAudit", "listEvents")),
        "defaultAccount": {"to": "getAccount", "account": "$response.body#/defaultAccount"},
        "eventsFromHere": {"to": "listEvents", "after": _AS_OF},
    },
    "listProjects": {
        **_each(_OF_PROJECT, project=f"{_ITEM}/project"),
        "payer": {"to": "getAccount", "account": f"{_ITEM}/payer/account"},
    },
    "getProject": {
        **_each(("getPayer", "listProjectIntervals", "listResults"), project=_PROJECT),
        "payer": {"to": "getAccount", "account": _PAYER},
        "scheduled": {"to": "listResults", "id": "$response.body#/scheduled/commandId"},
    },
    "getPayer": {
        **_each(("listProjectIntervals",), project=_PROJECT),
        "payer": {"to": "getAccount", "account": _PAYER},
    },
    "listProjectIntervals": {
        "payer": {"to": "getAccount", "account": f"{_ITEM}/account"},
        "whoPaidThen": {"to": "getPayer", "project": _PROJECT, "at": f"{_ITEM}/establishedAt"},
    },
    "listAccounts": {
        **_each(_OF_ACCOUNT, account=f"{_ITEM}/account"),
        "projects": {"to": "listProjects", "account": f"{_ITEM}/account"},
    },
    "getAccount": {
        **_each(("listPhases", "listAccountIntervals", "listProjects", "listResults"), account=_ACCOUNT),
        "firstProject": {"to": "getProject", "project": "$response.body#/closureBlockers/0/blockers/projects/0"},
    },
    "listPhases": {
        "cause": {"to": "listResults", "id": f"{_ITEM}/cause/commandId"},
        "eventsFromHere": {"to": "listEvents", "after": f"{_ITEM}/eventId"},
    },
    "listAccountIntervals": _each(_OF_PROJECT, project=f"{_ITEM}/project"),
    "listResults": {
        "ofTheSameCommand": {"to": "listResults", "id": f"{_ITEM}/commandId", "source": f"{_ITEM}/commandSource"},
        "project": {"to": "getProject", "project": f"{_ITEM}/project", "atLeast": f"{_ITEM}/eventId"},
        "account": {"to": "getAccount", "account": f"{_ITEM}/account", "atLeast": f"{_ITEM}/eventId"},
    },
    "listAudit": {
        "result": {"to": "listResults", "id": f"{_ITEM}/commandId", "source": f"{_ITEM}/commandSource"},
        "bySamePerson": {"to": "listAudit", "by": f"{_ITEM}/person"},
    },
    "listEvents": {"eventsThatFollow": {"to": "listEvents", "after": _AS_OF, "type": "$request.query.type"}},
    "lookUpPayers": {
        "getOrganization": {"to": "getOrganization", "organization": f"{_ANSWER}/organization"},
        **_each(_OF_PROJECT, organization=f"{_ANSWER}/organization", project=f"{_ANSWER}/project"),
        **_each(_OF_ACCOUNT, organization=f"{_ANSWER}/organization", account=f"{_ANSWER}/payer/account"),
    },
    "listDeadLetters": {
        "ofTheSameOrganization": {"to": "listDeadLetters", "organization": f"{_ITEM}/organization"},
        "getOrganization": {"to": "getOrganization", "organization": f"{_ITEM}/organization"},
    },
    "listReplays": {"getReplay": {"to": "getReplay", "name": f"{_ITEM}/name"}},
}
"""By question: the links of its answer by name, each with the question it leads to and that one's parameters."""
