"""What somebody reaches as spans of names: each name is in one of them exactly if it is reached."""

import random

from db.questions.reached import AFTER_ALL, Reached, Spans, is_seen, reached_values, spans_of
from domain.reach import EVERYTHING, Reach
from schemas.askers import Asker, Grant, Kind, Names, Role

_NAMES = sorted({a + b + c for a in "ab-" for b in ("", "a", "b", ".") for c in ("", "a", "z")})


def test_spans_hold_what_is_named_and_nothing_else() -> None:
    chance = random.Random(7)
    for _ in range(300):
        lists = tuple(
            Names(
                frozenset(chance.sample(_NAMES, chance.randint(0, 3))),
                tuple(chance.sample(_NAMES, chance.randint(0, 2))),
            )
            for _ in range(chance.randint(0, 3))
        )
        after = chance.choice(("", *_NAMES))
        spans = spans_of(lists, after)
        for name in _NAMES:
            if name > after:
                is_in = [low <= name <= high for low, high in zip(spans.lows, spans.highs, strict=True)]
                assert sum(is_in) == any(name in names for names in lists), (lists, after, name)
        ends = [end for span in zip(spans.lows, spans.highs, strict=True) for end in span]
        assert ends == sorted(ends)
        assert all(high > after for high in spans.highs)
        assert all(high < low for high, low in zip(spans.highs, spans.lows[1:], strict=False)), "they do not touch"
    assert spans_of(None, "b") == Spans([""], [AFTER_ALL])


def test_values_are_those_of_each_organization() -> None:
    web, eu = Names(frozenset({"web", "api"}), ("p-",)), Names(frozenset(), ("eu-",))
    asker = Asker(
        "somebody",
        "https://issuer",
        (
            Grant("*", Role.VIEWER, ((Kind.ACCOUNTS, eu), (Kind.PROJECTS, Names(frozenset(), ())))),
            Grant("acme", Role.VIEWER, ((Kind.PROJECTS, web),)),
        ),
    )
    reached = Reached.of_all(asker)
    assert reached is not None
    assert not reached.is_everything
    values = reached.values()
    assert {name: values[f"project_{name}"] for name in ("organizations", "lows", "highs")} == {
        "organizations": ["acme", "acme", "acme"], "lows": ["api", "p-", "web"], "highs": ["api", "p-{", "web"],
    }  # fmt: skip
    assert {name: values[f"account_{name}"] for name in ("organizations", "lows", "highs")} == {
        "organizations": ["*", "acme"], "lows": ["eu-", "eu-"], "highs": ["eu-{", "eu-{"],
    }  # fmt: skip
    assert Reached.of_all(Asker("somebody", "https://issuer", asker.grants[1:] if asker.grants else ())) is None
    assert Reached(EVERYTHING).is_everything


def test_what_is_compared_with_lists() -> None:
    names = (Names(frozenset({"b", "a"}), ("z-", "y-")), Names(frozenset({"a"}), ("z-",)))
    assert reached_values(Reach(names, None)) == {
        "seen_projects": [], "seen_project_prefixes": [""], "seen_accounts": ["a", "b"],
        "seen_account_prefixes": ["y-", "z-"],
    }  # fmt: skip
    assert is_seen("p", "a", "b").count(" OR ") == 2 + 3
    assert "seen_projects" not in is_seen(None, "a")
