"""The stories have teeth: with one mistake about rights made, the domain and the model part."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import pytest

from tests.support.packages import ROOT
from tests.unit.contract import test_domain_against_model as telling

_LONGEST, _STORIES = 40, 60


@dataclass(frozen=True)
class Mistake:
    """A text of a module, and what stands there instead; what is made of it takes the place of `names` in `users`."""

    module: str
    old: str
    new: str
    names: tuple[str, ...]
    users: tuple[str, ...]


_IDENTITY = ("domain.fold", "domain.gathering")
MISTAKES = {
    "identity before admission": Mistake(
        "domain.fold", "is_looked_up = not broken and not", "is_looked_up = not",
        ("fold",), ("tests.unit.contract.pure",),
    ),
    "a forbidden command claims its id": Mistake(
        "domain.fold", "        if claims:\n", "        if not message.dry_run:\n",
        ("fold",), ("tests.unit.contract.pure",),
    ),
    "rights not judged": Mistake(
        "domain.identity", "    return judged(message.asker, message.organization, rights, message.event.data)",
        "    return Judged([], ())",
        ("admission",), _IDENTITY,
    ),
    "one missing right named": Mistake(
        "domain.rights", "    return Judged(missing, tuple(used))", "    return Judged(missing[:1], tuple(used))",
        ("judged",), ("domain.identity",),
    ),
    "the organization ignored": Mistake(
        "domain.rights", "    grants = [grant for grant in asker.grants if grant.is_in(organization)]\n"
        "    if rights is None:", "    grants = list(asker.grants)\n    if rights is None:",
        ("judged",), ("domain.identity",),
    ),
    "one right is enough": Mistake(
        "domain.rights", "    for right in rights:\n", "    for right in rights[:1]:\n",
        ("judged",), ("domain.identity",),
    ),
    "a list of one kind leaves the others open": Mistake(
        "schemas.askers", "        return _NONE\n", "        return None\n", ("Grant",), (),
    ),
    "a name matches as a prefix without its star": Mistake(
        "schemas.askers", "name.startswith(self.prefixes)", "name.startswith((*self.prefixes, *self.exact, 'b'))",
        ("Names",), (),
    ),
    "an authid is not compared": Mistake(
        "schemas.asking", "if authid is not None and not _names(authid, asker.person):", "if False:",
        ("who_asks",), ("schemas.parsing",),
    ),
}  # fmt: skip


def _made(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put what a module defines with the mistake in the place of what it defines without."""
    path = ROOT.joinpath(*mistake.module.split(".")).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    assert source.count(mistake.old) == 1, mistake
    defined: dict[str, Any] = {"__name__": mistake.module}
    exec(compile(ast.parse(source.replace(mistake.old, mistake.new)), str(path), "exec"), defined)  # noqa: S102 (our own)
    for name in mistake.names:
        for user in mistake.users:
            monkeypatch.setattr(import_module(user), name, defined[name])
        if not mistake.users:
            known = getattr(import_module(mistake.module), name)
            for method in ("names", "__contains__"):
                if method in vars(known):
                    monkeypatch.setattr(known, method, vars(defined[name])[method])


def _parts(stories: int = _STORIES) -> bool:
    for seed in range(1, 2 * stories, 2):
        try:
            telling.tell(seed, _LONGEST)
        except AssertionError:
            return True
    return False


@pytest.fixture(autouse=True)
def _without_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    says_nothing: Callable[..., None] = lambda *_: None  # noqa: E731 - notes are for Hypothesis
    monkeypatch.setattr(telling, "note", says_nothing)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _made(MISTAKES[name], monkeypatch)
    assert _parts()


@pytest.mark.parametrize("name", MISTAKES)
def test_without_the_mistake_nothing_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _made(replace(MISTAKES[name], new=MISTAKES[name].old), monkeypatch)
    assert not _parts(10)
