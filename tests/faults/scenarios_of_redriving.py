"""What happens to a dead letter's record when its redrive was killed, and sent it again."""

from schemas.topics import Topic
from tests.faults.stage import Scenario, Stage
from tests.services.cli.redrives import of_redrives, on_topic
from tests.support.command_line import whopays_of
from tests.support.kafka import all_consumed, send
from tests.support.messages import Said, project
from workers.runtime.roles import Role


async def _redriven_and_sent_again(stage: Stage) -> list[str]:
    """A record that no version accepts is redriven, and stands on its topic a second time under the same redrive."""
    installation = stage.installation
    await stage.start()
    await send(installation, [project("acme", "web", state="Broken")])
    await all_consumed(installation, Role.PROJECTS)
    (await whopays_of(installation)("dead-letters", "redrive", "--all")).expect(0)
    (record,) = of_redrives(await on_topic(installation))
    await send(installation, [Said(Topic.PROJECTS, record.key, record.value, record.headers)])
    await all_consumed(installation, Role.PROJECTS)
    found = (await whopays_of(installation)("dead-letters", "list", "--json")).expect(0).document
    return [] if len(found) == 2 else [f"there are {len(found)} dead letters of a record that was redriven once"]


OF_REDRIVING: dict[str, Scenario] = {"a record redriven and sent again": _redriven_and_sent_again}
