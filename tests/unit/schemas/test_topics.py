"""The topics are those of the contract's table (docs/contract.md section 1)."""

from pathlib import Path

from schemas.topics import (
    INPUT_TOPICS,
    MOST_PARTITIONS,
    OUTPUT_TOPICS,
    TOPIC_PLANS,
    Topic,
    TopicPlan,
    replay_target_settings,
    replay_topic,
)

CONTRACT = Path(__file__).parents[3] / "docs" / "contract.md"
DAY_MS = 24 * 60 * 60 * 1000


OF_REPLAYS = "replay.{name}"
"""Made one by one, for each replay."""


def _table() -> dict[str, tuple[str, str]]:
    """Return each topic's way and broker settings, as the contract's table has them."""
    section = CONTRACT.read_text().partition("## 1. Topics")[2].partition("## 2.")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    table = {row[0].strip("`"): (row[1], row[4]) for row in rows}
    table.pop(OF_REPLAYS)
    return table


def _plan(topic: str) -> TopicPlan:
    return next(plan for plan in TOPIC_PLANS if plan.topic == topic)


def test_the_same_topics_in_the_same_order() -> None:
    assert list(_table()) == [str(plan.topic) for plan in TOPIC_PLANS] == [str(topic) for topic in Topic]


def test_each_topic_goes_the_way_that_the_contract_says() -> None:
    ways = {
        **dict.fromkeys(INPUT_TOPICS, "in"),
        **dict.fromkeys(OUTPUT_TOPICS, "out"),
        Topic.WATERMARKS: "out",
        Topic.RELAY_POSITIONS: "internal",
        Topic.REPLAY_POSITIONS: "internal",
    }
    assert {name: way for name, (way, _) in _table().items()} == ways


def test_what_is_kept_for_ever_is_compacted() -> None:
    compacted = {name for name, (_, settings) in _table().items() if "compact" in settings or "likewise" in settings}
    assert compacted == {"bindings", "accounts", "watermarks", "relay-positions", "replay-positions"}
    assert compacted == {plan.topic for plan in TOPIC_PLANS if plan.settings.get("cleanup.policy") == "compact"}
    for name in ("bindings", "accounts"):
        assert _plan(name).settings["min.compaction.lag.ms"] == str(7 * DAY_MS)
        assert "retention.ms" not in _plan(name).settings
    assert _plan("watermarks").settings["min.compaction.lag.ms"] == "0", "without lag"


def test_what_is_kept_for_days() -> None:
    days = {name: int(settings.split()[0]) for name, (_, settings) in _table().items() if settings.endswith("days")}
    assert days == {"notices": 30, "command-results": 7, "dead-letters": 30}
    for name, kept in days.items():
        assert _plan(name).settings["cleanup.policy"] == "delete"
        assert _plan(name).settings["retention.ms"] == str(kept * DAY_MS)


def test_the_producers_rule_the_topics_that_come_in() -> None:
    assert [plan.settings for plan in TOPIC_PLANS if plan.topic in INPUT_TOPICS] == [{}, {}, {}]


def test_what_one_reader_reads_whole_is_in_one_partition() -> None:
    single = [plan.topic for plan in TOPIC_PLANS if plan.single_partition]
    assert single == [Topic.WATERMARKS, Topic.RELAY_POSITIONS, Topic.REPLAY_POSITIONS]


def test_what_else_the_broker_is_told() -> None:
    usual = {"cleanup.policy", "min.compaction.lag.ms", "retention.ms"}
    told = {
        str(plan.topic): {name: plan.settings[name] for name in plan.settings.keys() - usual} for plan in TOPIC_PLANS
    }
    positions = {"segment.bytes": "16777216", "min.cleanable.dirty.ratio": "0.1"}
    assert {topic: settings for topic, settings in told.items() if settings} == {
        "dead-letters": {"max.message.bytes": "8388608"},
        "watermarks": {
            "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "60000",
        },
        "relay-positions": positions,
        "replay-positions": positions,
    }  # fmt: skip
    assert MOST_PARTITIONS == 2_000


def test_the_topic_of_a_replay() -> None:
    section = CONTRACT.read_text().partition("## 1. Topics")[2].partition("## 2.")[0]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{OF_REPLAYS}`")]
    assert row.split("|")[-2].strip() == "7 days"
    settings = replay_target_settings(1024)
    assert settings == {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS), "max.message.bytes": "1024"}
    assert replay_topic("{name}") == OF_REPLAYS
