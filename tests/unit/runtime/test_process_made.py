"""What a process is made of, by its roles and settings: before it reaches anybody."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.installations import KEYS
from workers.process import Process
from workers.runtime.roles import ALL_ROLES, CONSUMERS, Role
from workers.runtime.settings import Settings

_ISSUERS = {"https://issuer": {"audiences": ["whopays"], "jwks": "https://issuer/keys"}}


def _process(roles: Sequence[Role], **said: Any) -> Process:
    return Process(Settings(encryption_keys=json.loads(KEYS), **{"auth": "trusted", **said}), roles)


@pytest.mark.parametrize(("roles", "more"), (([], 4), ([Role.RELAY], 4), ([Role.TIMERS, Role.PROJECTS], 0)))
def test_a_relay_has_a_connection_for_each_slot(roles: Sequence[Role], more: int) -> None:
    process = _process(roles, database_pool_size=7, relay_slots=5)
    told = process._metrics.registry.get_sample_value
    assert told("whopays_database_connections_limit") == 7 + more
    assert told("whopays_database_connections", {"state": "in_use"}) == 0
    assert process._metrics.turns.waiting_to_begin() == list(roles or ALL_ROLES)


@pytest.mark.parametrize("roles", ([], [Role.PROJECTS, Role.RELAY], [Role.MAINTENANCE]))
def test_it_reads_what_its_roles_read(roles: Sequence[Role]) -> None:
    read = {subscription.role for subscription in _process(roles)._subscriptions}
    assert read == set(CONSUMERS) & set(roles or ALL_ROLES)


@pytest.mark.parametrize(
    ("roles", "auth", "is_checking"),
    (([], "jwt", True), ([], "trusted", False), ([Role.PROJECTS], "jwt", False), ([Role.ADMIN_COMMANDS], "jwt", True)),
)
def test_who_reads_commands_checks_tokens(roles: Sequence[Role], auth: str, is_checking: bool) -> None:
    process = _process(roles, auth=auth, issuers=_ISSUERS if auth == "jwt" else {})
    assert (process._tokens is not None) is is_checking
    unread = ["the keys of https://issuer were never read"] if is_checking else []
    assert process._not_ready() == unread
    process._stopping.set()
    assert process._not_ready() == [*unread, "it stops"]
