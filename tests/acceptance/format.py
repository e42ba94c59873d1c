"""The cases as `cases/FORMAT.md` defines them: read strictly, each value of `each` a case of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.acceptance.expand import count_up, replace_each, waits_for_instant
from tests.acceptance.json_types import FormatError, Json, in_text, read_yaml
from tests.acceptance.members import check_members, check_question, check_record, require

DEFAULT_WITHIN_SECONDS = 10.0
_FIXTURES_FILE = "fixtures.yaml"
_CASE_MEMBERS = ("id", "title", "contract", "source", "from", "each", "given", "steps", "finally")
_WITHIN_EACH = ("given", "steps", "finally")


@dataclass(frozen=True)
class Record:
    """One record to send, as written, and what is expected of it (`None`: nothing, and nobody waits)."""

    label: str
    kind: Literal["send", "raw"]
    members: dict[str, Json]
    expect: dict[str, Json] | None
    within_seconds: float
    number: int | None = None
    of_fixture: bool = False

    @property
    def name(self) -> str | None:
        """The name for `<step NAME>` and `await`, if it has one."""
        name = self.members.get("name") if self.kind == "send" else None
        return None if name is None else in_text(name)


@dataclass(frozen=True)
class Sending:
    """Records sent without waiting in between: one, those of `together`, or those of `many`."""

    records: tuple[Record, ...]


@dataclass(frozen=True)
class Await:
    """The final result of the command that a step sent: `target` is its number or name, as text."""

    label: str
    target: str
    expect: dict[str, Json]
    within_seconds: float


@dataclass(frozen=True)
class Pause:
    """A wait of so many seconds."""

    seconds: float


Step = Sending | Await | Pause


@dataclass(frozen=True)
class Question:
    """A question at the end: `arguments` are the member beside its name, `expect` everything beside that."""

    label: str
    kind: str
    arguments: Json
    expect: Json
    contiguous: bool


@dataclass(frozen=True)
class Case:
    """A case, or one value of its `each`: everything it says, fixture included."""

    id: str
    title: str
    file: str
    steps: tuple[Step, ...]
    questions: tuple[Question, ...]

    @property
    def waits_for_instants(self) -> bool:
        """Whether the case waits for instants that it names in what it sends."""
        return any(waits_for_instant(record.members) for record in self.records())

    def records(self) -> list[Record]:
        """Return every record the case sends, its fixture's first."""
        return [record for step in self.steps if isinstance(step, Sending) for record in step.records]


def load_cases(folder: Path, further_fixtures: Path | None = None) -> list[Case]:
    """Return every case of a folder, in the order of files and cases.

    `further_fixtures` is a folder whose fixtures are known as well, those of `folder` going before them. Raises
    `FormatError` for whatever does not keep to the format, naming file, case and member.
    """
    if not folder.is_dir():
        raise FormatError(f"{folder} is no folder of cases")
    fixtures: dict[str, Json] = {}
    for place in (further_fixtures, folder):
        if place is not None and (place / _FIXTURES_FILE).exists():
            fixtures |= _read_fixtures(place / _FIXTURES_FILE)
    cases: list[Case] = []
    seen: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.name == _FIXTURES_FILE:
            continue
        group = read_yaml(path)
        check_members(group, path.name, required=("group", "cases"))
        require(isinstance(group["cases"], list), f"{path.name}: cases is a list")
        for case in group["cases"]:
            where = f"{path.name}: {case.get('id', 'a case without id') if isinstance(case, dict) else case}"
            check_members(case, where, required=("id", "title", "given", "steps"), optional=_CASE_MEMBERS)
            require(case["id"] not in seen, f"{where}: the id stands already in {seen.get(case['id'])}")
            seen[case["id"]] = path.name
            cases += _each_case(case, path.name, where, fixtures)
    return cases


def _read_fixtures(path: Path) -> dict[str, Json]:
    content = read_yaml(path)
    check_members(content, path.name, required=("fixtures",))
    for name, fixture in content["fixtures"].items():
        check_members(fixture, f"{path.name}: {name}", required=("records",), optional=("extends",))
    return dict(content["fixtures"])


def _each_case(case: dict[str, Json], file: str, where: str, fixtures: dict[str, Json]) -> list[Case]:
    if "each" not in case:
        return [_parse_case(case, case["id"], file, where, fixtures)]
    require(isinstance(case["each"], list) and case["each"] != [], f"{where}: each is a list of values")
    cases = []
    for index, value in enumerate(case["each"]):
        here = f"{where}[{index}]"
        try:
            replaced = {name: replace_each(case[name], value) for name in _WITHIN_EACH if name in case}
        except FormatError as error:
            raise FormatError(f"{here}: {error}") from error
        cases.append(_parse_case(case | replaced, f"{case['id']}[{index}]", file, here, fixtures))
    return cases


def _parse_case(case: dict[str, Json], id_: str, file: str, where: str, fixtures: dict[str, Json]) -> Case:
    steps = list(_parse_fixture(case["given"], fixtures, where, ()))
    require(isinstance(case["steps"], list), f"{where}: steps is a list")
    for number, step in enumerate(case["steps"], start=1):
        steps.append(_parse_step(step, number, where))
    questions = [
        _parse_question(question, f"finally {index}", f"{where}: finally {index}")
        for index, question in enumerate(case.get("finally", []), start=1)
    ]
    parsed = Case(id_, in_text(case["title"]), file, tuple(steps), tuple(questions))
    _check_targets(parsed, where)
    return parsed


def _parse_fixture(name: Json, fixtures: dict[str, Json], where: str, extended_by: tuple[str, ...]) -> list[Step]:
    require(name in fixtures, f"{where}: there is no fixture {name!r}")
    require(name not in extended_by, f"{where}: the fixture {name!r} extends itself")
    fixture = fixtures[name]
    steps: list[Step] = []
    if "extends" in fixture:
        steps += _parse_fixture(fixture["extends"], fixtures, where, (*extended_by, name))
    for number, record in enumerate(fixture["records"], start=1):
        label = f"fixture {name}, record {number}"
        parsed = _parse_record(record, label, f"{where}: {label}", DEFAULT_WITHIN_SECONDS, of_fixture=True)
        steps.append(Sending((parsed,)))
    return steps


def _parse_step(step: Json, number: int, where: str) -> Step:
    label, here = f"step {number}", f"{where}: step {number}"
    match step:
        case {"send": _} | {"raw": _}:
            return Sending((_parse_record(step, label, here, DEFAULT_WITHIN_SECONDS, number=number),))
        case {"together": _}:
            check_members(step, here, required=("together",), optional=("within_seconds",))
            return Sending(tuple(_parse_together(step["together"], label, here, _within_seconds(step, here))))
        case {"many": _}:
            return Sending(tuple(_parse_many(step, label, here, DEFAULT_WITHIN_SECONDS)))
        case {"await": _}:
            check_members(step, here, required=("await",), optional=("expect", "within_seconds"))
            expect = check_record({"expect": step.get("expect", {})}, here, of_await=True)
            return Await(label, in_text(step["await"]), expect or {}, _within_seconds(step, here))
        case {"pause": _}:
            check_members(step, here, required=("pause",))
            seconds = step["pause"]
            require(isinstance(seconds, int | float) and not isinstance(seconds, bool), f"{here}: pause is in seconds")
            return Pause(float(seconds))
        case _:
            raise FormatError(f"{here}: {step!r} is no step")


def _parse_together(members: Json, label: str, where: str, within_seconds: float) -> list[Record]:
    require(isinstance(members, list), f"{where}: together is a list of steps")
    records: list[Record] = []
    for index, member in enumerate(members, start=1):
        require(isinstance(member, dict), f"{where}: a step is a map")
        inner_label, inner_where = f"{label}, together {index}", f"{where}, together {index}"
        if "many" in member:
            records += _parse_many(member, inner_label, inner_where, within_seconds)
        else:
            records.append(_parse_record(member, inner_label, inner_where, within_seconds))
    return records


def _parse_many(step: dict[str, Json], label: str, where: str, within_seconds: float) -> list[Record]:
    check_members(step, where, required=("many",), optional=("within_seconds",))
    many = step["many"]
    check_members(many, where, required=("count", "send"), optional=("cycle", "expect", "within_seconds"))
    require(isinstance(many["count"], int), f"{where}: count is a whole number")
    within_seconds = _within_seconds(step, where, _within_seconds(many, where, within_seconds))
    written = {name: many[name] for name in ("send", "expect") if name in many}
    return [
        _parse_record(count_up(written, n, many.get("cycle")), f"{label}, {n} of many", f"{where}, {n}", within_seconds)
        for n in range(1, many["count"] + 1)
    ]


def _parse_record(
    step: Json,
    label: str,
    where: str,
    within_seconds: float,
    *,
    number: int | None = None,
    of_fixture: bool = False,
) -> Record:
    check_members(step, where, one_of=("send", "raw"), optional=("expect", "within_seconds"))
    kind: Literal["send", "raw"] = "send" if "send" in step else "raw"
    expect = check_record(step, where)
    within_seconds = _within_seconds(step, where, within_seconds)
    return Record(label, kind, step[kind], expect, within_seconds, number, of_fixture)


def _parse_question(question: Json, label: str, where: str) -> Question:
    kind = check_question(question, where)
    return Question(label, kind, question[kind], question.get("expect"), question.get("contiguous", False))


def _within_seconds(step: dict[str, Json], where: str, default: float = DEFAULT_WITHIN_SECONDS) -> float:
    seconds = step.get("within_seconds", default)
    require(isinstance(seconds, int | float) and not isinstance(seconds, bool), f"{where}: within_seconds is a number")
    return float(seconds)


def _check_targets(case: Case, where: str) -> None:
    """Check that every `await` names a record that was sent before it."""
    known: set[str] = set()
    for step in case.steps:
        if isinstance(step, Await):
            require(step.target in known, f"{where}: {step.label} awaits {step.target!r}, which sends nothing before")
        elif isinstance(step, Sending):
            known |= {str(record.number) for record in step.records if record.number is not None}
            known |= {record.name for record in step.records if record.name is not None}
