"""The command line."""

import logging

import typer

from cli.asking import questions
from cli.asking.tail import tail
from cli.demo.command import demo
from cli.development.dev import dev
from cli.operating import dead_letters, personal_data, topics
from cli.operating import running as serving
from cli.operating.rereading import reread
from cli.operating.verify import export, verify
from cli.sending.send import send
from cli.terminal.failures import Check, Program

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
    program.command("verify", cls=Check, rich_help_panel=operate)(verify)
    program.command("export-log", rich_help_panel=operate)(export)
    program.command("health", rich_help_panel=operate)(serving.health)
    topic_commands = typer.Typer(
        no_args_is_help=True,
        help="Create or check the topics; adopt others, read one again; restore the relay's positions.",
        context_settings=_FORMS,
    )
    topic_commands.command("create")(topics.create)
    topic_commands.command("check", cls=Check)(topics.check)
    topic_commands.command("adopt")(topics.adopt)
    topic_commands.command("reread")(reread)
    topic_commands.command("restore-positions")(topics.restore_positions)
    program.add_typer(topic_commands, name="topics", rich_help_panel=operate)
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
