"""A real process of workers: it has every metric that is declared for it, and each counts what happened."""

import math
from dataclasses import replace

from prometheus_client import Metric
from sqlalchemy import text

from tests.support.installations import Installation, free_port
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.messages import account, bind, command, profile, project
from tests.support.metrics import declared_of, scrape, value_of
from tests.support.waiting import until
from workers.runtime.metric import Step
from workers.runtime.roles import ALL_ROLES, BATCH_ROLES

_STEPS = [step for step in Step if step is not Step.VERIFY]


async def test_every_metric_has_its_known_value_after_a_story(quiet_installation: Installation) -> None:
    installation, port = quiet_installation, free_port()
    await installation.start(WHOPAYS_METRICS_PORT=str(port))
    web = project("acme", "web")
    await send(installation, [profile("acme"), web, web, replace(web, value=b"?"), replace(web, key=b"other")])
    await all_consumed(installation)
    create = account("acme", "main")
    await send(installation, [create, create, account("acme", "main", ce_id="again"), command("Surprise", "s", "acme")])
    await send(installation, [bind("acme", "web", "main", "b", ce_traceparent="?")])
    published = len(await exactly_published(installation))

    partitions = 3 * installation.settings.topic_partitions

    async def settled() -> dict[str, Metric] | None:
        told = await scrape(port)
        # Every gauge was measured, and all that is looked at now and then was looked at since.
        unknown = {name for name, one in told.items() for sample in one.samples if math.isnan(sample.value)}
        is_published = value_of(told, "whopays_events_published_total") >= published
        lag = [sample.value for sample in told["whopays_consumer_lag_records"].samples]
        return told if not unknown and is_published and lag == [0] * partitions else None

    told = await until(settled, "all that is measured")
    assert told.keys() == declared_of(ALL_ROLES, checks_tokens=False)
    expected: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
        (
            "commands_total",
            (
                ("type", "CreateAccount"),
                ("outcome", "Applied"),
            ),
        ): 1,
        (
            "commands_total",
            (
                ("type", "CreateAccount"),
                ("outcome", "Rejected"),
            ),
        ): 1,
        (
            "commands_total",
            (
                ("type", "BindProject"),
                ("outcome", "Applied"),
            ),
        ): 1,
        (
            "commands_total",
            (
                ("type", "Unknown"),
                ("outcome", "Rejected"),
            ),
        ): 1,
        ("commands_total", (("type", "SuspendAccount"), ("outcome", "Rejected"))): 1,  # the last, by exactly_published
        ("commands_total", ()): 5,
        (
            "commands_rejected_total",
            (
                ("type", "CreateAccount"),
                ("reason", "AccountExists"),
            ),
        ): 1,
        (
            "commands_rejected_total",
            (
                ("type", "Unknown"),
                ("reason", "UnknownCommand"),
            ),
        ): 1,
        ("commands_rejected_total", ()): 3,
        ("commands_refused_total", ()): 0,
        ("commands_repeated_total", ()): 1,
        ("facts_stale_total", ()): 2,
        ("key_mismatch_total", ()): 1,
        ("dead_letters_total", (("reason", "Undecodable"),)): 1,
        ("dead_letters_total", ()): 1,
        ("attributes_ignored_total", (("attribute", "traceparent"),)): 1,
        ("attributes_ignored_total", ()): 1,
        ("batch_retries_total", ()): 0,
        ("records_lost_total", ()): 0,
        ("batch_records_sum", (("role", "projects"),)): 4,
        ("batch_records_sum", (("role", "payment-profiles"),)): 1,
        ("batch_records_sum", (("role", "admin-commands"),)): 6,
        ("batch_records_sum", (("role", "timers"),)): 0,
        ("events_published_total", ()): published,
        ("events_replayed_total", ()): 0,
        ("relay_transaction_events_sum", ()): published,
        ("relay_active", ()): 1,
        ("relay_interruptions_total", ()): 0,
        ("events_unpublished", ()): 0,
        ("events_unpublished_age_seconds", ()): 0,
        ("timers_overdue", ()): 0,
        ("timers_overdue_seconds", ()): 0,
        ("fan_outs_open", ()): 0,
        ("replays_working", ()): 0,
        ("replays_waiting", ()): 0,
        ("maintenance_failures_total", ()): 0,
        ("archived_events_total", ()): 0,
        ("archived_bytes_total", ()): 0,
        ("forgotten_total", ()): 0,
        ("consumer_lag_records", ()): 0,
        ("consumer_lag_seconds", ()): 0,
        ("open_transaction_seconds", ()): 0,
        ("consumer_waiting_records", ()): 0,
        ("consumer_waiting_bytes", ()): 0,
        ("database_connections_limit", ()): installation.settings.database_pool_size,
        ("build_info", ()): 1,
    }
    found = {(name, labels): value_of(told, f"whopays_{name}", **dict(labels)) for name, labels in expected}
    assert found == expected
    batches = {role: value_of(told, "whopays_batch_seconds_count", role=role) for role in BATCH_ROLES}
    for step in _STEPS:
        steps = {role: value_of(told, "whopays_batch_step_seconds_count", role=role, step=step) for role in BATCH_ROLES}
        assert steps == batches, step
    spent = value_of(told, "whopays_batch_step_seconds_sum")
    assert 0 < spent <= value_of(told, "whopays_batch_seconds_sum")
    assert value_of(told, "whopays_memory_entries", kind="organizations") > 0
    assert 1_999_000 < value_of(told, "whopays_log_positions_left") < 2_000_000
    assert value_of(told, "whopays_maintenance_done_timestamp_seconds") > 0
    lookups = {one: value_of(told, "whopays_memory_lookups_total", outcome=one) for one in ("hit", "miss")}
    assert min(lookups.values()) > 0
    assert value_of(told, "whopays_relay_transaction_seconds_count") >= value_of(told, "whopays_relay_active")
    assert 1 <= value_of(told, "whopays_database_connections") <= installation.settings.database_pool_size

    async with installation.engine.begin() as connection:
        await connection.execute(text("SELECT FROM shards FOR UPDATE"))
        await send(installation, [project("acme", "api"), project("acme", "api", 2)])

        async def behind() -> bool:
            now = await scrape(port)
            records = value_of(now, "whopays_consumer_lag_records")
            return records == 2 and value_of(now, "whopays_consumer_lag_seconds") > 0

        await until(behind, "that two records wait for the lock")

    async def caught_up() -> bool:
        now = await scrape(port)
        return value_of(now, "whopays_consumer_lag_records") == value_of(now, "whopays_consumer_lag_seconds") == 0

    await until(caught_up, "that they are decided")
