"""Changes that no test can notice, with the reason: by file, and by the line as it was after the change.

Where many lines are the same after their changes, as `if False:` is, by the line before and after.
"""

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "service/kubernetes/finding.py",
        "_LARGEST_NUMBER = 2**63 - 2",
    ): "No binding has so large a number: it is not found, either way.",
    (
        "domain/notices.py",
        "number=unfinished[-1].number + 1 if unfinished else 2,",
    ): "Numbers only order the fan-outs of an account that are not done, and nobody is told of them.",
    ("cli/operating/top.py", "loop.remove_reader(source)  ->  pass"): "The loop ends right after.",
    ("cli/terminal/screen.py", "UNLIMITED = 100001"): "One sign more than is ever as wide.",
    (
        "cli/terminal/screen.py",
        "screen.out(line.rstrip(), highlight=True)",
    ): "What is no terminal gets no colours.",
    (
        "workers/publishing/dividing.py",
        "if not earlier:  ->  if False:",
    ): "Only slower: what is noted already is noted again.",
    ("cli/operating/top.py", "if not settings.metrics_port:  ->  if False:"): "Nobody answers at port 0.",
    (
        "cli/operating/top.py",
        'for key in _KEY.findall(os.read(source, 1025).decode(errors="replace")):',
    ): "One sign more is read at once.",
    ("cli/operating/top_screen.py", "if owner is None and left is None:"): "Both are None, or neither is.",
    ("cli/operating/verify.py", "showing_life.cancel()  ->  pass"): "The loop cancels what is left when it ends.",
    (
        "cli/operating/verify.py",
        "reads_archive = began > archive_read + _ARCHIVE_SECONDS",
    ): "A nanosecond less than a day.",
    (
        "cli/operating/waiting.py",
        "deadline = time.monotonic() + _READ_MS / 1001",
    ): "It is waited for a little less.",
    (
        "cli/operating/waiting.py",
        "read = await self.consumer.getmany(timeout_ms=_READ_MS // 5)",
    ): "It is asked a little sooner again.",
    (
        "cli/operating/watched.py",
        "replays = await list_replays(connection, limit=21)",
    ): "One more is looked at, and not shown.",
    ("embedded/postgresql.py", "if done.exists():  ->  if False:"): "It is found to be there already.",
    ("embedded/data_folder.py", "_SMALLEST_FREE_BYTES = 300000001"): "One byte of 300 MB.",
    **dict.fromkeys(
        (
            (f"workers/{name}.py", 'self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:9]}"')
            for name in ("maintenance", "publishing/slots", "replaying/lease")
        ),
        "It is different from all others, with one sign more.",
    ),
    ("embedded/data_folder.py", "if free <= _SMALLEST_FREE_BYTES:"): "One byte of 300 MB.",
    (
        "service/parameters.py",
        'if raw.isascii() and b"%" not in raw and b"+" not in raw:  ->  if False:',
    ): "Only slower: what is plain is read without decoding it.",
    (
        "service/parameters.py",
        'text = raw.decode("ascii") if False else decoded(raw)',
    ): "Only slower: what is plain is read without decoding it.",
    (
        "service/parameters.py",
        "parameter = None if False else parameters.get(name)",
    ): "No parameter is called None.",
    ("workers/consuming/start_positions.py", "consumer.seek(partition, 1)"): "Any position does: the true one follows.",
    ("audit/output_topics.py", "enable_auto_commit=True,"): "A consumer without a group commits nothing.",
    (
        "workers/replaying/reading.py",
        "keys, shards = keys_of(replay.selection), max(2, len(replay.spans))",
    ): "Where there is one shard, its pages are half as long.",
    (
        "db/questions/resources/projects.py",
        "return self.organization, self.project, 1",
    ): "The number is of bindings alone.",
    (
        "db/questions/resources/accounts.py",
        'return self.organization, self.state["account"], 1',
    ): "The number is of bindings alone.",
    (
        "service/kubernetes/watching.py",
        "return at + (_MARK_UNCHANGED_SECONDS if False else _MARK_SECONDS)",
    ): "A bookmark comes sooner than it must.",
    (
        "workers/publishing/slots.py",
        "return bool(ended)  ->  return None",
    ): "It is looked again sooner for what has ended.",
    (
        "cli/sending/composing.py",
        'return {choice["type"] for choice in choices if True}',
    ): "There is no member without a type.",
    ("workers/redriving.py", "max_batch_size=2,"): "Every record is larger.",
    (
        "workers/redriving.py",
        "await asyncio.gather(*sending, return_exceptions=True)  ->  pass",
    ): "What is cancelled sends nothing more, and ends a moment later.",
    (
        "workers/reconciling.py",
        "shard: max(last.get(shard, 1), positions.get(shard, BEGINNING).position)",
    ): "The first position is 1.",
    (
        "db/dead_letter_actions.py",
        "found = await lock_dead_letters(connection, numbers, with_values=True)",
    ): "Only slower: what is not needed is read as well.",
    ("db/dead_letter_actions.py", "if not listed:  ->  if False:"): "Only slower: nobody knows any of no ids.",
    ("db/dead_letter_actions.py", "_REDRIVING_LOCK_KEY = 8604249625209369207"): "Any number does.",
    (
        "workers/timers.py",
        "self._avoided = {one: until for one, until in self._avoided.items() if until >= now}",
    ): "An instant of a clock more or less.",
    ("workers/process.py", "running.cancel()  ->  pass"): "The loop cancels what is left when it ends, a second later.",
    ("workers/process.py", "stopping.cancel()  ->  pass"): "It is set before the process ends, or the loop cancels it.",
    ("service/negotiation.py", 'specific = {media: 4, f"{kind}/*": 2, "*/*": 1}.get(words[0], 0)'): "More is more.",
    ("service/kubernetes/selectors.py", "while start < len(selector):"): "A last term that is empty is left out.",
    (
        "service/kubernetes/selectors.py",
        "end = len(selector) if False else term.end()",
    ): "The pattern matches anything.",
    (
        "workers/replaying/wanted.py",
        "if row.topic == Topic.ACCOUNTS:  ->  if False:",
    ): "Only slower: an event of an account names no other.",
    ("workers/topics/cluster.py", "return {}  ->  return None"): "Of no topic nothing is looked up.",
    ("service/tails.py", "elif self.position <= tail.reached:"): "What comes after the last one is nothing.",
    ("workers/replaying/snapshot.py", "if len(held) > _HELD_SUBJECTS:"): "One more subject is held.",
    ("workers/batches/progress.py", "self._end = 1"): "The first record that is read sets it.",
    ("workers/batches/progress.py", "if offset >= position:"): "What is decided is never the first that is not.",
    (
        "workers/batches/tracing.py",
        "if not is_sampled(trace_parent):  ->  if False:",
    ): "Only slower: there is no context, either way.",
    ("workers/batches/transaction.py", "self._partition_ensured = -2"): "Both are before the first partition.",
    **dict.fromkeys(
        (("workers/consuming/lanes.py", line) for line in ("self.generation = 1", "self.generation += 2")),
        "Generations are the same, or they are not.",
    ),
    ("workers/replaying/working.py", "self._written = 1"): "It is set before anybody is told.",
    ("workers/replaying/working.py", "_LOOK_AGAIN_SECONDS, _LOOKS = 0.1, 101"): "It is looked once more.",
    ("workers/replaying/packed.py", "self.bytes = 1"): "One byte of 16 MB.",
    (
        "workers/replaying/lease.py",
        "return time.monotonic() - self._renewed > min(_RENEW_SECONDS, self._seconds / 4)",
    ): "It is renewed sooner.",
    (
        "workers/replaying/beginning.py",
        "if wanted is not None and wanted - now >= _FURTHEST_AHEAD:",
    ): "A microsecond of the database's clock, which is read then and there.",
    ("workers/replaying/target.py", "_FIRST_LOOK = 65"): "It is looked a record further back at first.",
    (
        "workers/replaying/reading.py",
        "opened.enter_context(closing(one))  ->  pass",
    ): "Nobody knows it any more.",
    **dict.fromkeys(
        (
            ("workers/replaying/reading.py", line)
            for line in (
                "keys, shards = keys_of(replay.selection), min(1, len(replay.spans))",
                "limit = max(_MOST_OF_SHARD, max(_FEWEST_OF_SHARD, _ROWS_AT_ONCE // shards))",
                "limit = min(_MOST_OF_SHARD, min(_FEWEST_OF_SHARD, _ROWS_AT_ONCE // shards))",
            )
        ),
        "How much is read at once.",
    ),
    ("cli/operating/replay.py", "loop.remove_signal_handler(one)  ->  pass"): "The loop ends right after.",
    (
        "cli/operating/replay.py",
        "if detach and replay.state is State.DONE:",
    ): "Nothing is done with one that is done, but to look at it.",
    **dict.fromkeys(
        (
            ("workers/publishing/restoring.py", f"last[shard] = max(last.get(shard, 1), {what})")
            for what in ("bound", "position")
        ),
        "The first position is 1.",
    ),
    **dict.fromkeys(
        (
            ("workers/replaying/snapshot.py", line)
            for line in (
                "_BUCKETS = 65",
                "self._bits = mmap.mmap(-1, (last - after) // 8 + 2)",
                "self._bits = mmap.mmap(-1, (last + after) // 8 + 1)",
                "yield at, hashlib.blake2b(key, digest_size=17, key=topic.encode()).digest()",
                "entries[subject[1] % len(files)].append(_ENTRY.pack(subject, *place))",
                "while chunk := file.read(_ENTRY.size * 4097):",
            )
        ),
        "Any number, and any byte of a hash, does.",
    ),
    **dict.fromkeys(
        (
            ("service/kubernetes/tables.py", f"if whole <= {limit}:")
            for limit in ("10 * _MINUTE", "8 * _HOUR", "8 * _DAY", "8 * _YEAR")
        ),
        "There the smaller unit is none.",
    ),
    **dict.fromkeys(
        (
            *(
                ("db/timers.py", line)
                for line in (
                    "WHERE due_at < clock_timestamp() AND (",
                    "FROM payment_profiles WHERE due_at < clock_timestamp() ORDER BY due_at LIMIT :row_limit",
                )
            ),
            *(
                ("db/slots.py", line)
                for line in (
                    (
                        "WITH gone AS (DELETE FROM relay_processes WHERE owner <> :owner "
                        "AND expires_at <= clock_timestamp())"
                    ),
                    "WHERE kept.expires_at <= excluded.expires_at - make_interval(secs => :seconds / 3)",
                    "SELECT count(*) FROM relay_processes WHERE owner <> :owner AND expires_at > clock_timestamp()",
                    "SELECT FROM relay_leases WHERE relay_leases.slot = slot.slot AND expires_at > clock_timestamp()",
                )
            ),
            *(
                ("db/watching.py", line)
                for line in (
                    "FROM pending_bindings WHERE kind = 'Scheduled' AND due_at < clock_timestamp()",
                    (
                        "FROM pending_bindings AS pending WHERE kind = 'Waiting' "
                        "AND due_at < clock_timestamp() AND NOT EXISTS ("
                    ),
                    "FROM payment_profiles WHERE due_at < clock_timestamp()",
                )
            ),
            ("db/leases.py", "FROM relay_leases WHERE expires_at >= clock_timestamp() LIMIT 1"),
            ("db/load.py", "AND due_at < clock_timestamp() + interval '1 minute'"),
        ),
        "A microsecond of the database's clock, which is read then and there.",
    ),
    **dict.fromkeys(
        (
            ("db/raising.py", line)
            for line in (
                "AND shards.last_instant <= clock.bound AND greatest(ahead, -ahead) <= CAST(:most_apart AS interval)",
                "WHERE shards.shard = free.shard AND shards.last_instant <= clock.bound",
                (
                    "WHERE shards.shard = CAST(:shard AS smallint) AND shards.last_instant <= clock.bound "
                    "AND closed_at IS NULL"
                ),
                "SELECT shard FROM shards WHERE last_instant <= CAST(:instant AS timestamptz) AND closed_at IS NULL",
                "WHERE shards.shard = behind.shard AND shards.last_instant <= :instant",
            )
        ),
        "What is there already is raised to where it is.",
    ),
    (
        "db/published.py",
        "ON CONFLICT (shard) DO UPDATE SET position = excluded.position WHERE published.position <= excluded.position",
    ): "What is there already is raised to where it is.",
    ("db/store.py", "if not claim.is_new  ->  if True"): "What was just claimed is moved to where it is.",
    (
        "db/load.py",
        "profiles = {(account.organization, account.payment_profile) for account in accounts if True}",
    ): "No payment profile is called None.",
    ("db/load.py", "found = [one for one in known if True]"): "Of an account nothing else is remembered.",
    (
        "db/load.py",
        "for fan_out in book.fan_outs((organization, account))[:2]:",
    ): "A page more is loaded, which nobody asks for.",
    (
        "db/load.py",
        'page = [row["project"] for row in await fetch(connection, _PAGE, **place, row_limit=FAN_OUT_PAGE + 2)]',
    ): "A row more is read, and cut off.",
    ("db/load.py", "if not rows:  ->  if False:"): "Only slower: nothing is in what is empty.",
    ("db/history.py", "_FURTHEST = 20001"): "How many positions one statement is about.",
    **dict.fromkeys(
        (
            ("db/history.py", "return min(until, position + (limit if False else _FURTHEST))"),
            ("db/history.py", "return min(until, position + (limit if keys.boundary is not None else _FURTHEST))"),
        ),
        "A statement is about more or fewer positions than it should be, and says up to where.",
    ),
    (
        "db/history.py",
        (
            "while middles := {shard: (low[shard] + high[shard] + 2) // 2 for shard in within "
            "if low[shard] < high[shard]}:"
        ),
    ): "It is bisected beside the middle.",
    ("db/exports.py", "return int(status.rsplit(maxsplit=2)[-1])"): "The last word is the same.",
    ("db/log.py", "rows = await read(connection, {shard: position - 1}, 2)"): "A row more is read, and left out.",
    ("db/memory.py", "self._epochs[shard] += 2"): "It is another epoch, either way.",
    **dict.fromkeys(
        (
            ("db/dead_letters.py", f"possible = [number for number in numbers if {one}]")
            for one in ("0 <= number <= LARGEST_NUMBER", "0 < number < LARGEST_NUMBER")
        ),
        "No dead letter has that number.",
    ),
    **dict.fromkeys(
        (
            (
                "service/kubernetes/finding.py",
                f"{name}s = await {name}s_page(scope.connection, organization, FIRST, 2, {name}=name)",
            )
            for name in ("account", "project")
        ),
        "There is one of a name.",
    ),
    (
        "service/kubernetes/finding.py",
        "if found is None or not is_identifier(found[1]) or int(found[2]) >= _LARGEST_NUMBER:",
    ): "No binding has so large a number: it is not found, either way.",
    **dict.fromkeys(
        (
            ("service/answers.py", f"return _gzip(body) if {test} else await asyncio.to_thread(_gzip, body)")
            for test in ("False", "len(body) <= _WORTH_A_THREAD")
        ),
        "Only slower: it is compressed in a thread.",
    ),
    **dict.fromkeys(
        ((f"service/{name}.py", "await leaving  ->  pass") for name in ("event_streams", "lines")),
        "What is cancelled ends by itself, a moment later.",
    ),
    **dict.fromkeys(
        (
            ("service/kubernetes/watching.py", f"if self._mark_due() {earlier} loop.time() {later} self._ends:")
            for earlier, later in (("<", "<"), ("<=", "<="))
        ),
        "An instant of a clock more or less.",
    ),
    (
        "service/kubernetes/watching.py",
        "return lines, page.reached <= head",
    ): "It sees once more that nothing follows before it waits.",
    (
        "service/kubernetes/finding.py",
        "return selection.only(PHASE) == ACTIVE and selection.narrows_beyond(PHASE, PROJECT, ACCOUNT)",
    ): "Only slower: pages of another size are read.",
    ("service/serving.py", "_BACKLOG = 2049"): "One connection more that waits.",
    **dict.fromkeys(
        (
            (
                "workers/topics/admission.py",
                "if len(cluster.topics) == len(TOPIC_PLANS) or waited >= _MISSING_SECONDS:",
            ),
            ("workers/topics/admission.py", "if waited >= _SILENT_SECONDS:"),
        ),
        "An instant of a clock more or less.",
    ),
    ("workers/topics/plan.py", "_LOOKS = 201"): "It is looked once more before it is given up.",
    ("workers/topics/plan.py", "if found >= wanted:"): "They differ.",
    **dict.fromkeys(
        (
            ("workers/topics/plan.py", "missing = [plan for plan in _plans(settings) if True]"),
            ("workers/topics/plan.py", "if not missing:  ->  if False:"),
        ),
        "What is there already is passed over when it is created.",
    ),
    **dict.fromkeys(
        (("cli/asking/answered.py", f"_ALL = {number}") for number in ("3**31", "2**32")),
        "More than a project can have had payers.",
    ),
    (
        "cli/asking/answered_results.py",
        "if not await has_archive(connection):  ->  if False:",
    ): "Only slower: nothing is looked for in an archive that there is not.",
    ("cli/asking/changed.py", "left = _AT_ONCE if False else wanted.limit"): "Only smaller pages of all that there is.",
    ("cli/asking/pages.py", "limit = _AT_ONCE if False else wanted.limit"): "Only smaller pages of all that there is.",
    (
        "cli/operating/intervals.py",
        "total = await count_intervals(connection, what) if is_watched else 1",
    ): "Nobody is shown how many there are.",
    ("cli/operating/waiting.py", "while len(first) <= len(behind) and time.monotonic() < deadline:"): "Only slower.",
    **dict.fromkeys(
        (
            ("db/migrations/versions/0008_payer_is_a_column.py", f"sa.Column({column}, nullable=True),")
            for column in (
                '"organization", sa.Text',
                '"project", sa.Text(collation="C")',
                '"number", sa.BigInteger',
            )
        ),
        "The primary key that is made later forbids it.",
    ),
    (
        "db/migrations/versions/0008_payer_is_a_column.py",
        "WHEN changed.number >= 1 AND previous.number IS NULL THEN 'bindings_number_follows'",
    ): "The first of a project is not among those that are wrong.",
    **dict.fromkeys(
        (
            ("db/migrations/versions/0010_replays.py", line)
            for line in (
                "for low in range(0, highest + 2, _PAGE_OF_EACH_SHARD):",
                "AND shard IN (SELECT shard FROM shards) AND position >= :low AND position <= :high",
            )
        ),
        "What is filled in is filled in once more, or nothing is.",
    ),
    **dict.fromkeys(
        (
            ("db/migrations/versions/0012_questions.py", f"_note_{what}(connection, [row for row in rows if True])")
            for what in ("results", "phases")
        ),
        "Only slower: what is of the other topic matches nothing.",
    ),
    (
        "db/migrations/versions/0022_archive.py",
        "WHERE closed_at IS NULL AND shards.position <= beyond - 1 OR EXISTS (",
    ): "The row at that position stays in any case, since it is not archived.",
    (
        "db/migrations/versions/0022_archive.py",
        "SELECT array_agg(shards.shard) INTO staying FROM shards JOIN LATERAL (",
    ): "An aggregate is always one row.",
    (
        "db/migrate.py",
        (
            '"UPDATE installation SET oldest_code = :oldest '
            'WHERE oldest_code IS NULL OR oldest_code <= CAST(:oldest AS text)"'
        ),
    ): "It is set to what it is.",
    (
        "db/role_troubles.py",
        "JOIN pg_attribute ON attrelid = pg_class.oid AND attnum >= 0 AND NOT attisdropped",
    ): "No column has the number 0.",
    ("db/archive/reading.py", "if border < low:"): "What is earlier than an instant is then where it begins.",
    **dict.fromkeys(
        (
            ("db/archive/reading.py", f"if not rows or not rows[0].row.position {first} position + 1 {last}:")
            for first, last in (("<", "<= rows[-1].row.position"), ("<=", "< rows[-1].row.position"))
        ),
        "Only slower: the block is read again.",
    ),
    **dict.fromkeys(
        ((f"db/questions/{name}.py", "_BEYOND = 2**63 - 2") for name in ("asked", "results")),
        "No event is so far.",
    ),
    **dict.fromkeys(
        (
            ("embedded/ports.py", line)
            for line in ("_SERVERS_PORTS = range(20001, 32_000)", "_SERVERS_PORTS = range(20_000, 32001)")
        ),
        "A port more or less to choose from.",
    ),
    ("embedded/ports.py", "probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 2)"): "It is on, with any number.",
    ("embedded/processes.py", "_LARGEST_LOG_BYTES = 20000001"): "One byte of 20 MB.",
    (
        "embedded/start_cache.py",
        'path = folder / f"start-{hashlib.sha256(made_for.encode()).hexdigest()[:9]}.aot"',
    ): "Another name tells caches apart as well.",
    **dict.fromkeys(
        (
            ("embedded/kafka.py", f'api_versions_request = struct.pack(">ihhih", 10, 18, {rest})')
            for rest in ("1, 1, -1", "0, 2, -1", "0, 1, -2")
        ),
        "A broker answers any version, any number, and any that stands for no name.",
    ),
}
