"""The drills: what breaks in each, its symptoms, the hints for the operator, and what the runbook does."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cli.drill import incidents
from cli.drill.site import Site
from cli.operating.standing import Section, Standing, Verdict

_DISCARD = """Redriving helps where the cause was whopays'; half a record stays half a record. Discard them:
whopays dead-letters discard --all --reason "sent again by their producer\""""
_PUT_BACK = """Put the row back, as its history has it, with psql or any other client of PostgreSQL:
SET session_replication_role = replica;
UPDATE projects SET account = 'main' WHERE organization = 'acme' AND project = 'project-1';"""
_WRITE_AGAIN = """Elsewhere: free its disk, or give WHOPAYS_DATABASE_URL the primary. Here, with psql or another client:
ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf();"""
_REDRIVE = """Stop the worker, mend the row (it had no balance), start it, and redrive what it could not decide:
service stop commands
SET session_replication_role = replica; UPDATE accounts SET outstanding = NULL, outstanding_currency_code = NULL,
  outstanding_as_of = NULL WHERE organization = 'acme' AND account = 'lab';
service start commands
whopays dead-letters redrive --all, and at last whopays verify, so that its verdict is a new one."""


@dataclass(frozen=True, slots=True)
class Drill:
    """An incident. `shows` are the checks of `whopays status` of which at least one then fails.

    `page` is the message to the operator on call: the summary of the alert, as Prometheus would send it.
    """

    name: str
    about: str
    alert: str
    page: str
    shows: frozenset[str]
    breaks: Callable[[Site], Awaitable[None]]
    hints: Sequence[str]
    section: Section
    mends: Callable[[Site], Awaitable[None]]


def is_visible(drill: Drill, found: Sequence[Standing]) -> bool:
    """Return whether the incident is visible."""
    return any(one.what in drill.shows and one.verdict in (Verdict.TROUBLE, Verdict.UNKNOWN) for one in found)


DRILLS: dict[str, Drill] = {
    one.name: one
    for one in (
        Drill(
            "relay",
            "Events do not reach their readers.",
            "WhopaysEventsUnpublished",
            "Events of whopays are not published",
            frozenset({"publishing", "watermark"}),
            incidents.relay_hangs,
            (
                "whopays status and whopays top: what waits, and who has the lease of the relay?",
                "No process that publishes shows a sign of life, and its log (relay.log) has ended: it hangs.",
                "Any process may be killed at any time: service restart relay",
            ),
            Section.NOT_PUBLISHED,
            incidents.restart_the_relay,
        ),
        Drill(
            "rubbish",
            "Records cannot be answered.",
            "WhopaysDeadLetters",
            "Records became dead letters",
            frozenset({"dead letters"}),
            incidents.producer_sends_rubbish,
            (
                "whopays dead-letters list --waiting: which topic, which organization, why?",
                "whopays dead-letters show NUMBER: what is kept of it. Tell its producer, who has to send it again.",
                _DISCARD,
            ),
            Section.DEAD_LETTERS,
            incidents.look_and_discard,
        ),
        Drill(
            "kafka",
            "Everything waits.",
            "WhopaysRelayInterrupted",
            "The relay of whopays keeps restarting",
            frozenset({"Kafka"}),
            incidents.kafka_dies,
            (
                "whopays status: which of the two servers does not answer?",
                "The logs say relay_interrupted; processes wait and continue by themselves. Nothing is lost.",
                "Kafka has to be started: service start kafka",
            ),
            Section.SERVER_AWAY,
            incidents.start_kafka,
        ),
        Drill(
            "database",
            "The database takes no writes: its disk is full, or after a fail-over it is a standby.",
            "WhopaysBatchesRetried",
            "whopays keeps retrying batches",
            frozenset({"publishing", "watermark", "projects", "admin-commands"}),
            incidents.database_takes_no_writes,
            (
                "whopays status: PostgreSQL and Kafka answer, yet nothing is decided. What do the logs say?",
                "batch_retried, ReadOnlySQLTransactionError: PostgreSQL refuses to write. Nothing is lost meanwhile.",
                _WRITE_AGAIN,
            ),
            Section.SERVER_AWAY,
            incidents.let_it_write,
        ),
        Drill(
            "worker",
            "A process died in the middle of its work.",
            "WhopaysRoleMissing",
            "No process plays the role projects",
            frozenset({"projects"}),
            incidents.worker_is_killed,
            (
                "whopays status: which topic does no process read?",
                "It was killed (kill -9), perhaps between its commit and its acknowledgement. That does no harm.",
                "Any process that was killed may be started again at once: service start projects",
            ),
            Section.RECORDS_WAIT,
            incidents.start_the_worker,
        ),
        Drill(
            "promise",
            "The audit found something.",
            "WhopaysPromiseBroken",
            "whopays has broken the promise payers",
            frozenset({"audit"}),
            incidents.somebody_corrects_a_payer,
            (
                "whopays verify: what is wrong, and where? Nothing is repaired or restarted before that is understood.",
                "whopays timeline acme project-1: who pays, as published. A row was changed by hand.",
                _PUT_BACK,
            ),
            Section.AUDITING,
            incidents.look_and_put_it_back,
        ),
        Drill(
            "redrive",
            "Sound commands become dead letters.",
            "WhopaysHandlerFault",
            "whopays could not decide a record: a bug",
            frozenset({"dead letters"}),
            incidents.somebody_damages_an_account,
            (
                "whopays dead-letters list --waiting: HandlerFault is no producer's fault. What do they share?",
                "whopays verify: a row of accounts cannot be loaded: it was changed by hand. commands.log has more.",
                _REDRIVE,
            ),
            Section.DEAD_LETTERS,
            incidents.mend_it_and_redrive,
        ),
    )
}
