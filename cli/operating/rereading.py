"""`whopays topics reread`: an input topic is read again from its beginning."""

from typing import Annotated

import typer

from cli.terminal.failures import CommandFailed
from cli.terminal.installation import load_settings
from cli.terminal.names import ask
from cli.terminal.output import AsJson, console, print_json
from db.reading_positions import forget_reading
from schemas.topics import INPUT_TOPICS


def reread(
    topic: Annotated[str, typer.Argument(help="The full name of an input topic, with its prefix.")],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have an input topic read from its beginning: for one that lost records, such as by an unclean election.

    What was decided already stays as it is. A worker that runs ends with an error once it gets the next record; workers
    read from the beginning when they start again.
    """
    settings = load_settings()
    names = [settings.topic(one) for one in INPUT_TOPICS]
    if topic not in names:
        raise CommandFailed(f'"{topic}" is no input topic of this installation. Those are: {", ".join(names)}')
    if not is_sure:
        typer.confirm(f"Read {topic} from its beginning when the workers start again?", abort=True, err=True)
    partitions = ask(settings, lambda connection: forget_reading(connection, topic))
    if as_json:
        print_json({"topic": topic, "partitions": partitions})
    else:
        console().print(
            f"Forgot how far {partitions} partitions of {topic} were read. Restart the workers.", markup=False
        )
