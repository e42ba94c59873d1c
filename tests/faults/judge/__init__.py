"""The judge: an independent model of the contract's guarantees, which shares no code with the service.

It reads what was sent, what came back and what the database holds, and says in words what is wrong. Each rule is one
function, whose name says what must hold and starts its findings.
"""

from collections.abc import Callable, Collection, Iterator

from tests.faults.judge import of_accounts, of_answers, of_decisions, of_payers, of_the_log, of_watermarks
from tests.faults.judge.collecting import collected, is_published, unfinished, watermarks
from tests.faults.judge.evidence import Evidence
from tests.faults.judge.facts import facts_are_known_as_reported
from tests.faults.judge.stories import Cut, Story, cut
from tests.faults.load import Load

OF_THE_LOG: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    of_the_log.acknowledged_records_are_in_their_topics,
    of_the_log.log_has_no_hole,
    of_the_log.hash_chain_holds,
    of_the_log.log_and_topics_are_the_same,
    of_the_log.events_are_published_once,
    of_the_log.events_are_published_in_order,
    of_the_log.headers_name_the_event,
    of_the_log.nothing_is_left_unfinished,
    of_the_log.money_is_the_same_in_events_and_database,
    of_watermarks.watermarks_close_what_stands_before_them,
    of_watermarks.watermarks_never_fall,
    of_watermarks.watermarks_close_no_future,
    of_watermarks.watermarks_are_named_by_what_they_say,
)
OF_ALL: tuple[Callable[[Evidence, Cut], Iterator[str]], ...] = (
    of_answers.dead_letters_are_of_exactly_the_poison,
    of_answers.nothing_is_published_about_nobody,
)
OF_ONE_ORGANIZATION: tuple[Callable[[Story], Iterator[str]], ...] = (
    of_answers.commands_are_answered_once,
    of_answers.commands_are_answered_in_their_order,
    of_answers.interim_results_come_first_and_only_to_bindings,
    of_answers.repeated_results_are_the_latest,
    of_answers.fingerprints_tell_meanings_apart,
    of_answers.claimed_ids_are_the_answered_ones,
    of_answers.results_name_the_events_published,
    of_payers.binding_sequences_have_no_hole,
    of_payers.binding_instants_rise,
    of_payers.payers_follow_each_other_without_gap,
    of_payers.only_deletion_releases,
    of_payers.intervals_are_the_rows,
    of_payers.applied_bindings_have_their_change,
    of_payers.new_projects_get_a_payer_or_are_told,
    of_accounts.account_sequences_have_no_hole,
    of_accounts.phases_touch,
    of_accounts.accounts_tell_their_state_last,
    of_accounts.phases_follow_from_what_is_known,
    of_accounts.bound_projects_are_told_of_phases,
    of_accounts.causes_were_really_sent,
    facts_are_known_as_reported,
    of_decisions.outcomes_follow_from_what_was_known,
)


def _name(rule: Callable[..., Iterator[str]]) -> str:
    return rule.__name__.replace("_", " ")


RULES = frozenset((*map(_name, OF_THE_LOG), *map(_name, OF_ALL), *map(_name, OF_ONE_ORGANIZATION)))
"""What the judge looks for, in words."""

__all__ = ["RULES", "Evidence", "collected", "findings", "is_published", "judged", "unfinished", "watermarks"]


async def judged(load: Load) -> list[str]:
    """Judge an installation that has consumed all that was sent; return what is wrong, in words."""
    return findings(await collected(load))


def findings(evidence: Evidence, *, only: Collection[str] = RULES) -> list[str]:
    """Return what is wrong with the evidence, by all rules or some; each finding starts with the broken rule."""
    found = [wrong for rule in OF_THE_LOG if _name(rule) in only for wrong in _found(rule(evidence), _name(rule))]
    parts = cut(evidence)
    for of_all in OF_ALL:
        if _name(of_all) in only:
            found += _found(of_all(evidence, parts), _name(of_all))
    for organization in sorted(parts.stories):
        # Popped, so that only one organization's events are unpacked at a time.
        story = parts.stories.pop(organization)
        for of_one in OF_ONE_ORGANIZATION:
            if _name(of_one) in only:
                found += _found(of_one(story), f"{_name(of_one)}: {organization}")
    return found


def _found(wrong: Iterator[str], where: str) -> list[str]:
    """Return what a rule finds; evidence that it cannot even parse is a finding too."""
    found = []
    try:
        for one in wrong:
            found.append(f"{where}: {one}")  # noqa: PERF401 (what was found before something broke is kept)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        found.append(f"{where}: the evidence makes no sense ({type(error).__name__}: {error})")
    return found
