"""The command line."""

import logging

import typer

from workers.cli import dead_letters, personal_data, questions, serving
from workers.cli.demo import demo
from workers.cli.dev import dev
from workers.cli.failures import Program
from workers.cli.rereading import reread
from workers.cli.send import send
from workers.cli.tail import tail
from workers.cli.verify import export, verify

_FORMS = {"help_option_names": ["-h", "--help"]}


def _program() -> typer.Typer:
    program = typer.Typer(
        name="whopays",
        cls=Program,
        help="Who pays for this project? Now, at any instant of the past, and as a stream of events.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings=_FORMS,
    )
    start, operate, ask = "Start", "Operate", "Send and ask"
    program.command("demo", rich_help_panel=start)(demo)
    program.command("dev", rich_help_panel=start)(dev)
    program.command("send", rich_help_panel=ask)(send)
    program.command("who", rich_help_panel=ask)(questions.who)
    program.command("timeline", rich_help_panel=ask)(questions.timeline)
    program.command("account", rich_help_panel=ask)(questions.account)
    program.command("result", rich_help_panel=ask)(questions.result)
    program.command("tail", rich_help_panel=ask)(tail)
    program.command("run", rich_help_panel=operate)(serving.run)
    program.command("migrate", rich_help_panel=operate)(serving.migrate)
    program.command("verify", rich_help_panel=operate)(verify)
    program.command("export-log", rich_help_panel=operate)(export)
    program.command("health", rich_help_panel=operate)(serving.health)
    topics = typer.Typer(
        no_args_is_help=True, help="Create the topics, check them, or have one read again.", context_settings=_FORMS
    )
    topics.command("create")(serving.create)
    topics.command("check")(serving.check)
    topics.command("reread")(reread)
    program.add_typer(topics, name="topics", rich_help_panel=operate)
    letters = typer.Typer(
        no_args_is_help=True, help="What could not be answered: list, show, redrive.", context_settings=_FORMS
    )
    letters.command("list")(dead_letters.list_)
    letters.command("show")(dead_letters.show)
    letters.command("redrive")(dead_letters.redrive)
    program.add_typer(letters, name="dead-letters", rich_help_panel=operate)
    program.command("erase-contact", rich_help_panel=operate)(personal_data.erase_contact)
    program.command("new-key", rich_help_panel=operate)(personal_data.new_key)
    program.command("rewrap-keys", rich_help_panel=operate)(personal_data.rewrap_keys)
    return program


app = _program()


def main() -> None:
    """Run the command line of this process."""
    # Logs are for what runs and sets them up; a command that asks or sends says itself, once, what went wrong.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    app()
