"""The OpenAPI document is valid, complete, and of the table of questions."""

import re
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from schemas.identifiers import IDENTIFIER_RULE
from schemas.replays import NAME_RULE
from service.app import QUESTIONS
from service.openapi import _example, openapi
from service.problems import PROBLEMS
from service.questions import Access, Question

DOCUMENT = openapi(QUESTIONS)
of_each_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that stands alone."""
    return schema | {"components": DOCUMENT["components"]}


def operation(question: Question) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][question.path][question.method.lower()]
    return found


def test_the_document_is_valid() -> None:
    jsonschema_rs.validator_for(OPENAPI_31).validate(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    for reference in set(re.findall(r"'\$ref': '([^']+)'", str(DOCUMENT))):
        place: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_names_of_operations_are_unique() -> None:
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)


@of_each_question
def test_every_question_is_described(question: Question) -> None:
    found = operation(question)
    assert found["summary"]
    assert found["description"].endswith(".")
    described = {one["name"] for one in found["parameters"] if one.get("in") == "query"}
    assert described == set(question.by_name)
    assert all(one.get("description") for one in found["parameters"] if "$ref" not in one)
    in_path = re.findall(r"\{(\w+)\}", question.path)
    assert [one["name"] for one in DOCUMENT["paths"][question.path].get("parameters", [])] == in_path


@of_each_question
def test_answers_have_examples_that_are_valid(question: Question) -> None:
    for media, content in operation(question)["responses"]["200"]["content"].items():
        if question.models.get(media) not in (None, dict[str, Any]):
            jsonschema_rs.validator_for(resolved(content["schema"])).validate(content["example"])


@of_each_question
def test_problems_have_examples_that_are_valid(question: Question) -> None:
    responses = operation(question)["responses"]
    assert {"404", "406", "500", "503"} <= set(responses)
    for status, response in responses.items():
        for name, example in (
            response.get("content", {}).get("application/problem+json", {}).get("examples", {}).items()
        ):
            value = example["value"]
            assert (str(value["status"]), value["type"]) == (status, f"urn:whopays:problem:{name}")
            schema = response["content"]["application/problem+json"]["schema"]
            jsonschema_rs.validator_for(resolved(schema)).validate(value)


def test_examples_of_problems_name_what_is_wrong_where_that_is_something() -> None:
    wrong = {"Forbidden": [("Forbidden", "organization")], "InvalidParameter": [("Unknown", "colour")]}
    for name in PROBLEMS:
        told = [(one["reason"], one["field"]) for one in _example(name)["violations"]]
        assert told == wrong.get(name, [])


def test_names_in_paths_are_described_by_their_rules() -> None:
    rules = {
        one["name"]: one["description"] for item in DOCUMENT["paths"].values() for one in item.get("parameters", [])
    }
    others = dict.fromkeys(("organization", "project", "account"), f"Its name: {IDENTIFIER_RULE}.")
    assert rules == {"name": f"Its name: {NAME_RULE}.", **others}


@of_each_question
def test_examples_of_parameters_are_accepted(question: Question) -> None:
    for parameter in question.parameters:
        if parameter.example is not None:
            jsonschema_rs.validator_for(dict(parameter.schema)).validate(parameter.example)
            text = str(parameter.example)
            parameter.read(text.lower() if isinstance(parameter.example, bool) else text)


@of_each_question
def test_the_body_of_a_question_is_required(question: Question) -> None:
    found = operation(question).get("requestBody")
    if question.bodies:
        assert found is not None
        assert (found["required"], set(found["content"])) == (True, set(question.bodies))
    else:
        assert found is None


@of_each_question
def test_problems_are_told_where_they_can_occur(question: Question) -> None:
    told = {
        name
        for response in operation(question)["responses"].values()
        for name in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert set(question.problems) <= told
    assert ("UnsupportedMediaType" in told) is bool(question.bodies)
    assert ("Unauthenticated" in told) is (question.access is not Access.OPEN)
    takes_names = bool(question.parameters) or "{" in question.path
    assert ("InvalidParameter" in told) is (takes_names or "InvalidParameter" in question.problems)


@of_each_question
def test_headers_are_told_where_they_are_sent(question: Question) -> None:
    always, known = {"X-Request-Id"}, {"Whopays-As-Of", "Whopays-Closed-Until"}
    of_organization = known if question.is_of_organization else set()
    more = {"401": {"WWW-Authenticate"}, "404": of_organization, "429": {"Retry-After"}}
    more |= {"503": of_organization | {"Retry-After"}}
    more |= dict.fromkeys(("200", "304"), of_organization | ({"ETag"} if question.has_tag else set()))
    responses = operation(question)["responses"]
    assert ("304" in responses) is question.has_tag
    for status, response in responses.items():
        assert set(response["headers"]) == always | more.get(status, set()), status


@of_each_question
def test_links_lead_to_questions_that_take_what_they_name(question: Question) -> None:
    answer = operation(question)["responses"]["200"]
    by_name = {one.name: one for one in QUESTIONS}
    for name, link in answer.get("links", {}).items():
        target = by_name[link["operationId"]]
        in_path = set(re.findall(r"\{(\w+)\}", target.path))
        taken = in_path | set(target.by_name) | ({"If-None-Match"} if target.has_tag else set())
        assert in_path <= set(link["parameters"]) <= taken, name
        for said in link["parameters"].values():
            match re.split(r"[.#]", said, maxsplit=2):
                case ["$request", "path", part]:
                    assert f"{{{part}}}" in question.path
                case ["$request", "query", part]:
                    assert part in question.by_name
                case ["$response", "header", part]:
                    assert part in answer["headers"]
                case ["$response", "body", pointer]:
                    _lead(next(iter(answer["content"].values()))["example"], pointer)
                case _:
                    pytest.fail(said)


def _lead(document: Any, pointer: str) -> None:
    """Fail where a pointer does not lead into a document; beyond what is null anything may be."""
    for part in pointer.split("/")[1:]:
        if document is None:
            return
        assert document != []
        document = document[int(part) if isinstance(document, list) else part]


def test_from_a_lookup_links_lead_to_all_that_is_asked_about_organizations() -> None:
    reached, ahead = set(), ["lookUpPayers"]
    found = {one.name: one for one in QUESTIONS}
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            links = operation(found[name])["responses"]["200"].get("links", {})
            ahead += [link["operationId"] for link in links.values()]
    assert {one.name for one in QUESTIONS if one.is_of_organization} <= reached
