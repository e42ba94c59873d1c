"""The OpenAPI 3.1 document, generated from the table of questions."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from schemas.identifiers import IDENTIFIER_PATTERN, IDENTIFIER_RULE, LONGEST_IDENTIFIER
from schemas.replays import NAME_RULE
from service.links import links_of
from service.models import ProblemAnswer
from service.problems import MEDIA, PROBLEMS, Problem, Reason, Violation
from service.questions import Access, Question

Document = dict[str, Any]

_REF = "#/components/schemas/{model}"
_ABOUT = """\
Who pays for a project, now and at any instant of the past. The service is read-only.

Each answer about an organization is one snapshot: `Whopays-As-Of` names the last event that it reflects, and
`Whopays-Closed-Until` the instant up to and including which payers are final. `HEAD` works wherever `GET` does,
except for streams. Unknown, repeated and malformed parameters are refused, all in one answer. Members may be added to
answers; none is ever removed.

A method that a path does not have is refused with 405. A request that cannot be read as HTTP is refused with 400
(`InvalidParameter`, without `X-Request-Id`), and ends the connection; so does a method unknown to HTTP that arrives in
pieces, or right behind another request. Requests already sent on that connection may then remain unanswered.
"""
_TAGS = (
    ("Questions", "Organizations, projects, accounts, and who pays for what."),
    ("Events", "What happened after a position, in pages or as it happens."),
    ("Operation", "For operators and auditors: the audit trail, dead letters, and replays."),
    ("Probes", "For the platform that runs the service."),
)
_OF_ALL = ("NotFound", "NotAcceptable", "Internal", "Unavailable")
_OF_ORGANIZATIONS = ("InvalidParameter", "NotYetKnown")
_OF_TOKENS = ("Unauthenticated", "Forbidden")
_UNAUTHENTICATED = 401
_SCHEME = "token"
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": (
        "A token from a configured issuer; section 12 of the contract says what it grants. With "
        "`WHOPAYS_AUTH=trusted`, no token is needed."
    ),
}
_SECURITY: dict[Access, Document] = {
    Access.OPEN: {"security": []},
    # No token is needed from the server's own host.
    Access.NEAR: {"security": [{}, {_SCHEME: []}]},
}


def openapi(questions: Sequence[Question], *, needs_token: bool = True) -> Document:
    """Return the document that describes questions; `needs_token` says whether the server checks tokens at all."""
    schemas = _Schemas(questions)
    paths: dict[str, Document] = {}
    for question in questions:
        item = paths.setdefault(question.path, {"parameters": _names(question.path)} if "{" in question.path else {})
        item[question.method.lower()] = _operation(question, schemas, needs_token=needs_token)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "whopays",
            "summary": "Who pays for this project?",
            "description": _ABOUT,
            "version": version("whopays"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "tags": [
            {"name": name, "description": words}
            for name, words in _TAGS
            if any(question.tag == name for question in questions)
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.all,
            "headers": _HEADERS,
            "parameters": {"If-None-Match": _IF_NONE_MATCH},
            "securitySchemes": {_SCHEME: _BEARER},
        },
        "security": [{_SCHEME: []}] if needs_token else [],
    }


class _Schemas:
    """The schemas of all answers and bodies; each model appears once."""

    def __init__(self, questions: Iterable[Question]) -> None:
        models = [ProblemAnswer]
        for question in questions:
            models += [one for one in (*question.models.values(), *question.bodies.values()) if one not in models]
        inputs: list[tuple[int, JsonSchemaMode, Any]] = [
            (index, "serialization", TypeAdapter(model).core_schema) for index, model in enumerate(models)
        ]
        found, definitions = GenerateJsonSchema(ref_template=_REF).generate_definitions(inputs)
        self.all: Document = dict(sorted(definitions.items()))
        self._of = [(model, found[index, "serialization"]) for index, model in enumerate(models)]

    def of(self, model: Any) -> Document:
        """Return the schema of a model, as a reference if it has a name."""
        return next(schema for known, schema in self._of if known is model)


def _operation(question: Question, schemas: _Schemas, *, needs_token: bool) -> Document:
    parameters: list[Document] = [
        {
            "name": one.name,
            "in": "query",
            "description": one.description,
            "required": False,
            "schema": one.schema,
            **({} if one.example is None else {"example": one.example}),
        }
        for one in question.parameters
    ]
    if question.has_tag:
        parameters.append({"$ref": "#/components/parameters/If-None-Match"})
    operation = {
        "operationId": question.name,
        "tags": [question.tag],
        "summary": question.summary,
        "description": question.description,
        "parameters": parameters,
        **(_SECURITY.get(question.access, {}) if needs_token else {}),
        "responses": {"200": _answer(question, schemas), **_not_modified(question), **_problems(question, schemas)},
    }
    if question.bodies:
        content = {media: {"schema": schemas.of(model)} for media, model in question.bodies.items()}
        for media, example in question.body_examples.items():
            content[media]["example"] = example
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(question: Question, schemas: _Schemas) -> Document:
    content: Document = {}
    for media in question.media:
        model = question.models.get(media)
        content[media] = {"schema": {"type": "string"} if model is None else schemas.of(model)}
        if media in question.examples:
            content[media]["example"] = question.examples[media]
    links = links_of(question)
    answer = {"description": question.summary, "headers": _headers(question), "content": content}
    return answer | ({"links": links} if links else {})


def _not_modified(question: Question) -> Document:
    if not question.has_tag:
        return {}
    return {"304": {"description": "The answer has not changed.", "headers": _headers(question)}}


def _problems(question: Question, schemas: _Schemas) -> Document:
    names = [
        *_OF_ALL,
        *([] if question.access is Access.OPEN else _OF_TOKENS),
        *question.problems,
        *(["UnsupportedMediaType"] if question.bodies else []),
    ]
    if question.is_of_organization:
        names += _OF_ORGANIZATIONS
    elif question.parameters or "{" in question.path:
        names.append("InvalidParameter")
    statuses: dict[int, list[str]] = {}
    for name in PROBLEMS:
        if name in names:
            statuses.setdefault(PROBLEMS[name][0], []).append(name)
    return {
        str(status): {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{name}`' for name in of_status)}.",
            "headers": _headers_of_problem(question, status),
            "content": {
                MEDIA: {
                    "schema": schemas.of(ProblemAnswer),
                    "examples": {name: {"value": _example(name)} for name in of_status},
                }
            },
        }
        for status, of_status in sorted(statuses.items())
    }


def _example(name: str) -> Document:
    violations = []
    if name == "Forbidden":
        violations.append(Violation(Reason.FORBIDDEN, "The token grants no role in this organization.", "organization"))
    if name == "InvalidParameter":
        violations.append(Violation(Reason.UNKNOWN, 'There is no parameter "colour" here.', "colour"))
    return Problem(name, f"{PROBLEMS[name][1]}.", violations).document()


def _headers(question: Question) -> Document:
    names = ["X-Request-Id"]
    if question.is_of_organization:
        names += ["Whopays-As-Of", "Whopays-Closed-Until"]
    if question.has_tag:
        names.append("ETag")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _headers_of_problem(question: Question, status: int) -> Document:
    names = ["X-Request-Id"]
    if question.is_of_organization and status in (404, 503):
        names += ["Whopays-As-Of", "Whopays-Closed-Until"]
    if status in (429, 503):
        names.append("Retry-After")
    if status == _UNAUTHENTICATED:
        names.append("WWW-Authenticate")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _names(path: str) -> list[Document]:
    return [
        {
            "name": part[1:-1],
            "in": "path",
            "required": True,
            "description": f"Its name: {NAME_RULE if part == '{name}' else IDENTIFIER_RULE}.",
            "schema": _REPLAY_NAME if part == "{name}" else _IDENTIFIER,
            "example": _NAMES[part[1:-1]],
        }
        for part in path.split("/")
        if part.startswith("{")
    ]


_IDENTIFIER = {"type": "string", "minLength": 1, "maxLength": LONGEST_IDENTIFIER, "pattern": IDENTIFIER_PATTERN}
_REPLAY_NAME = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"}
_NAMES = {"organization": "acme", "project": "genome", "account": "main", "name": "usage-2027"}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an earlier answer. If the answer has not changed, the status is 304.",
    "required": False,
    "schema": {"type": "string"},
    "example": 'W/"382f00ba9d8a78e4cda5dbb0"',
}
_HEADERS: Document = {
    "X-Request-Id": {"description": "The id of the request in the service's log.", "schema": {"type": "string"}},
    "Whopays-As-Of": {
        "description": "The id of the last event that the answer reflects.",
        "schema": {"type": "string", "pattern": "^[0-9]+-[0-9]+$"},
        "example": "17-4711",
    },
    "Whopays-Closed-Until": {
        "description": "The instant up to which payers are final; never moves back. Absent if nothing is closed yet.",
        "schema": {"type": "string", "format": "date-time"},
        "example": "2027-02-03T09:30:00.250000Z",
    },
    "ETag": {
        "description": "Weak; it changes whenever a member of the answer does.",
        "schema": {"type": "string", "pattern": '^W/"[0-9a-f]+"$'},
    },
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer", "minimum": 0}},
}
