"""What the demo and the benchmarks send is accepted, and as the published schemas say."""

import orjson

from benchmarks.fleet import Fleet, reports
from cli.demo.story import STORY, message_of
from schemas.topics import Topic
from tests.support.contract_files import check_read
from tests.unit.schemas.building import record


def test_the_demo_sends_what_its_schemas_say() -> None:
    steps = [step for chapter in STORY for step in chapter.steps if not step.repeats]
    for number, step in enumerate(steps, 1):
        message = message_of(step, number)
        said = record(orjson.dumps(message.event), topic=message.topic)
        assert check_read(said) is not None, step.says


def test_the_benchmarks_send_what_their_schemas_say() -> None:
    fleet = Fleet(2, 3)
    sent = [(topic, message) for topic, messages in reports(fleet).items() for message in messages]
    commands = [*fleet.unchanging(), *(rebinding.message for rebinding in fleet.rebindings(3))]
    sent += [(Topic.ADMIN_COMMANDS, message) for message in commands]
    assert {topic for topic, _ in sent} == {Topic.PROJECTS, Topic.PAYMENT_PROFILES, Topic.ADMIN_COMMANDS}
    for topic, message in sent:
        assert check_read(record(message.value, topic=topic)) is not None
