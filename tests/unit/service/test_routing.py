"""Paths are taken as they were sent."""

import pytest

from service.answers import Answer
from service.app import QUESTIONS
from service.problems import Problem
from service.questions import Asked, Question
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
        assert refused.value.detail == f"{method} is not a method of this path."
    with pytest.raises(Problem) as refused:
        ROUTES.find(ACME, "A" * 5_000)
    assert refused.value.detail == f"{'A' * 100} is not a method of this path."


async def _handler(_: Asked) -> Answer:
    raise AssertionError


def _question(path: str, method: str = "GET", *, has_head: bool = True) -> Question:
    return Question(
        name="one", path=path, summary="", description="", handler=_handler, method=method, has_head=has_head
    )


@pytest.mark.parametrize(
    ("questions", "allowed", "found"),
    (
        ((_question("/a", "POST"), _question("/a")), "GET, HEAD, POST", {"GET", "HEAD", "POST"}),
        ((_question("/a", "POST"),), "POST", {"POST"}),
        ((_question("/a", has_head=False), _question("/a", "POST")), "GET, POST", {"GET", "POST"}),
    ),
)
def test_which_methods_a_path_has(questions: tuple[Question, ...], allowed: str, found: set[str]) -> None:
    routes = Routes(questions)
    for method in ("GET", "HEAD", "POST", "PUT"):
        if method in found:
            assert routes.find(b"/a", method)[0].method == ("GET" if method == "HEAD" else method)
            continue
        with pytest.raises(Problem, match="MethodNotAllowed") as refused:
            routes.find(b"/a", method)
        assert refused.value.headers == {"Allow": allowed}


def test_a_part_of_a_path_has_one_name() -> None:
    with pytest.raises(ValueError, match="two names for one part of a path: a, b"):
        Routes((_question("/{a}/x"), _question("/{b}/y")))


def test_the_path_is_judged_before_the_method() -> None:
    with pytest.raises(Problem, match="NotFound"):
        ROUTES.find(ACME + b"/", "POST")
