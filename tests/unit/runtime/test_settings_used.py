"""What is made of the settings: keys, the policy, shards; none of them changes, and what is misspelt is told, each."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from tests.unit.cli.test_installation import folder
from workers.runtime.settings import MissingKey, Settings, unknown_variables

__all__ = ["folder"]


def _keys(*names: str) -> dict[str, SecretStr]:
    return {name: SecretStr(b64encode(name.encode() * 32).decode()) for name in names}


@pytest.mark.parametrize(("said", "active"), ((None, "c"), ("a", "a"), ("b", "b"), ("c", "c")))
def test_the_last_key_seals_unless_another_is_named_and_all_open(said: str | None, active: str) -> None:
    keys = Settings(encryption_keys=_keys("b", "c", "a"), encryption_key_id=said).keys()
    assert keys.active == active
    for name in "abc":
        key_id, wrapped = Settings(encryption_keys=_keys(name)).keys().wrap(b"data key")
        assert (key_id, keys.unwrap(key_id, wrapped)) == (name, b"data key")


def test_without_the_key_to_seal_with_nothing_is_sealed() -> None:
    with pytest.raises(MissingKey, match="Set WHOPAYS_ENCRYPTION_KEYS to the output of:\n  whopays new-key"):
        Settings(encryption_key_id="a").keys()
    with pytest.raises(MissingKey, match='WHOPAYS_ENCRYPTION_KEY_ID is "d", which is not among'):
        Settings(encryption_keys=_keys("a"), encryption_key_id="d").keys()


def test_a_key_is_base64_and_nothing_else() -> None:
    for stray in ("!", "\n", " "):
        with pytest.raises(ValidationError, match='the key "a" is not base64'):
            Settings(encryption_keys={"a": SecretStr(f"{_keys('a')['a'].get_secret_value()}{stray}")})


def test_what_the_operator_accepts_is_what_is_said() -> None:
    said: dict[str, Any] = {
        "currencies": frozenset({"EUR"}),
        "data_residencies": frozenset({"DE"}),
        "payment_profile_kinds": frozenset({"DirectDebit"}),
        "payment_profile_kinds_by_country": {"DE": frozenset({"CreditCard"})},
    }
    policy = Settings(**said).policy()
    assert {name: getattr(policy, name) for name in said} == said


def test_shards_in_use_are_those_after_the_closed_ones() -> None:
    settings = Settings(shards=7, first_shard=48)
    assert list(settings.shard_numbers) == list(range(48, 55))
    assert {settings.shard_of(f"o{number}") for number in range(200)} == set(range(48, 55))


def test_settings_stay_as_they_are() -> None:
    settings: Any = Settings(topic_prefix="b.")
    with pytest.raises(ValidationError, match="frozen"):
        settings.topic_prefix = "c."
    assert settings.topic("projects") == "b.projects"


def test_every_misspelt_variable_is_told_in_order(folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHOPAYS_SHARDSS", "WHOPAYS_SHARDS", "WHOPAYS_QQQQ", "WHOPAYS_LOG_LEVELL"):
        monkeypatch.setenv(name, "1")
    Path(".env").write_text("WHOPAYS_ZZZZ=1\n")
    assert [line.split()[0] for line in unknown_variables()] == [
        "WHOPAYS_LOG_LEVELL", "WHOPAYS_QQQQ", "WHOPAYS_SHARDSS", "WHOPAYS_ZZZZ",
    ]  # fmt: skip
