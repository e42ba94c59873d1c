"""Starting a replay: what is selected, where in the log it is, and whether it is still available."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.archive.reading import History
from db.closing import closed_until
from db.history import is_known_account, is_known_organization, is_known_project
from db.replays import KeptReplay, TargetTaken, clock, find_replay, go_on_with_replay, note_replay, replay_into
from db.shard_ranges import shard_ranges
from db.shards import Head, all_heads
from schemas.instants import format_instant
from schemas.replays import ReplayState, Selection
from schemas.topics import replay_topic
from workers.replaying.refusal import ReplayRefused, ReplayTaken
from workers.replaying.target import find_target, refuse_unfit
from workers.runtime.archive import archive_of
from workers.runtime.settings import Settings

DEFAULT_PARTITIONS = 12

_FURTHEST_AHEAD = timedelta(minutes=1)
_LONGEST_WAIT_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.1
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A request for a replay; None as `target` or `partitions` means the default."""

    name: str
    selection: Selection
    target: str | None = None
    partitions: int | None = None
    rate: int | None = None
    is_available_enough: bool = False
    is_detached: bool = False


async def begin(
    engine: AsyncEngine, settings: Settings, asked: ReplayRequest, waits: Callable[[datetime], None] = lambda _: None
) -> KeptReplay:
    """Return the requested replay: newly begun, to be resumed, or already done. Raises ReplayRefused.

    `waits` is called with an end that is not closed yet.
    """
    async with engine.begin() as connection:
        known = await find_replay(connection, asked.name)
        if known is not None:
            _insist_on_the_same(settings, asked, known)
            await go_on_with_replay(connection, asked.name, asked.rate, is_detached=asked.is_detached)
            return replace(known, state=ReplayState.DONE if known.manifest else ReplayState.RUNNING)
        target = _target(settings, asked)
        if (other := await replay_into(connection, target)) is not None:
            raise _taken(target, other)
    found = await find_target(settings, target)
    await refuse_unfit(settings, target, found, asked.partitions, asked.selection.topics)
    partitions = asked.partitions or (found.partitions if found else DEFAULT_PARTITIONS)
    planned = replace(await plan(engine, settings, asked, waits), target=target, partitions=partitions)
    async with engine.begin() as connection:
        try:
            await note_replay(connection, planned)
        except TargetTaken:
            raise _taken(target, "a new one") from None
    async with engine.begin() as connection:
        kept = await find_replay(connection, asked.name)
    if kept is None:
        raise ReplayRefused(f"The replay {asked.name} was not stored.")
    # Another process may have taken the name in the meantime.
    _insist_on_the_same(settings, asked, kept)
    return kept


async def plan(
    engine: AsyncEngine, settings: Settings, asked: ReplayRequest, waits: Callable[[datetime], None] = lambda _: None
) -> KeptReplay:
    """Fix the end of a replay, and find its spans in the log. Raises ReplayRefused."""
    selection = asked.selection
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        history = History(connection, archive_of(settings))
        await _refuse_unknown(connection, history, selection, await all_heads(connection))
        until = await _end(connection, selection, waits)
        spans, available_from = await _spans(connection, history, asked, until)
        begun_at = await clock(connection)
    return KeptReplay(
        name=asked.name,
        selection=selection,
        target=_target(settings, asked),
        target_id=None,
        partitions=asked.partitions or DEFAULT_PARTITIONS,
        asked_partitions=asked.partitions,
        until=until,
        available_from=available_from,
        spans=spans,
        rate=asked.rate,
        is_detached=asked.is_detached,
        state=ReplayState.RUNNING,
        trouble=None,
        owner=None,
        is_leased=False,
        records=0,
        looked_at=0,
        begun_at=begun_at,
        forgotten_at=None,
        manifest=None,
    )


def _taken(target: str, other: str) -> ReplayRefused:
    return ReplayRefused(f"{target} is another replay's topic, {other}. Name another with --topic.")


def _target(settings: Settings, asked: ReplayRequest) -> str:
    return asked.target or settings.topic(replay_topic(asked.name))


def _insist_on_the_same(settings: Settings, asked: ReplayRequest, known: KeptReplay) -> None:
    """Raise ReplayTaken, naming each difference, unless the known replay is the requested one."""
    differences = []
    if asked.selection != known.selection:
        differences.append(f"its selection is {_shown(known.selection)}, not {_shown(asked.selection)}")
    if (target := _target(settings, asked)) != known.target:
        differences.append(f"its topic is {known.target}, not {target}")
    default = DEFAULT_PARTITIONS if known.asked_partitions else known.partitions
    if (partitions := asked.partitions or default) != known.partitions:
        differences.append(f"it has {known.partitions} partitions, not {partitions}")
    if differences:
        raise ReplayTaken(
            f"The name {known.name} is used: {'; '.join(differences)}.\nA name belongs to one replay for ever: "
            "choose another, or repeat the same request."
        )


def _shown(selection: Selection) -> str:
    said = selection.document()
    return ", ".join(
        f"{name} {' '.join(value) if isinstance(value, list) else value}" for name, value in said.items()
    ) or ("everything")


async def _refuse_unknown(
    connection: AsyncConnection, history: History, selection: Selection, heads: Mapping[int, Head]
) -> None:
    """Raise ReplayRefused if a selection names things that do not exist, listing all of them."""
    troubles = []
    organization = selection.organization
    if organization is not None:
        if not (await is_known_organization(connection, organization) or await history.says_of(organization)):
            troubles.append(f"nothing is known of an organization {organization}")
        else:
            project, account = selection.project, selection.account
            if project is not None and not await is_known_project(connection, organization, project):
                troubles.append(f"{organization} has no project {project}")
            if account is not None and not await is_known_account(connection, organization, account):
                troubles.append(f"{organization} has no account {account}")
    for shard, position in selection.places.items():
        if shard not in heads:
            troubles.append(f"--after {shard}-{position}: there is no shard {shard}, only 0 to {len(heads) - 1}")
        elif position > heads[shard].position:
            troubles.append(f"--after {shard}-{position}: the last event of shard {shard} is {heads[shard].position}")
    if organization is not None and selection.after is not None:
        shards = (await shard_ranges(connection)).shards_of(organization)
        if not selection.places.keys() & set(shards):
            named = " and ".join(map(str, shards))
            troubles.append(f"{organization} is in shard {named}, of which --after names no event")
    if troubles:
        raise ReplayRefused(f"Nothing can match: {'; '.join(troubles)}.")


async def _end(connection: AsyncConnection, selection: Selection, waits: Callable[[datetime], None]) -> datetime:
    """Return the end, exclusive; wait until the log is closed up to it. Raises ReplayRefused."""
    now = await clock(connection)
    wanted = selection.until
    if wanted is not None and wanted - now > _FURTHEST_AHEAD:
        raise ReplayRefused(
            f"--until {format_instant(wanted)} is more than a minute ahead ({format_instant(now)}): the events until "
            "then are not known yet. Ask again then."
        )
    began = time.monotonic()
    patience = _LONGEST_WAIT_SECONDS + (max(0.0, (wanted - now).total_seconds()) if wanted else 0.0)
    has_told = False
    while True:
        closed = await closed_until(connection)
        if closed is not None and (wanted is None or wanted - closed <= _MICROSECOND):
            end = wanted or closed + _MICROSECOND
            if selection.from_ is not None and selection.from_ >= end:
                raise ReplayRefused(
                    f"Nothing can match: --from {format_instant(selection.from_)} is not before {format_instant(end)}, "
                    "up to which the log is closed."
                )
            return end
        if time.monotonic() - began > patience:
            raise ReplayRefused(
                f"The log is not closed up to {'now' if wanted is None else format_instant(wanted)} yet, only up to "
                f"{'an unknown instant' if closed is None else format_instant(closed)}: is the relay running, and is "
                "no shard held up?"
            )
        if not has_told and wanted is not None:
            waits(wanted)
            has_told = True
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _spans(
    connection: AsyncConnection, history: History, asked: ReplayRequest, until: datetime
) -> tuple[dict[int, tuple[int, int]], datetime | None]:
    """Return the span of each shard, and since when everything is kept, unless all of it is. Raises ReplayRefused."""
    selection = asked.selection
    heads = await all_heads(connection)
    shards = set(heads)
    if selection.organization is not None:
        shards = set((await shard_ranges(connection)).shards_of(selection.organization))
    if selection.after is not None:
        shards &= selection.places.keys()
    kept = {shard: found for shard, found in (await history.first_kept()).items() if shard in shards}
    whole = {shard: (position - 1, heads[shard].position) for shard, (position, _) in kept.items()}
    ends = await history.last_before(until, whole)
    begins = {shard: after for shard, (after, _) in whole.items()}
    if selection.from_ is not None:
        begins = await history.last_before(selection.from_, whole)
    places = {shard: selection.places.get(shard, 0) for shard in shards}
    # For rows that are no longer kept, it is unknown how many were before the start.
    lost = {
        shard: instant
        for shard, (position, instant) in kept.items()
        if position > heads[shard].begins_after + 1
        and places[shard] + 1 < position
        and (selection.from_ is None or instant >= selection.from_)
    }
    available_from = max(lost.values()) + _MICROSECOND if lost else None
    if available_from is not None and not asked.is_available_enough:
        elsewhere = (
            " More is in the archive: WHOPAYS_ARCHIVE_URL must say where." if await history.lacks_archive() else ""
        )
        raise ReplayRefused(
            f"Not all of the selection is kept any more: it is available from {format_instant(available_from)} on "
            f"(--from {format_instant(available_from)}). To replay what is kept: --available.{elsewhere}"
        )
    spans = {shard: (max(begins[shard], min(places[shard], ends[shard])), ends[shard]) for shard in sorted(shards)}
    return {shard: (min(after, last), last) for shard, (after, last) in spans.items()}, available_from
