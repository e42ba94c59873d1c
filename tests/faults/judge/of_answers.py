"""Rules about answers: everything that was sent is answered once, and the answer says what was published."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256

from tests.faults.judge.evidence import Evidence, Json
from tests.faults.judge.facts import conflicts
from tests.faults.judge.reading import Asked
from tests.faults.judge.stories import EVENTS, Cut, Event, Story, finals, kind_of

Identity = tuple[str, str]

_FINGERPRINT = re.compile("[0-9a-f]{16}")


def commands_are_answered_once(story: Story) -> Iterator[str]:
    """One final result per id; none for repetitions unless they ask again; one more for each that claims no id."""
    expected, doubtful = _expected(story)
    found: defaultdict[Identity, Counter[str]] = defaultdict(Counter)
    for result in story.results:
        found[result.data["commandSource"], result.data["commandId"]][kind_of(result)] += 1
    for identity in sorted(expected.keys() | found.keys()):
        came, due = found[identity], expected.get(identity)
        if due is None:
            yield f"{identity[1]} was answered, and never sent"
            continue
        for kind in ("final", "repeated", "reused", "unauthenticated", "forbidden", "dry"):
            if came[kind] > due[kind] or (came[kind] < due[kind] and identity not in doubtful):
                yield f"{identity[1]} has {came[kind]} {kind} results, {due[kind]} are due"
        if came["interim"] > 1:
            yield f"{identity[1]} has {came['interim']} interim results"


def commands_are_answered_in_their_order(story: Story) -> Iterator[str]:
    """Of one partition, what stands before is answered before, at first at least."""
    first: dict[Identity, tuple[int, int]] = {}
    for result in story.results:
        if kind_of(result) in ("interim", "final"):
            first.setdefault((result.data["commandSource"], result.data["commandId"]), result.at)
    claiming = [one for one in story.asked if one.is_admitted and not one.is_dry]
    partitions: defaultdict[Identity, set[int]] = defaultdict(set)
    for asked in claiming:
        partitions[asked.identity].add(asked.place[1])
    before: dict[int, tuple[tuple[int, int], str]] = {}
    for asked in sorted(claiming, key=lambda one: one.place):
        at = first.pop(asked.identity, None)
        if at is None or len(partitions[asked.identity]) > 1 or asked.place in story.uncertain:
            continue
        latest = before.get(asked.place[1])
        if latest is not None and at < latest[0]:
            yield f"{asked.id} was answered before {latest[1]}, which stands before it"
        else:
            before[asked.place[1]] = (at, asked.id)


def interim_results_come_first_and_only_to_bindings(story: Story) -> Iterator[str]:
    """Only a `BindProject` is put off, and its final result comes later."""
    settled = set()
    for result in story.results:
        identity = (result.data["commandSource"], result.data["commandId"])
        if kind_of(result) == "final":
            settled.add(identity)
        if kind_of(result) == "interim":
            if not result.data["commandType"].endswith(".BindProject.v1"):
                yield f"{identity[1]} is put off, and is no binding"
            if identity in settled:
                yield f"{identity[1]} has an interim result after its final one"


def repeated_results_are_the_latest(story: Story) -> Iterator[str]:
    """A repeated result equals the last one, and says that it is repeated."""
    latest: dict[Identity, Json] = {}
    for result in story.results:
        identity = (result.data["commandSource"], result.data["commandId"])
        if kind_of(result) in ("interim", "final"):
            latest[identity] = result.data
        elif kind_of(result) == "repeated" and result.data != latest.get(identity, {}) | {"repeated": True}:
            yield f"{identity[1]} is told again as {result.data}, it was {latest.get(identity)}"


def fingerprints_tell_meanings_apart(story: Story) -> Iterator[str]:
    """Same meaning, same fingerprint; an id reused for another meaning has another; none if a card was sent."""
    claiming: dict[Identity, Asked] = {}
    for asked in story.asked:
        if asked.is_admitted and not asked.is_dry:
            claiming.setdefault(asked.identity, asked)
    of_meaning: dict[str, str] = {}
    for result in story.results:
        identity = (result.data["commandSource"], result.data["commandId"])
        told, one = result.data.get("fingerprint"), claiming.get(identity)
        if one is None or kind_of(result) in ("dry", "unauthenticated", "forbidden"):
            continue
        if kind_of(result) == "reused":
            if told is not None and told == of_meaning.get(one.meaning()):
                yield f"{identity[1]} was used again for another meaning, and has the same fingerprint"
        elif (told is None) != one.holds_card_number or (told is not None and not _FINGERPRINT.fullmatch(told)):
            yield f"{identity[1]} has the fingerprint {told}"
        elif told is not None and of_meaning.setdefault(one.meaning(), told) != told:
            yield f"{identity[1]} means what another does, and has another fingerprint"


def claimed_ids_are_the_answered_ones(story: Story) -> Iterator[str]:
    """The inbox, or what is kept of what was forgotten, holds the ids with a result, and the place of the latest."""
    last = {}
    for result in story.results:
        if kind_of(result) in ("final", "interim"):
            last[result.data["commandSource"], result.data["commandId"]] = result.at
    held = {(one.source, one.command_id): (one.shard, one.position) for one in story.inbox}
    for source, command_id in last.keys() - held.keys():
        of_id = f"{story.organization}\0{command_id}"
        digest = sha256(of_id.encode()).digest()[:16] + sha256(f"{of_id}\0{source}".encode()).digest()[:8]
        if digest in story.forgotten:
            held[source, command_id] = story.forgotten[digest]
    for identity in sorted(last.keys() | held.keys()):
        if last.get(identity) != held.get(identity):
            yield f"{identity[1]}: its result is {last.get(identity)}, the inbox names {held.get(identity)}"


def results_name_the_events_published(story: Story) -> Iterator[str]:
    """`events` and `eventCount` are what was published for the command, and nothing is for one without effect."""
    own: defaultdict[str, list[Event]] = defaultdict(list)
    for event in story.events:
        if event.name in EVENTS and (
            "commandId" in event.data.get("cause", {}) or event.name == "ProjectBillingNotice"
        ):
            own[event.cause].append(event)
    for result in story.results:
        if result.data["outcome"] != "Applied" and result.data["eventCount"]:
            yield f"{result.cause} is {result.data['outcome']} and has events"
    applied = {result.cause: result for result in finals(story.results) if result.data["outcome"] == "Applied"}
    asked = {one.id for one in story.asked}
    for command in sorted((own.keys() & asked) - applied.keys()):
        yield f"{command} has events, and was not applied"
    for command, result in applied.items():
        yield from (f"{command} {wrong}" for wrong in _misnamed(result, own[command]))


def dead_letters_are_of_exactly_the_poison(evidence: Evidence, cut: Cut) -> Iterator[str]:
    """One dead letter for each record that cannot be answered, with the right reason, also in the database."""
    expected = {one.place: one.reason for one in cut.poison}
    for story in cut.stories.values():
        expected |= dict.fromkeys(conflicts(story), "VersionConflict")
    expected |= dict.fromkeys(evidence.made_faulty, "HandlerFault")
    told = Counter(letter.place for letter in cut.letters)
    for place, times in told.items():
        if times > 1:
            yield f"{_at(place)} has {times} dead letters"
    reasons = {letter.place: letter.reason for letter in cut.letters}
    for place in sorted(expected.keys() | reasons.keys()):
        if expected.get(place) != reasons.get(place) and not (place in evidence.deleted and place not in reasons):
            yield f"{_at(place)}: the dead letter says {reasons.get(place)}, {expected.get(place)} is due"
    if Counter(evidence.dead_letters) != Counter(reasons.keys()):
        different = set(evidence.dead_letters) ^ reasons.keys()
        yield f"other dead letters are kept than published: {sorted(map(_at, different))[:5]}"


def nothing_is_published_about_nobody(_: Evidence, cut: Cut) -> Iterator[str]:
    """Every event has a key, and belongs to an organization about which something was sent."""
    yield from (f"{event_id} has no key" for event_id in cut.strays)
    for name, story in cut.stories.items():
        if not (story.asked or story.projects or story.profiles):
            yield f"nothing was ever said about {name}"


def _expected(story: Story) -> tuple[dict[Identity, Counter[str]], set[Identity]]:
    """Return how many results of each kind are due for each id, and the ids for which that is uncertain."""
    due: defaultdict[Identity, Counter[str]] = defaultdict(Counter)
    claimed: dict[Identity, str] = {}
    doubtful = set()
    for asked in story.asked:
        if asked.place in story.uncertain:
            doubtful.add(asked.identity)
        due[asked.identity][_due(asked, claimed)] += 1
    return due, doubtful


def _due(asked: Asked, claimed: dict[Identity, str]) -> str:
    if asked.is_dry:
        return "dry"
    if not asked.has_known_sender:
        return "unauthenticated"
    if not asked.is_admitted:
        return "forbidden"
    meaning = asked.meaning()
    if asked.identity in claimed:
        if claimed[asked.identity] != meaning:
            return "reused"
        return "repeated" if asked.asks_again else "none"
    claimed[asked.identity] = meaning
    return "final"


def _misnamed(result: Event, own: list[Event]) -> Iterator[str]:
    said, published = result.data["events"], [(f"io.milo.billing.{one.name}.v1", one.subject) for one in own]
    named = [(one["type"], one["subject"]) for one in said]
    if result.data["eventCount"] != len(own):
        yield f"counts {result.data['eventCount']} events, {len(own)} were published"
    elif len(named) != min(len(own), 100):
        yield f"names {len(named)} of {len(own)} events"
    elif Counter(named) - Counter(published):
        yield f"names events that were never published: {list(Counter(named) - Counter(published))[:3]}"


def _at(place: tuple[str, int, int]) -> str:
    return "/".join(map(str, place))
