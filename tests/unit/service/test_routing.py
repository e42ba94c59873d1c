"""Paths are taken as they were sent."""

import pytest

from service.app import QUESTIONS
from service.problems import Problem
from service.routing import Routes

ROUTES = Routes(QUESTIONS)
ACME = b"/v1/organizations/acme"


@pytest.mark.parametrize(
    ("path", "name", "names"),
    (
        (ACME, "getOrganization", {"organization": b"acme"}),
        (ACME + b"/projects", "listProjects", {"organization": b"acme"}),
        (ACME + b"/projects/projects", "getProject", {"organization": b"acme", "project": b"projects"}),
        (ACME + b"/projects/a.b/payer", "getPayer", {"organization": b"acme", "project": b"a.b"}),
        (b"/v1/%6frganizations/ac%6de", "getOrganization", {"organization": b"ac%6de"}),
        (b"/v1/replays/usage", "getReplay", {"name": b"usage"}),
    ),
)
def test_what_is_found(path: bytes, name: str, names: dict[str, bytes]) -> None:
    for method in ("GET", "HEAD"):
        question, found = ROUTES.find(path, method)
        assert (question.name, found) == (name, names)


@pytest.mark.parametrize(
    "path",
    (
        b"/v1", b"/v1/", b"/v2", b"/v1/organizations", b"/v1/organizations/", ACME + b"/", b"/" + ACME,
        b"/v1//organizations/acme",
        ACME + b"/projects/", ACME + b"/projects/web/", ACME + b"/projects//payer", ACME + b"/projects/web/payer/x",
        ACME + b"/projects/a%2fb", ACME + b"/projects/a%2Fb/payer", b"/v1/organizations%2Facme", ACME + b"/nothing",
        b"/v1/organizations/../replays", b"", b"*", b"/livez/", b"/%2e", b"/V1/replays",
    ),
)  # fmt: skip
def test_what_is_no_path(path: bytes) -> None:
    with pytest.raises(Problem, match="NotFound"):
        ROUTES.find(path, "GET")


def test_other_methods_are_refused_and_told_which_there_are() -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"):
        with pytest.raises(Problem, match="MethodNotAllowed") as refused:
            ROUTES.find(ACME, method)
        assert refused.value.headers == {"Allow": "GET, HEAD"}


def test_the_path_is_judged_before_the_method() -> None:
    with pytest.raises(Problem, match="NotFound"):
        ROUTES.find(ACME + b"/", "POST")
