"""For each alert what makes it fire, and what is so near to it that it just does not: series, one value a minute.

`{n}x{m}` is the value n and m times again; `a+bx{m}` rises by b each minute; `_x{m}` is nothing. Time begins at 0.
"""

from dataclasses import dataclass

MINUTES = 25
"""When an alert must fire, or not."""


@dataclass(frozen=True)
class Case:
    """Series of which an alert comes, and others of which it does not."""

    fires: dict[str, str]
    rests: dict[str, str]


_ALWAYS = "x100"
_HEARTBEAT = 'whopays_role_heartbeat_timestamp_seconds{{role="{}"}}'
_ROLES = ("projects", "payment-profiles", "admin-commands", "timers", "relay", "replays", "maintenance")


def _of(series: str, fires: str, rests: str) -> Case:
    return Case({series: fires}, {series: rests})


def _buckets(series: str, below: str, above: str, bounds: tuple[str, str]) -> dict[str, str]:
    """Return a histogram of two buckets, the second of which has everything."""
    low, high = bounds
    return {f'{series},le="{low}"}}': below, f'{series},le="{high}"}}': above, f'{series},le="+Inf"}}': above}


_BATCH = 'whopays_batch_seconds_bucket{role="projects"'
_PAYER = 'whopays_http_request_seconds_bucket{path="/v1/organizations/{organization}/projects/{project}/payer"'
_RELAY_A, _RELAY_B = 'whopays_relay_active{instance="a"}', 'whopays_relay_active{instance="b"}'
_POOL, _LIMIT = 'whopays_database_connections{state="in_use"}', "whopays_database_connections_limit"
_GOOD, _BAD = 'whopays_http_requests_total{status="200"}', 'whopays_http_requests_total{status="503"}'

CASES = {
    "WhopaysPromiseBroken": _of('whopays_broken_promises{promise="log"}', f"1{_ALWAYS}", f"0{_ALWAYS}"),
    "WhopaysNobodyAudits": _of("whopays_last_audit_timestamp_seconds", f"-86400{_ALWAYS}", f"-84000{_ALWAYS}"),
    # The process has lost them before it was scraped for the first time.
    "WhopaysRecordsLost": _of('whopays_records_lost_total{role="projects"}', "_x20 7x20", f"7{_ALWAYS}"),
    "WhopaysRoleSilent": _of(_HEARTBEAT.format("relay"), f"0{_ALWAYS}", "0+60x100"),
    "WhopaysRoleMissing": Case(
        {_HEARTBEAT.format(role): "0+60x100" for role in _ROLES if role != "timers"},
        {_HEARTBEAT.format(role): "0+60x100" for role in _ROLES},
    ),
    "WhopaysConsumerLagging": _of(
        'whopays_consumer_lag_seconds{topic="projects",partition="1"}', f"61{_ALWAYS}", f"60{_ALWAYS}"
    ),
    "WhopaysConsumerFarBehind": _of(
        'whopays_consumer_lag_seconds{topic="projects",partition="1"}', f"901{_ALWAYS}", f"900{_ALWAYS}"
    ),
    "WhopaysTransactionLeftOpen": _of(
        'whopays_open_transaction_seconds{topic="projects",partition="1"}', f"91{_ALWAYS}", f"90{_ALWAYS}"
    ),
    "WhopaysHandlerFault": Case(
        {'whopays_dead_letters_total{reason="HandlerFault"}': "0x20 1x20"},
        {'whopays_dead_letters_total{reason="Undecodable"}': "0x20 1x20"},
    ),
    "WhopaysDeadLetters": Case(
        {'whopays_dead_letters_total{reason="Undecodable"}': "_x20 1x20"},
        {'whopays_dead_letters_total{reason="HandlerFault"}': "_x20 1x20"},
    ),
    "WhopaysKeyMismatch": _of("whopays_key_mismatch_total", "0x20 1x20", f"1{_ALWAYS}"),
    "WhopaysSendersRefused": _of('whopays_commands_refused_total{reason="Forbidden"}', "0+13x100", "0+11x100"),
    "WhopaysIssuerKeysUnread": _of(
        'whopays_issuer_keys_read_timestamp_seconds{issuer="https://login.example"}', f"0{_ALWAYS}", "0+60x100"
    ),
    "WhopaysBatchesRetried": _of("whopays_batch_retries_total", "0+7x100", "0+5x100"),
    "WhopaysBatchesSlow": Case(
        _buckets(_BATCH, "0+90x100", "0+100x100", ("5.0", "10.0")),
        _buckets(_BATCH, "0+96x100", "0+100x100", ("5.0", "10.0")),
    ),
    "WhopaysDatabasePoolExhausted": Case(
        {_POOL: f"16{_ALWAYS}", _LIMIT: f"16{_ALWAYS}"}, {_POOL: f"15{_ALWAYS}", _LIMIT: f"16{_ALWAYS}"}
    ),
    "WhopaysTimersOverdue": _of("whopays_timers_overdue_seconds", f"61{_ALWAYS}", f"60{_ALWAYS}"),
    "WhopaysEventsUnpublished": _of("whopays_events_unpublished_age_seconds", f"61{_ALWAYS}", f"60{_ALWAYS}"),
    "WhopaysNoActiveRelay": Case(
        {_RELAY_A: f"1{_ALWAYS}", _RELAY_B: f"1{_ALWAYS}", "whopays_relay_slots": f"3{_ALWAYS}"},
        {_RELAY_A: f"1{_ALWAYS}", _RELAY_B: f"2{_ALWAYS}", "whopays_relay_slots": f"3{_ALWAYS}"},
    ),
    "WhopaysRelayInterrupted": _of("whopays_relay_interruptions_total", "0+1x100", "0x14 1 2 3 4 4x100"),
    "WhopaysInstantsNotClosed": _of("whopays_closed_until_timestamp_seconds", f"0{_ALWAYS}", "0+60x100"),
    "WhopaysMaintenanceStalled": _of(
        'whopays_maintenance_done_timestamp_seconds{chore="partitions"}', f"-90000{_ALWAYS}", f"-80000{_ALWAYS}"
    ),
    "WhopaysArchivingFails": Case(
        {'whopays_maintenance_failures_total{chore="archive"}': "0x20 1x20"},
        {'whopays_maintenance_failures_total{chore="commands"}': "0x20 1x20"},
    ),
    "WhopaysLogNearlyFull": _of("whopays_log_positions_left", f"499999{_ALWAYS}", f"500000{_ALWAYS}"),
    "WhopaysReplaysWaiting": _of("whopays_replays_waiting", f"1{_ALWAYS}", f"0{_ALWAYS}"),
    "WhopaysQuestionsFail": Case({_GOOD: "0+94x100", _BAD: "0+6x100"}, {_GOOD: "0+96x100", _BAD: "0+4x100"}),
    "WhopaysQuestionsSlow": Case(
        _buckets(_PAYER, "0+980x100", "0+1000x100", ("1.0", "2.5")),
        _buckets(_PAYER, "0+995x100", "0+1000x100", ("1.0", "2.5")),
    ),
}
