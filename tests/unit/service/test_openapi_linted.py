"""A linter of OpenAPI finds nothing in the documents that the service tells of itself, by all of its rules."""

import json
import subprocess
from pathlib import Path

import pytest

from service.app import QUESTIONS
from service.kubernetes import documents
from service.kubernetes.resources import GROUPS
from service.openapi import Document, openapi
from tests.support.properties import left_to_make_test
from tests.support.toolchains import needs, npm_packages

_OF_TASTE = {
    "info-contact": "an installation has its own operators",
    "license-url": "OpenAPI 3.1 has `identifier` instead",
    "openapi-tags-alphabetical": "they stand in the order in which somebody reads",
}
_OF_KUBERNETES = {
    "info-license": "Kubernetes' own documents have none",
    "oas3-api-servers": "Kubernetes' own documents name none",
}


@left_to_make_test
@needs("node", "npm")
def test_a_linter_finds_nothing(tmp_path: Path) -> None:
    document = openapi(QUESTIONS)
    broken = json.loads(json.dumps(document))
    del broken["paths"]["/livez"]["get"]["operationId"]
    ours, damaged = _found(tmp_path, document, broken)
    assert [one for one in ours if one.split()[0] not in _OF_TASTE] == []
    assert any(one.startswith("operation-operationId ") for one in damaged)


@left_to_make_test
@needs("node", "npm")
def test_a_linter_finds_nothing_in_the_documents_of_resources(tmp_path: Path) -> None:
    for found in _found(tmp_path, *(documents.document(group) for group in GROUPS)):
        assert [one for one in found if one.split()[0] not in _OF_TASTE | _OF_KUBERNETES] == []


def _found(folder: Path, *told: Document) -> list[list[str]]:
    files = []
    for number, document in enumerate(told):
        files.append(folder / f"{number}.json")
        files[-1].write_text(json.dumps(document), encoding="utf-8")
    command = ["node", "lint-openapi.mjs", *map(str, files)]
    done = subprocess.run(command, cwd=npm_packages(), capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        pytest.fail(done.stderr)
    found: list[list[str]] = json.loads(done.stdout)
    return found
