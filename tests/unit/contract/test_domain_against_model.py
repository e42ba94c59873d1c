"""Whatever is said, in whatever batches: the domain and the model see the same (Hypothesis, without chance)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from tests.support.model.model import Model
from tests.support.model.said import COMMANDS, Said
from tests.support.model.seen import grouped
from tests.support.model.stories import Story, with_token
from tests.support.properties import examples
from tests.unit.contract.pure import START, PureService

LONGEST = 80
PAUSES_SECONDS = (0, 0, 1.5, 1.5, 7.5, 40.5, 120.5)


@settings(
    derandomize=True,
    max_examples=examples(500),
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(LONGEST // 4, LONGEST))
def test_the_domain_agrees_with_the_model(seed: int, steps: int) -> None:
    tell(seed, steps)


def tell(seed: int, steps: int) -> None:
    """Tell one story of about so many messages to both, batch by batch, and compare after each.

    A shorter story of the same seed is a beginning of the longer one.
    """
    random = Random(seed)
    story, service, model = Story(random, "acme"), PureService(), Model("acme")
    now, told = START, 0
    # Every other story is told where tokens are checked, as long as it is not of the beginning.
    checks_tokens = seed % 2 == 1
    batch: list[Said] = story.prologue()
    while told < steps:
        now = pass_time(service, model, now, now + timedelta(seconds=random.choice(PAUSES_SECONDS)))
        for _ in range(random.choice((1, 1, 2, 4, 8))):
            batch += next_messages(story, random, now)
        told += len(batch)
        if checks_tokens:
            batch = [with_token(one, random) if one.topic == COMMANDS else one for one in batch]
        compare(batch, service.process(batch, now), (model.hear(one, now) for one in batch))
        assert state_of(service) == state_of_model(model)
        batch = []
    pass_time(service, model, now, now + timedelta(hours=2))
    assert state_of(service) == state_of_model(model)


def pass_time(service: PureService, model: Model, now: datetime, later: datetime) -> datetime:
    """Let both do what is due until later, each when it is due, and give the instant that was reached."""
    while (due := model.next_due()) is not None and due <= later:
        # The domain's instants strictly rise, so that what was said together is due some microseconds apart.
        now = max(now, due + timedelta(milliseconds=1))
        compare([], service.process([], now), [model.pass_time(now)])
    return max(now, later)


def next_messages(story: Story, random: Random, now: datetime) -> list[Said]:
    """Return what is said next: a fact, a command, or several commands that belong together."""
    chance = random.randrange(100)
    if chance < 20:
        return [story.project_fact() if chance < 13 else story.profile_fact(now)]
    return story.scene(now) if chance < 32 else [story.command(now)]


def compare(batch: Iterable[Said], got: list[dict[str, Any]], expected: Iterable[list[dict[str, Any]]]) -> None:
    """Compare what came of a batch, subject by subject."""
    for said in batch:
        note(f"{said.type} {said.id} by {said.authid}: {said.data}")
    assert grouped(got) == grouped([one for each in expected for one in each])


def state_of(service: PureService) -> dict[str, Any]:
    """Return what the domain knows and has not told."""
    book = service.book
    changed = book.changed
    book.look_up(organizations={"acme"}, contacts=changed.accounts.keys())
    accounts = {
        account.account: (
            account.sequence,
            account.version,
            account.phase.value,
            account.balance and float(account.balance.outstanding),
            (contact := book.contact(account)) and contact.name,
            book.bound_projects(account).first,
        )
        for account in changed.accounts.values()
    }
    projects = {
        project.project: (
            project.state,
            project.version,
            project.uid,
            project.number,
            project.account,
            (scheduled := book.scheduled(project.key)) and scheduled.origin.caused_by,
        )
        for project in changed.projects.values()
    }
    keys = {(organization, project) for organization, project, _ in changed.pending}
    queues = {key[1]: [one.origin.caused_by for one in queue] for key in keys if (queue := book.queue(key))}
    return {"accounts": accounts, "projects": projects, "queues": queues, "default": book.default_account("acme")}


def state_of_model(model: Model) -> dict[str, Any]:
    """Return the same of the model."""
    state = model.state
    accounts = {
        name: (
            account["sequence"],
            account["version"],
            account["phase"],
            account["balance"] and account["balance"][0],
            account["contact"] and account["contact"]["name"],
            sorted(project for project in state["projects"] if state["projects"][project]["payer"] == name),
        )
        for name, account in state["accounts"].items()
    }
    projects = {
        name: (
            project["state"],
            project["version"],
            project["uid"],
            project["sequence"],
            project["payer"],
            project["scheduled"] and project["scheduled"]["said"].id,
        )
        for name, project in state["projects"].items()
    }
    queues = {name: [one["said"].id for one in queue] for name, queue in state["queues"].items() if queue}
    return {"accounts": accounts, "projects": projects, "queues": queues, "default": state["default"]}
