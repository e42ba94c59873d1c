"""Events as a rebinding workload makes them: of each command one BindingChanged and one CommandCompleted."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import NAMESPACE_URL, uuid5

from benchmarks.fleet import ACCOUNTS, SENDER, SOURCE, Fleet
from schemas.events import BindingChanged, Cause, CurrentBinding, PreviousBinding
from schemas.message_types import type_of
from schemas.outgoing import Outgoing
from schemas.results import Announcement, CommandCompleted, Outcome
from schemas.terms import PaymentTerms

EVENTS_PER_COMMAND = 2
_ORGANIZATIONS, _PROJECTS = 200, 20_000
_TERMS = PaymentTerms()
_ALREADY_BOUND = timedelta(hours=1)


class Rebindings:
    """Events of one command after the other; the projects take turns, and their sequences go on."""

    def __init__(self) -> None:
        self._projects = Fleet(_ORGANIZATIONS, _PROJECTS).projects
        self._numbers = count()

    def of(self, commands: int) -> list[Outgoing]:
        """Return the events of so many more commands."""
        return [event for _ in range(commands) for event in self._next()]

    def _next(self) -> tuple[Outgoing, Outgoing]:
        number = next(self._numbers)
        turn, place = divmod(number, len(self._projects))
        organization, project = self._projects[place]
        subject, command = f"{organization}/{project}", f"BindProject-{number:08}"
        bound = uuid5(NAMESPACE_URL, f"{subject}/{turn + 1}")
        now = datetime.now(UTC)
        binding = BindingChanged(
            organization=organization,
            project=project,
            change="Superseded",
            current=CurrentBinding(
                binding_id=str(bound),
                account=ACCOUNTS[(turn + 1) % 2],
                established_at=now,
                currency_code="EUR",
                payment_terms=_TERMS,
            ),
            previous=PreviousBinding(
                binding_id=str(uuid5(NAMESPACE_URL, f"{subject}/{turn}")),
                account=ACCOUNTS[turn % 2],
                established_at=now - _ALREADY_BOUND,
                ended_at=now,
            ),
            cause=Cause(command_id=command, by=SENDER),
        )
        result = CommandCompleted(
            organization=organization,
            command_id=command,
            command_source=SOURCE,
            command_type=type_of("BindProject"),
            dry_run=False,
            outcome=Outcome.APPLIED,
            violations=(),
            violation_count=0,
            account=ACCOUNTS[(turn + 1) % 2],
            project=project,
            binding_id=str(bound),
            events=(Announcement(type=type_of("BindingChanged"), subject=subject),),
            event_count=1,
        )
        return (
            Outgoing(binding, organization, subject, subject.encode(), now, turn + 1, command, SENDER),
            Outgoing(result, organization, organization, organization.encode(), now, None, command, SENDER),
        )
