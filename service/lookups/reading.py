"""Parses the questions of a lookup strictly, and refuses them with all violations.

A document is parsed as a whole; lines are parsed as they arrive.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from db.questions.lookups import Wanted
from domain.reach import Reach, reach_of
from schemas.askers import Asker
from schemas.identifiers import is_identifier
from schemas.instants import format_instant, parse_instant
from schemas.pointers import Path, pointer
from schemas.strict_json import NotStrictJson, read_flat_objects, read_object
from service.lookups.faults import faults_of_document, faults_of_question, faults_of_text
from service.problems import Problem, Violation, wrong_body
from service.rights import forbidden, out_of_reach

MOST_QUESTIONS = 10_000
"""The maximum number of questions in a document; there may be more lines."""
KEPT_FAULTS = 100
"""How many violations are kept; all are counted."""

_MOST_INSTANTS = 10_000
_MOST_REACHES = 10_000


class LookupReader:
    """Parses questions, some at a time, and collects their violations, and those out of the asker's reach."""

    def __init__(self, shard_of: Callable[[str], int], asker: Asker) -> None:
        self.count = 0
        self.forbidden: list[Violation] = []
        self.forbidden_count = 0
        self.faults: list[Violation] = []
        self.fault_count = 0
        self._shard_of = shard_of
        self._instants: dict[str, str] = {}
        self._asker = asker
        self._reaches: dict[str, Reach | None] | None = None if asker.grants is None else {}
        self._place: Path = ()

    def judge(self) -> None:
        """Raise Problem if a question is out of reach, even if others are invalid."""
        if self.forbidden_count:
            raise forbidden(self.forbidden, self.forbidden_count)

    def document(self, raw: bytes) -> Wanted:
        """Return the questions of a document. Raises Problem (`InvalidBody`, `TooManyQuestions`)."""
        try:
            document = read_object(raw)
        except NotStrictJson as error:
            raise wrong_body(faults_of_text(raw, (), error, faults_of_document)) from None
        questions = document.get("questions")
        if isinstance(questions, list):
            if len(questions) > MOST_QUESTIONS:
                said = f"There are {len(questions)} questions, and at most {MOST_QUESTIONS} are answered at a time."
                raise Problem("TooManyQuestions", f"{said} As application/x-ndjson there may be more.")
            self._place = ("questions",)
            wanted = self._take(questions)
            self.judge()
            if len(document) == 1 and not self.faults:
                return wanted
        raise wrong_body(faults_of_document(document, ()))

    def lines(self, lines: Sequence[bytes]) -> Wanted:
        """Return the valid questions of further lines, and collect the violations of the others."""
        return self._take(read_flat_objects(lines) or self._one_by_one(lines))

    def keep(self, faults: Sequence[Violation]) -> None:
        """Count violations, and keep the first `KEPT_FAULTS`."""
        self.fault_count += len(faults)
        self.faults += faults[: KEPT_FAULTS - len(self.faults)]

    def _one_by_one(self, lines: Sequence[bytes]) -> Iterable[object]:
        for raw in lines:
            try:
                yield read_object(raw)
            except NotStrictJson as error:
                yield faults_of_text(raw, (self.count,), error, faults_of_question)

    def _take(self, questions: Iterable[Any]) -> Wanted:
        wanted = Wanted([], [], [], [])
        organizations, projects, instants, shards = wanted
        for question in questions:
            if type(question) is dict:
                organization: Any = question.get("organization")
                project: Any = question.get("project")
                at: Any = question.get("at")
                is_placed = is_identifier(organization)
                is_named = is_placed and is_identifier(project)
                if is_placed and self._reaches is not None:
                    self._judge(organization, project if is_named else None)
                if (
                    is_named
                    and len(question) == (3 if "at" in question else 2)
                    and (at is None or (type(at) is str and (at in self._instants or self._is_instant(at))))
                ):
                    organizations.append(organization)
                    projects.append(project)
                    instants.append(None if at is None else self._instants[at])
                    shards.append(self._shard_of(organization))
                    self.count += 1
                    continue
            self.keep(_faults(question, self.count))
            self.count += 1
        return wanted

    def _judge(self, organization: str, project: str | None) -> None:
        reaches = self._reaches or {}
        if organization not in reaches:
            if len(reaches) >= _MOST_REACHES:
                reaches.clear()
            reaches[organization] = reach_of(self._asker, organization)
            self._reaches = reaches
        reach = reaches[organization]
        if reach is not None and (project is None or reach.sees_project(project)):
            return
        kind = "organization" if reach is None else "project"
        self.forbidden_count += 1
        if len(self.forbidden) < KEPT_FAULTS:
            self.forbidden.append(out_of_reach(kind, field=pointer((*self._place, self.count, kind))))

    def _is_instant(self, text: str) -> bool:
        try:
            found = format_instant(parse_instant(text))
        except ValueError:
            return False
        if len(self._instants) >= _MOST_INSTANTS:
            self._instants.clear()
        self._instants[text] = found
        return True


def _faults(question: object, place: int) -> Sequence[Violation]:
    """Return the violations of a question; one that is not strict JSON already comes as its violations."""
    if isinstance(question, tuple):
        return question
    return faults_of_question(question, (place,))
