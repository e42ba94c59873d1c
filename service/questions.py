"""A question: as it is declared, from which its route and its OpenAPI operation are derived, and as it is asked."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import Any

from starlette.types import ASGIApp, Receive, Scope

from domain.reach import EVERYTHING, Reach
from domain.rights import SEES_MONEY, has_role
from schemas.askers import Verified
from service.answers import JSON, Answer
from service.asker import TRUSTED
from service.cursors import CURSOR, Key, read_cursor, write_cursor
from service.parameters import DEFAULT_PAGE, LIMIT, Parameter, Refused
from service.problems import Violation, wrong
from service.state import State


class Access(Enum):
    """Who may ask a question."""

    OPEN = auto()
    """Anyone."""
    TOKEN = auto()
    """Anyone with a token; what it may see is judged by what the body asks for."""
    ORGANIZATION = auto()
    """Anyone with a role in the organization in the path."""
    WHOLE_ORGANIZATION = auto()
    """Operators and auditors of the whole organization in the path."""
    OPERATORS = auto()
    """Operators and auditors of at least one whole organization."""
    NEAR = auto()
    """Anyone on this host; from other hosts, operators and auditors of all organizations."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A row of the table: a path and method, and the handler that answers them.

    `check` returns the violations of parameters that are valid one by one but not together; it sees only valid ones.
    The handler runs after the waits of `atLeast` and `closedAtLeast`. It returns an answer, or an ASGI application
    that sends one, such as a stream; it raises Problem.

    `name` is its name in generated clients. `models` and `examples` describe the answer by media type; `bodies` and
    `body_examples` describe the request's body, which must have one of these media types.
    """

    name: str
    path: str
    summary: str
    description: str
    handler: Callable[["Asked"], Awaitable[Answer | ASGIApp]]
    method: str = "GET"
    parameters: tuple[Parameter, ...] = ()
    media: tuple[str, ...] = (JSON,)
    problems: tuple[str, ...] = ()
    check: Callable[["Asked"], list[Violation]] | None = None
    models: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)
    bodies: Mapping[str, Any] = field(default_factory=dict)
    body_examples: Mapping[str, Any] = field(default_factory=dict)
    has_tag: bool = True
    has_head: bool = True
    tag: str = "Questions"
    access: Access = Access.ORGANIZATION

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        """The parameters by name."""
        return {one.name: one for one in self.parameters}

    @property
    def is_paged(self) -> bool:
        """Whether the answer is paged."""
        return CURSOR in self.parameters

    @cached_property
    def is_of_organization(self) -> bool:
        """Whether the answer is read from one snapshot of an organization."""
        return self.path.startswith("/v1/organizations/{organization}")


@dataclass(slots=True)
class Asked:
    """A question as it is asked: its asker, names, parameters, and the media type of its answer.

    `content` is the media type of the body, if the question has one. `reach` is what the asker sees of the
    organization in the path. `operated` are the organizations whose operation the asker may read; None means all.
    """

    state: State
    scope: Scope
    receive: Receive
    request_id: str
    question: Question | None = None
    asker: Verified = TRUSTED
    reach: Reach = EVERYTHING
    operated: frozenset[str] | None = None
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    media: str = JSON
    content: str = ""
    after: Key | None = None

    @property
    def path(self) -> str:
        """The path with its names filled in."""
        return "" if self.question is None else self.question.path.format_map(self.names)

    @property
    def organization(self) -> str:
        """The organization in the path."""
        return self.names["organization"]

    @property
    def sees_money(self) -> bool:
        """Whether the asker sees balance and contact of the account in the path: never with `WHOPAYS_AUTH=trusted`."""
        asker = self.asker.asker
        return asker.grants is not None and has_role(asker, self.organization, SEES_MONEY, self.names["account"])

    @property
    def limit(self) -> int:
        """The maximum number of items in the page."""
        return int(self.values.get(LIMIT.name, DEFAULT_PAGE))

    def header(self, name: bytes) -> str | None:
        """Return a header of the request; repeated headers are joined with commas."""
        found = [value for key, value in self.scope["headers"] if key == name]
        return b", ".join(found).decode("latin-1") if found else None

    def cursor(self, key: Key | None) -> str | None:
        """Return the cursor of the page after a key; None if there is no such page."""
        return None if key is None else write_cursor(key, self.path, self.values)

    def read_cursor(self) -> None:
        """Set the key after which the page begins. Raises Problem for the cursor of another question."""
        if CURSOR.name in self.values:
            try:
                self.after = read_cursor(self.values[CURSOR.name], self.path, self.values)
            except Refused as error:
                raise wrong([Violation(error.reason, error.message, CURSOR.name)]) from None
