"""The body of a lookup is read strictly, and refused with all that is wrong (docs/contract.md, sections 2 and 11)."""

import json

import orjson
import pytest

from schemas.askers import Asker, Grant, Kind, Names, Role
from service.lookups import reading as module
from service.lookups.reading import KEPT_FAULTS, MOST_QUESTIONS, LookupReader
from service.problems import Problem

_GOOD = {"organization": "acme", "project": "web"}
_AT = "2026-11-27T08:00:00.1234567+01:00"


def _reading() -> LookupReader:
    return LookupReader(len, Asker("alice"))


def _refused(raw: bytes) -> tuple[str, list[tuple[str, str]]]:
    with pytest.raises(Problem) as refused:
        _reading().document(raw)
    return refused.value.name, [(one.field, str(one.reason)) for one in refused.value.violations]


def _of_lines(*lines: bytes) -> list[tuple[str, str]]:
    reading = _reading()
    reading.lines(lines)
    assert reading.count == len(lines)
    return [(one.field, str(one.reason)) for one in reading.faults]


def test_questions_are_taken_as_they_are_asked() -> None:
    asked = [_GOOD, _GOOD | {"at": _AT}, _GOOD | {"at": None}, {"project": "x", "organization": "umbrella"}]
    wanted = _reading().document(json.dumps({"questions": asked}).encode())
    assert wanted.organizations == ["acme", "acme", "acme", "umbrella"]
    assert wanted.projects == ["web", "web", "web", "x"]
    assert wanted.instants == [None, "2026-11-27T07:00:00.123456Z", None, None]
    assert wanted.shards == [4, 4, 4, 8]
    assert _reading().lines([orjson.dumps(one) for one in asked]) == wanted
    # With an escape by number each line is looked at by itself.
    escaped = [b'{"organization":"\\u0061cme","project":"web"}', *map(orjson.dumps, asked[1:])]
    assert _reading().lines(escaped) == wanted


@pytest.mark.parametrize(
    ("question", "faults"),
    (
        ({}, [("organization", "Missing"), ("project", "Missing")]),
        ({"organization": "acme", "projekt": "web"}, [("projekt", "Unknown"), ("project", "Missing")]),
        ({"organization": None, "project": 7}, [("organization", "Malformed"), ("project", "Malformed")]),
        ({"organization": "Acme", "project": "web\n"}, [("organization", "Malformed"), ("project", "Malformed")]),
        (_GOOD | {"at": "yesterday"}, [("at", "Malformed")]),
        (_GOOD | {"at": 1}, [("at", "Malformed")]),
        (_GOOD | {"at": _AT, "a/b": []}, [("a~1b", "Unknown")]),
        (_GOOD | {"x" * 100: 1}, [("x" * 100, "Unknown")]),
        (_GOOD | {"x" * 101: 1}, [("", "Unknown")]),
        (_GOOD | {"4111 1111 1111 1111": 1}, [("", "Unknown")]),
        ([], [("", "Malformed")]),
        ("acme/web", [("", "Malformed")]),
    ),
)
def test_each_fault_of_a_question_has_its_pointer(question: object, faults: list[tuple[str, str]]) -> None:
    expected = [(f"{1}/{field}".rstrip("/"), reason) for field, reason in faults]
    document = json.dumps({"questions": [_GOOD, question]}).encode()
    assert _refused(document) == ("InvalidBody", [(f"/questions/{field}", reason) for field, reason in expected])
    lines = [json.dumps(one).encode() for one in (_GOOD, question, _GOOD)]
    assert _of_lines(*lines) == [(f"/{field}", reason) for field, reason in expected]


@pytest.mark.parametrize(
    ("raw", "faults"),
    (
        (b"", [("", "Malformed")]),
        (b"[]", [("", "Malformed")]),
        (b'{"questions":[]', [("", "Malformed")]),
        (b'\xef\xbb\xbf{"questions":[]}', [("", "Malformed")]),
        (b'{"questions":[\xff]}', [("", "Malformed")]),
        (b"{}", [("/questions", "Missing")]),
        (b'{"questions":{}}', [("/questions", "Malformed")]),
        (b'{"questions":null}', [("/questions", "Malformed")]),
        (b'{"questions":[],"more":1}', [("/more", "Unknown")]),
        (b'{"questions":[],"questions":[]}', [("/questions", "Repeated")]),
        (
            b'{"questions":[{"organization":"a","project":"b","project":"c","x":1}]}',
            [("/questions/0/project", "Repeated"), ("/questions/0/x", "Unknown")],
        ),
        (
            b'{"questions":[],"4111111111111111":1,"4111111111111111":1}',
            [("", "Unknown"), ("", "Repeated")],
        ),
        (b'{"questions":[],"' + b"x" * 101 + b'":1,"' + b"x" * 101 + b'":1}', [("", "Unknown"), ("", "Repeated")]),
        (b'{"questions":[{"organization":"a","project":NaN}]}', [("/questions/0/project", "Malformed")]),
        (b'{"questions":[' + b"[" * 40 + b"]" * 40 + b"]}", [("/questions/0", "Malformed")]),
        (b"[" * 100_000, [("", "Malformed")]),
        (b'{"questions":[],"\\ud800":1}', [("/\ud800", "Unknown")]),
    ),
)
def test_a_document_is_read_strictly(raw: bytes, faults: list[tuple[str, str]]) -> None:
    assert _refused(raw) == ("InvalidBody", faults)


def test_a_document_holds_10_000_questions_at_most() -> None:
    assert (MOST_QUESTIONS, KEPT_FAULTS) == (10_000, 100), "as docs/contract.md says"
    many = {"questions": [_GOOD] * MOST_QUESTIONS}
    assert len(_reading().document(orjson.dumps(many)).projects) == MOST_QUESTIONS
    many["questions"].append({})
    assert _refused(orjson.dumps(many)) == ("TooManyQuestions", [])


@pytest.mark.parametrize(
    "line",
    (
        b"",
        b" ",
        b"{}{}",
        b'{"organization":"a","project":"b"},{"organization":"a","project":"b"}',
        b'{"organization":"a","project":"b"}]',
        b'\xef\xbb\xbf{"organization":"a","project":"b"}',
        b'{"organization":"a","project":"\xff"}',
    ),
)
def test_a_line_is_one_object(line: bytes) -> None:
    good = orjson.dumps(_GOOD)
    assert _of_lines(good, line, good) == [("/1", "Malformed")]


def test_lines_do_not_make_up_for_each_other() -> None:
    halves = (b'{"organization":"a"', b'"project":"b"}', b'{"organization":"a","project":"b"},{}')
    assert [field for field, _ in _of_lines(*halves)] == ["/0", "/1", "/2"]
    assert [field for field, _ in _of_lines(b'{"organization":"a","project":"', b'"}')] == ["/0", "/1"]


def test_line_ends_of_others_are_blanks() -> None:
    assert _of_lines(orjson.dumps(_GOOD) + b"\r") == []


def test_all_faults_are_counted_and_some_kept() -> None:
    reading = _reading()
    for _ in range(3):
        reading.lines([b"{}"] * 100)
    assert (reading.fault_count, len(reading.faults), reading.count) == (600, KEPT_FAULTS, 300)


_NARROW = Asker(
    "alice", grants=(Grant("acme", Role.VIEWER, ((Kind.PROJECTS, Names(frozenset({"web"}))),)), Grant("b", Role.VIEWER))
)


def test_what_is_out_of_reach_is_refused_whatever_is_wrong_with_others() -> None:
    reading = LookupReader(len, _NARROW)
    asked = [_GOOD, _GOOD | {"project": "x"}, {"organization": "b", "project": "x"}, {}, _GOOD | {"organization": "c"}]
    with pytest.raises(Problem, match="Forbidden") as refused:
        reading.document(orjson.dumps({"questions": asked}))
    assert reading.forbidden_count == 2
    assert [one.field for one in refused.value.violations] == ["/questions/1/project", "/questions/4/organization"]


@pytest.mark.parametrize("rest", ({}, {"project": None}, {"project": "No Name"}, {"project": 7, "at": "never"}))
def test_an_organization_is_judged_whatever_its_project_is_called(rest: dict[str, object]) -> None:
    asked = [{"organization": name} | rest for name in ("acme", "b", "c")]
    with pytest.raises(Problem, match="Forbidden") as refused:
        LookupReader(len, _NARROW).document(orjson.dumps({"questions": asked}))
    assert [one.field for one in refused.value.violations] == ["/questions/2/organization"]
    reading = LookupReader(len, _NARROW)
    reading.lines(list(map(orjson.dumps, asked)))
    assert [one.field for one in reading.forbidden] == ["/2/organization"]


def test_what_is_within_reach_is_not_refused() -> None:
    for asker in (_NARROW, Asker("alice")):
        reading = LookupReader(len, asker)
        assert reading.lines([orjson.dumps(_GOOD)] * 2).projects == ["web", "web"]
        reading.judge()


def test_of_what_is_out_of_reach_all_is_counted_and_some_kept() -> None:
    reading = LookupReader(len, _NARROW)
    reading.lines([orjson.dumps(_GOOD | {"project": "x"})] * (KEPT_FAULTS + 1))
    assert (reading.forbidden_count, len(reading.forbidden)) == (KEPT_FAULTS + 1, KEPT_FAULTS)
    with pytest.raises(Problem, match="Forbidden") as refused:
        reading.judge()
    assert len(refused.value.violations) == KEPT_FAULTS


def test_what_is_remembered_of_many_organizations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_REACHES", 2)
    monkeypatch.setattr(module, "_MOST_INSTANTS", 2)
    reading = LookupReader(len, _NARROW)
    for number in range(5):
        reading.lines([orjson.dumps({"organization": f"o{number}", "project": "x"})])
        reading.lines([orjson.dumps(_GOOD | {"at": f"2026-01-0{number + 1}T00:00:00Z"})])
        assert len(reading._reaches or {}) <= 2
        assert len(reading._instants) <= 2
    assert (reading.forbidden_count, reading.fault_count) == (5, 0)
