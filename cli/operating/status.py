"""`whopays status`: checks the installation, and says what to do, on one screen."""

import asyncio
import textwrap
from collections.abc import Awaitable

import typer

from cli.operating.answering import CannotBeAsked, answer_of
from cli.operating.known import STATEMENT_SECONDS, is_answering, of_database
from cli.operating.probing import of_process
from cli.operating.reached import of_kafka
from cli.operating.standing import MARKS, PAGE, Standing, Verdict, is_well
from cli.terminal.ending import FAILED, NOT_CHECKED
from cli.terminal.installation import load_settings
from cli.terminal.output import count_of, print_json
from db.reading import create_reading_engine
from workers.runtime.settings import Settings

_WIDTH = 80


def status(*, at: list[str], as_json: bool) -> None:
    """Print the checks of the installation, and exit with the matching status."""
    settings = load_settings()
    found = [*asyncio.run(looked_at(settings)), *map(of_process, at)]
    verdicts = {one.verdict for one in found}
    if as_json:
        print_json({"well": is_well(found), "checks": [one.document() for one in found]})
    else:
        for one in found:
            tell(one)
        typer.echo(concluded(found))
    if Verdict.TROUBLE in verdicts:
        raise typer.Exit(FAILED)
    if Verdict.UNKNOWN in verdicts:
        raise typer.Exit(NOT_CHECKED)


async def looked_at(settings: Settings) -> list[Standing]:
    """Return all checks of the database and Kafka."""
    engine = create_reading_engine(settings.database_url, pool_size=1, statement_seconds=STATEMENT_SECONDS)
    try:
        known = await _or_unknown(of_database(engine, settings), "database", settings)
        is_there = is_answering(known)
        return [*known, *await _or_unknown(of_kafka(engine if is_there else None, settings), "Kafka", settings)]
    finally:
        await engine.dispose()


async def _or_unknown(asked: Awaitable[list[Standing]], what: str, settings: Settings) -> list[Standing]:
    """Return checks, or the one that says that the server does not answer; the other server is still queried."""
    try:
        return await answer_of(asked, what, settings)
    except CannotBeAsked as away:
        return [away.standing]


def tell(one: Standing) -> None:
    """Print a check, in lines of 80 columns."""
    mark, colour = MARKS[one.verdict]
    indent = " " * 24
    lines = [one.words] if one.verdict is Verdict.WELL else [one.words, one.to_do, f"See {PAGE}#{one.section}"]
    first, *others = [
        line
        for text in lines
        for line in textwrap.wrap(text, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
    ]
    typer.echo(f"{typer.style(f'{mark:5}', fg=colour)} {one.what:17} {first}")
    for line in others:
        typer.echo(f"{indent}{line}")


def concluded(found: list[Standing]) -> str:
    """Return the summary line."""
    trouble = sum(one.verdict is Verdict.TROUBLE for one in found)
    unknown = sum(one.verdict is Verdict.UNKNOWN for one in found)
    said = f"{count_of(trouble, 'thing')} to look at." if trouble else "Everything is well." if not unknown else ""
    return " ".join(filter(None, (said, f"{count_of(unknown, 'server')} could not be queried." if unknown else "")))
