"""The OpenAPI document in outline, without its prose, held against the kept one: nothing in it changes unnoticed.

`python -m tests.unit.service.test_openapi_outline` writes it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.app import QUESTIONS
from service.openapi import openapi
from service.questions import Access

OUTLINE = Path(__file__).parent / "openapi.txt"


def outline(document: Mapping[str, Any]) -> str:
    """Return each operation with its parameters, bodies and answers, a line each; then the schemas' names."""
    lines = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                lines += ["", f"{method.upper()} {path} {operation['operationId']} {operation['tags']}"]
                lines += _operation(operation, item.get("parameters", []))
    lines += ["", f"schemas: {' '.join(document['components']['schemas'])}"]
    lines += [f"{name}: {_short(document['components'][name])}" for name in ("headers", "parameters")]
    lines += [f"{name}: {_short(document[name])}" for name in ("tags", "servers", "security")]
    return "\n".join(lines[1:]) + "\n"


def _operation(operation: Mapping[str, Any], in_path: list[Any]) -> Iterator[str]:
    if "security" in operation:
        yield f"  security {_short(operation['security'])}"
    for one in (*in_path, *operation["parameters"]):
        if "$ref" in one:
            yield f"  {_last(one)}"
        else:
            example = f", such as {json.dumps(one['example'])}" if "example" in one else ""
            yield f"  {one['in']} {one['name']}{' required' * one['required']}: {_short(one['schema'])}{example}"
    if "requestBody" in operation:
        yield f"  body{' required' * operation['requestBody']['required']}"
        yield from _content(operation["requestBody"]["content"])
    for status, answer in operation["responses"].items():
        yield f"  {status} {' '.join(answer['headers'])}"
        yield from _content(answer.get("content", {}))
        for name, link in answer.get("links", {}).items():
            yield f"    link {name}: {link['operationId']} {_short(link.get('parameters', {}))}"


def _content(content: Mapping[str, Any]) -> Iterator[str]:
    for media, one in content.items():
        named = " ".join(one.get("examples", ()))
        example = f" such as {_short(one['example'])}" if "example" in one else ""
        yield f"    {media} {_last(one['schema'])}{named and f' {named}'}{example}"


def _last(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"].rpartition("/")[2]) if "$ref" in reference else _short(reference)


def _short(value: Any) -> str:
    """Return a value as JSON without what people only read."""

    def bare(one: Any) -> Any:
        match one:
            case dict():
                return {name: bare(inner) for name, inner in one.items() if name not in ("description", "title")}
            case list():
                return [bare(inner) for inner in one]
            case _:
                return one

    return json.dumps(bare(value), separators=(",", ":"), ensure_ascii=False)


def _drawn() -> str:
    return outline(openapi(QUESTIONS))


def test_the_outline_is_as_it_was() -> None:
    assert _drawn() == OUTLINE.read_text(encoding="utf-8")


def test_a_server_without_tokens_asks_for_none() -> None:
    without = openapi(QUESTIONS, needs_token=False)
    assert without["security"] == []
    operations = [one for item in without["paths"].values() for name, one in item.items() if name != "parameters"]
    assert not any("security" in one for one in operations)


def test_tags_are_those_of_the_questions_alone() -> None:
    probes = [one for one in QUESTIONS if one.tag == "Probes"]
    assert [one["name"] for one in openapi(probes)["tags"]] == ["Probes"]
    assert {one.access for one in probes} == {Access.OPEN, Access.NEAR}


if __name__ == "__main__":
    OUTLINE.write_text(_drawn(), encoding="utf-8")
