"""Problems are as section 11 of the contract has them."""

import re

import orjson
import pytest

from service.problems import PROBLEMS, Problem, Reason, Violation, wrong
from tests.support.packages import ROOT

SECTION = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8").partition("## 11.")[2].partition("\n## 12.")[0]


def test_every_problem_of_the_contract_has_its_status() -> None:
    said = SECTION.partition("- Errors are")[2].partition("Judged in this order")[0]
    words = re.sub(r"\([^)]*\)", "", said.partition("`InvalidParameter`")[1] + said.partition("`InvalidParameter`")[2])
    found: dict[str, int] = {}
    waiting: list[str] = []
    for name, status in re.findall(r"`([A-Z]\w+)`|\b([45]\d\d)\b", words):
        if name:
            waiting.append(name)
        else:
            found |= dict.fromkeys(waiting, int(status))
            waiting = []
    assert {name: status for name, (status, _) in PROBLEMS.items()} == found


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_says_what_it_is(name: str) -> None:
    document = orjson.loads(Problem(name, "because").body())
    assert document["type"] == f"urn:whopays:problem:{name}"
    assert document["status"] == PROBLEMS[name][0]
    assert document["detail"] == "because"
    assert document["title"]
    assert (document["violations"], document["violationCount"]) == ([], 0)


def test_a_hundred_violations_are_named_and_all_are_counted() -> None:
    document = wrong([Violation(Reason.UNKNOWN, "no", f"p{number}") for number in range(250)]).document()
    assert [one["field"] for one in document["violations"]] == [f"p{number}" for number in range(100)]
    assert document["violationCount"] == 250


def test_reasons_are_those_of_the_contract() -> None:
    said = re.search(r"`reason` of (.*?);", SECTION)
    assert said
    assert list(Reason) == re.findall(r"`(\w+)`", said[1])
