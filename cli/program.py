"""The table of all commands, and their lazy loading: a command's module is imported only when it is called."""

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from cli.terminal.ending import FAILED, NOT_CHECKED, insist_on_one_value, insist_on_utf8, let_ctrl_c_raise, told

_FORMS = {"help_option_names": ["-h", "--help"]}
_START, _ASK, _OPERATE = "Start", "Send and ask", "Operate"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, its summary in the list of commands, and its function as `module:function` of `cli`.

    If it `checks` something, it exits with NOT_CHECKED when it cannot.
    """

    name: str
    summary: str
    function: str
    checks: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Commands under one word, which may be a command itself: its `function` does nothing if a subcommand follows."""

    name: str
    summary: str
    commands: tuple[Command, ...]
    function: str | None = None


_DEV = (Command("token", "Print a token of the whopays dev of this folder.", "development.commands:token"),)
_TOPICS = (
    Command("create", "Create the topics that are missing; leave the others alone.", "operating.topic_commands:create"),
    Command("check", "Compare the topics with what whopays needs.", "operating.topic_commands:check", checks=True),
    Command(
        "acls",
        "Print, for `kafka-acls.sh`, what each party may do at the broker and nothing else; or grant these rights.",
        "operating.topic_commands:acls",
    ),
    Command("adopt", "Accept the topics as they are now; stop the workers first.", "operating.topic_commands:adopt"),
    Command("reread", "Read an input topic again from its beginning.", "operating.topic_commands:reread"),
    Command(
        "restore-positions",
        "Set the relay's positions to what the topics contain; stop the relay first.",
        "operating.topic_commands:restore_positions",
    ),
)
_TOKENS = (
    Command(
        "check",
        "Say who a token is for and what it grants, or why it is refused.",
        "operating.rights:check_token",
        checks=True,
    ),
)
_DEAD_LETTERS = (
    Command("list", "List the dead letters, newest first.", "operating.letters:list_"),
    Command("show", "Show a dead letter, and what was done about it.", "operating.letters:show"),
    Command("redrive", "Put records on their topics again, once the cause is fixed.", "operating.letters:redrive"),
    Command("discard", "Note that nothing is to be done about dead letters, and why.", "operating.letters:discard"),
)
_EXPORTS = (
    Command(
        "intervals",
        "Write who paid for which project within a period: as Parquet, CSV or NDJSON.",
        "operating.exports:intervals",
    ),
)
_REPLAYS = (
    Command(
        "start", "Publish past events again, to one consumer; resume if the name is known.", "operating.replays:start"
    ),
    Command("list", "List the replays, newest first.", "operating.replays:list_"),
    Command("show", "Show a replay: its progress, or its outcome.", "operating.replays:show"),
    Command("stop", "Stop a replay; it can be resumed.", "operating.replays:stop"),
    Command("resume", "Resume a replay that was stopped or failed.", "operating.replays:resume"),
    Command("forget", "Delete the topic of a completed replay; its manifest stays.", "operating.replays:forget"),
)

COMMANDS: dict[str, tuple[Command | Group, ...]] = {
    _START: (
        Command("demo", "Watch projects of two organizations change payer.", "demo.command:demo"),
        Command("drill", "Practise an incident, on separate servers.", "drill.command:drill"),
        Group("dev", "Run a whole installation on this machine until Ctrl-C.", _DEV, "development.commands:dev"),
    ),
    _ASK: (
        Command("send", "Send a command or fact, wait for its answer, and show it.", "sending.commands:send"),
        Command("who", "Say which account pays for a project, now or at another instant.", "asking.who:who"),
        Command("project", "Show a project: its payer, and what is scheduled and waiting.", "asking.questions:project"),
        Command("timeline", "Draw who has paid for a project, from its first payer on.", "asking.questions:timeline"),
        Command("account", "Show an account: its phase and why, its holds, its history.", "asking.questions:account"),
        Command(
            "accounts",
            "List the accounts of an organization, and what each lacks to be Ready.",
            "asking.lists:accounts",
        ),
        Command(
            "projects",
            "List the projects of an organization and who pays for each, now or at another instant.",
            "asking.lists:projects",
        ),
        Command("unbound", "List the projects of an organization that nobody pays for.", "asking.lists:unbound"),
        Command(
            "intervals",
            "List who paid for a project and when, or what an account paid for; within a period.",
            "asking.lists:intervals",
        ),
        Command(
            "changes", "List what changed in an organization, oldest first, or watch it.", "asking.changes:changes"
        ),
        Command(
            "audit",
            "List who sent which command, with which role, and its outcome.",
            "asking.lists:audit",
        ),
        Command("result", "Show the result of a command.", "asking.questions:result"),
        Command("tail", "Follow the published events until Ctrl-C.", "asking.changes:tail"),
    ),
    _OPERATE: (
        Command("run", "Run the workers until SIGTERM or Ctrl-C.", "operating.commands:run"),
        Command("serve", "Answer questions over HTTP until SIGTERM or Ctrl-C.", "operating.commands:serve"),
        Command("migrate", "Create or upgrade the tables of the database.", "operating.commands:migrate"),
        Command(
            "reconcile",
            "Print what makes the database and the topics match again, or do it.",
            "operating.topic_commands:reconcile",
            checks=True,
        ),
        Command(
            "reshard",
            "Distribute the organizations over another number of shards; stop everything first.",
            "operating.topic_commands:reshard",
        ),
        Command("verify", "Check that every promise holds.", "operating.commands:verify", checks=True),
        Group("export", "Payer intervals as files, for invoices and analysis.", _EXPORTS),
        Command("export-log", "Write the whole log to a file.", "operating.commands:export_log"),
        Command("status", "Say whether everything is well, and what to do.", "operating.commands:status", checks=True),
        Command("top", "Watch backlogs, throughput, and the processes at work.", "operating.commands:top"),
        Command("health", "Say whether the whopays process on this host is alive.", "operating.health:health"),
        Group("topics", "Create, check or adopt the topics; reread one; restore positions.", _TOPICS),
        Group("dead-letters", "Records that could not be answered: list, show, redrive, discard.", _DEAD_LETTERS),
        Group("replay", "Past events, published again: start, list, show, stop, resume, forget.", _REPLAYS),
        Group("token", "Tokens of people and programs: check one.", _TOKENS),
        Command("roles", "Show which role each command needs.", "operating.rights:roles"),
        Command("erase-contact", "Erase an account's contact permanently.", "operating.keys:erase_contact"),
        Command("new-key", "Print a new key-encryption key.", "operating.keys:new_key"),
        Command("rewrap-keys", "Wrap all data keys under the active key.", "operating.keys:rewrap_keys"),
    ),
}
"""Every command, by its heading in the list."""


class _Alone(TyperCommand):
    """A command without subcommands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        insist_on_one_value(self, ctx, args)
        return super().parse_args(ctx, args)


class _Commands(TyperGroup):
    """A group that lists its commands without importing them, and imports the one that is called."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        insist_on_one_value(self, ctx, args)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Unloaded | _UnloadedGroup) else command, rest


class Unloaded(TyperCommand):
    """A command that is not imported: only its row of the table is known."""

    def __init__(self, command: Command, panel: str | None) -> None:
        super().__init__(command.name, help=command.summary, rich_help_panel=panel)
        self._command = command

    def load(self) -> Any:
        """Import the command's module, and return the command."""
        module, function = self._command.function.split(":")
        alone = typer.Typer(add_completion=False, context_settings=_FORMS)
        kind = _Check if self._command.checks else _Alone
        alone.command(self._command.name, cls=kind)(getattr(import_module(f"cli.{module}"), function))
        let_ctrl_c_raise()
        return typer.main.get_command(alone)


class _UnloadedGroup(_Commands):
    """A command with subcommands that are not imported: only their rows of the table are known."""

    def __init__(self, group: Group, function: str, panel: str) -> None:
        super().__init__(name=group.name, help=group.summary, rich_help_panel=panel)
        self._group, self._function = group, function

    def load(self) -> Any:
        """Import the command's module, and return the command with its subcommands."""
        module, function = self._function.split(":")
        alone = typer.Typer(cls=_Commands, add_completion=False, context_settings=_FORMS, invoke_without_command=True)
        alone.callback()(getattr(import_module(f"cli.{module}"), function))
        let_ctrl_c_raise()
        loaded = typer.main.get_group(alone)
        loaded.name = self._group.name
        for one in self._group.commands:
            loaded.add_command(Unloaded(one, None))
        return loaded


class _Check(_Alone):
    """A command that checks something: it exits with FAILED if all is not well, NOT_CHECKED if it cannot tell."""

    def invoke(self, ctx: Any) -> Any:
        with told(NOT_CHECKED):
            return super().invoke(ctx)


class _Program(_Commands):
    """The whole command line: expected errors of its commands end in a message and an exit status."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, commands in COMMANDS.items():
            for one in commands:
                self.add_command(Unloaded(one, panel) if isinstance(one, Command) else _group(one, panel))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with told(FAILED):
            insist_on_utf8(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with told(FAILED):
            return super().invoke(ctx)


def _group(group: Group, panel: str) -> _Commands:
    if group.function is not None:
        return _UnloadedGroup(group, group.function, panel)
    commands: dict[str, Any] = {one.name: Unloaded(one, None) for one in group.commands}
    return _Commands(
        name=group.name,
        commands=commands,
        help=group.summary,
        no_args_is_help=True,
        rich_help_panel=panel,
        context_settings=_FORMS,
    )


app = typer.Typer(
    name="whopays", cls=_Program, no_args_is_help=True, pretty_exceptions_enable=False, context_settings=_FORMS
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version  # noqa: PLC0415 - takes a tenth of the time `whopays health` may take

        typer.echo(f"whopays {version('whopays')}")
        raise typer.Exit


@app.callback()
def whopays(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Who pays for this project? Now, at any instant of the past, and as a stream of events."""
