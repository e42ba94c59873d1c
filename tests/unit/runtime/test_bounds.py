"""The bounds of the settings: each accepts its smallest and its largest value, and nothing beyond."""

import math
from base64 import b64encode
from typing import Any

import pytest
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import SecretStr, ValidationError

from db.sealing import KEY_BYTES
from workers.runtime.settings import Settings

_LARGEST = 2**31
_BOUNDS: dict[str, tuple[float, float]] = {
    "topic_partitions": (1, _LARGEST),
    "shards": (1, 1024),
    "first_shard": (0, 32_000),
    "max_value_bytes": (1024, 524_288),
    "batch_max_records": (1, _LARGEST),
    "remembered_records": (0, _LARGEST),
    "timers_poll_seconds": (math.ulp(0), 1),
    "relay_slots": (1, 64),
    "relay_batch_rows": (1, _LARGEST),
    "relay_poll_seconds": (math.ulp(0), _LARGEST),
    "relay_transaction_seconds": (math.ulp(0), math.nextafter(40, 0)),
    "relay_lease_seconds": (2, _LARGEST),
    "keep_commands_days": (math.ulp(0), _LARGEST),
    "keep_dead_letters_days": (math.ulp(0), _LARGEST),
    "archive_after_days": (0, 36_500),
    "maintenance_seconds": (math.ulp(0), 3600),
    "replay_rate": (1, _LARGEST),
    "database_pool_size": (2, _LARGEST),
    "stop_seconds": (math.ulp(0), _LARGEST),
    "metrics_port": (0, 65535),
    "hang_seconds": (math.ulp(0), _LARGEST),
    "serve_port": (0, 65535),
    "serve_statement_seconds": (math.ulp(0), 600),
    "serve_heavy_requests": (1, _LARGEST),
}


def _takes(**said: Any) -> bool:
    try:
        Settings(**said)
    except ValidationError:
        return False
    return True


def test_every_setting_with_a_bound_is_here() -> None:
    fields = Settings.model_fields.items()
    assert _BOUNDS.keys() == {
        name for name, field in fields if any(isinstance(one, Ge | Gt | Le | Lt) for one in field.metadata)
    }


@pytest.mark.parametrize("name", _BOUNDS)
def test_nothing_beyond_a_bound_is_taken(name: str) -> None:
    smallest, largest = _BOUNDS[name]
    assert _takes(**{name: smallest})
    assert _takes(**{name: largest})
    is_whole = Settings.model_fields[name].annotation is int
    assert not _takes(**{name: smallest - 1 if is_whole else math.nextafter(smallest, -1)})
    if largest != _LARGEST:
        assert not _takes(**{name: largest + 1 if is_whole else math.nextafter(largest, math.inf)})


def test_what_is_empty_is_not_taken() -> None:
    named = {
        name for name, field in Settings.model_fields.items() if any(isinstance(x, MinLen) for x in field.metadata)
    }
    assert named == {"grants_claim", "console_client_id"}
    for name in named:
        assert _takes(**{name: "x"})
        assert not _takes(**{name: ""})


@pytest.mark.parametrize("prefix", ("", "billing.", "A-z_0.9", "x" * 100))
def test_prefixes_of_topics(prefix: str) -> None:
    assert Settings(topic_prefix=prefix).topic("bindings") == f"{prefix}bindings"


@pytest.mark.parametrize("prefix", ("x" * 101, "a b", "a/", "é", "a:"))
def test_prefixes_that_no_topic_can_have(prefix: str) -> None:
    assert not _takes(topic_prefix=prefix)


@pytest.mark.parametrize(("size", "is_taken"), ((KEY_BYTES, True), (KEY_BYTES - 1, False), (KEY_BYTES + 1, False)))
def test_keys_have_32_bytes(size: int, is_taken: bool) -> None:
    assert KEY_BYTES == 32
    assert _takes(encryption_keys={"a": SecretStr(b64encode(bytes(size)).decode())}) is is_taken
    assert not _takes(encryption_keys={"a": SecretStr("no base64!")})
