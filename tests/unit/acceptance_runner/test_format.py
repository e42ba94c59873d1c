"""The loader is strict, and every shipped case passes it."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.format import Await, Case, Pause, Sending, load_cases
from tests.acceptance.json_types import FormatError, to_json

SHIPPED = Path(__file__).parents[2] / "acceptance" / "cases"
BIND = {"send": {"type": "BindProject", "data": {"project": "p1", "account": "a"}}}


def load(folder: Path, *steps: Any, fixtures: dict[str, Any] | None = None, **members: Any) -> list[Case]:
    # JSON is YAML: a file made of it is read like one written by hand.
    content = {"fixtures": fixtures or {"empty": {"records": []}}}
    (folder / "fixtures.yaml").write_text(to_json(content), encoding="utf-8")
    case = {"id": "X-1", "title": "t", "given": "empty", "steps": list(steps)} | members
    case = {name: value for name, value in case.items() if value is not None}
    (folder / "group.yaml").write_text(to_json({"group": "g", "cases": [case]}), encoding="utf-8")
    return load_cases(folder)


def test_every_shipped_case_loads() -> None:
    cases = load_cases(SHIPPED)
    assert len({case.file for case in cases}) == len(list(SHIPPED.glob("*.yaml"))) - 1
    assert len({case.id for case in cases}) == len(cases) > 500


@pytest.mark.parametrize(
    ("step", "named"),
    (
        ({"sned": {}}, "step 1"),
        (BIND | {"expects": {}}, "expects"),
        (BIND | {"raw": {"topic": "projects", "value": None}}, "exactly one"),
        (BIND | {"expect": {"outcomes": "Applied"}}, "outcomes"),
        (BIND | {"expect": {"no_events": False}}, "no_events"),
        (BIND | {"expect": {"result": True}}, "result"),
        (BIND | {"expect": {"events": [{"type": "BindingChanged", "datas": {}}]}}, "datas"),
        (BIND | {"expect": {"events": [{"type": "BindingMoved"}]}}, "BindingMoved"),
        (BIND | {"expect": {"announces": [{"type": "BindingChanged", "data": {}}]}}, "data"),
        (BIND | {"expect": {"violations": [{"reason": "Invalid", "fields": "/x"}]}}, "fields"),
        (BIND | {"expect": {"violations": {"some": []}}}, "some"),
        (BIND | {"expect": {"dead_letter": {"reason": "x", "why": "x"}}}, "why"),
        (BIND | {"expect": {"dead_letter": {"data": {}}}}, "reason"),
        (BIND | {"expect": {"headers": []}}, "headers"),
        ({"send": BIND["send"] | {"headers": {"x": {"base46": "eA=="}}}}, "base46"),
        ({"raw": {"topic": "projects", "value": None, "headers": {"x": {"base64": "no"}}}}, "the header x"),
        ({"send": {"type": "BindProject"}}, "data"),
        ({"send": BIND["send"] | {"tpye": "x"}}, "tpye"),
        ({"send": BIND["send"] | {"mode": "loud"}}, "loud"),
        ({"send": BIND["send"] | {"topic": "bindings"}}, "bindings"),
        ({"raw": {"topic": "projects"}}, "value_text"),
        ({"raw": {"topic": "projects", "value": "x"}}, "value is null"),
        ({"raw": {"topic": "projects", "value": None, "id": "x"}}, "id"),
        ({"many": {"count": 2, "send": BIND["send"], "each": []}}, "each"),
        ({"together": [{"pause": 1}]}, "pause"),
        ({"pause": "1"}, "pause"),
        ({"await": 2, "expect": {}}, "awaits '2'"),
        (BIND | {"within_seconds": "5"}, "within_seconds"),
    ),
)
def test_an_unknown_member_of_a_step_is_named(tmp_path: Path, step: dict[str, Any], named: str) -> None:
    with pytest.raises(FormatError, match=r"group\.yaml: X-1") as error:
        load(tmp_path, step)
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("members", "named"),
    (
        ({"titel": "x"}, "titel"),
        ({"given": "nowhere"}, "nowhere"),
        ({"given": None}, "given"),
        ({"each": "x"}, "each"),
        ({"each": [{"a": 1}], "steps": [{"pause": "<each.b>"}]}, "X-1[0]"),
        ({"finally": [{"whom": {"project": "p1"}, "expect": {}}]}, "whom"),
        ({"finally": [{"who": {"project": "p1"}}]}, "expect"),
        ({"finally": [{"who": {"account": "a"}, "expect": {"account": None}}]}, "account"),
        ({"finally": [{"who": {"project": "p1"}, "expect": {"payer": "a"}}]}, "payer"),
        ({"finally": [{"account": {"account": "a"}, "expect": {"state": "Ready"}}]}, "state"),
        ({"finally": [{"timeline": {"project": "p"}, "expect": [{"payer": "a"}]}]}, "payer"),
        ({"finally": [{"nowhere": "text"}]}, "nowhere"),
    ),
)
def test_an_unknown_member_of_a_case_is_named(tmp_path: Path, members: dict[str, Any], named: str) -> None:
    with pytest.raises(FormatError, match=r"group\.yaml: X-1") as error:
        load(tmp_path, **members)
    assert named in str(error.value)


@pytest.mark.parametrize(
    "fixture",
    (
        {"records": [{"sent": {}}]},
        {"records": [{"await": 1}]},
        {"recrods": []},
        {"records": [], "extends": "x"},
        {"records": [], "extends": "ring"},
    ),
)
def test_a_fixture_is_read_as_strictly(tmp_path: Path, fixture: dict[str, Any]) -> None:
    ring = {"records": [], "extends": "odd"}
    with pytest.raises(FormatError):
        load(tmp_path, fixtures={"odd": fixture, "ring": ring}, given="odd")


def test_an_id_stands_once_in_all_groups(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "other.yaml").write_bytes((tmp_path / "group.yaml").read_bytes())
    with pytest.raises(FormatError, match="X-1"):
        load_cases(tmp_path)


def test_each_value_is_a_case_of_its_own(tmp_path: Path) -> None:
    send = {"type": "<each.type>", "data": {"<each.name>": "<each.value>"}}
    values = [{"type": "A", "name": "n", "value": 30}, {"type": "B", "name": "m", "value": [None]}]
    first, second = load(tmp_path, {"send": send}, each=values)
    assert (first.id, second.id) == ("X-1[0]", "X-1[1]")
    assert first.records()[0].members == {"type": "A", "data": {"n": 30}}
    assert second.records()[0].members == {"type": "B", "data": {"m": [None]}}


def test_each_kind_of_step_is_read(tmp_path: Path) -> None:
    many = {"many": {"count": 3, "cycle": ["a", "b"], "send": {"type": "X", "data": {"v": "{n}", "w": "{cycle}-{n}"}}}}
    steps = [BIND, {"together": [BIND, many]}, {"await": 1, "within_seconds": 3}, {"pause": 0.5}]
    (case,) = load(tmp_path, *steps)
    one, together, awaited, pause = case.steps
    assert isinstance(one, Sending)
    assert one.records[0].number == 1
    assert isinstance(together, Sending)
    assert [record.members["data"] for record in together.records[1:]] == [
        {"v": 1, "w": "a-1"},
        {"v": 2, "w": "b-2"},
        {"v": 3, "w": "a-3"},
    ]
    assert isinstance(awaited, Await)
    assert (awaited.target, awaited.within_seconds) == ("1", 3)
    assert pause == Pause(0.5)


def test_a_fixture_sends_what_it_extends_first(tmp_path: Path) -> None:
    fixtures = {
        "one": {"records": [{"send": {"type": "A", "data": {}}}]},
        "two": {"extends": "one", "records": [{"send": {"type": "B", "name": "b", "data": {}}}]},
    }
    (case,) = load(tmp_path, BIND, fixtures=fixtures, given="two")
    assert [record.members["type"] for record in case.records()] == ["A", "B", "BindProject"]
    assert [record.of_fixture for record in case.records()] == [True, True, False]
