"""What the docs name exists: files, headings, commands, make targets; and what they list is complete."""

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from cli.program import app
from tests.support.packages import PACKAGES, ROOT
from workers.runtime.roles import CONSUMERS
from workers.runtime.settings import settings_table

DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / name / "README.md" for name in ("deploy", "examples"))]
)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_FOLDERS = "|".join(sorted([*PACKAGES, "benchmarks", "deploy", "docs", "examples", "tests"]))

of_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@of_each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@of_each_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(rf"`((?:{_FOLDERS})/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@of_each_page
def test_every_command_that_is_shown_exists(page: Path) -> None:
    commands = dict(_commands())
    for line in re.findall(r"`(?:\.venv/bin/)?whopays ([^`]*)`", page.read_text(encoding="utf-8")):
        words = line.split()
        if not words or not re.fullmatch(r"[a-z][a-z-]*", words[0]):
            continue  # options of the program itself, or an image's name
        group = commands.get(words[0], set())
        assert words[0] in commands, line
        if group and len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]):
            assert words[1] in group, line


@of_each_page
def test_every_option_that_is_shown_exists(page: Path) -> None:
    assert [refusal for line in _shown(page.read_text(encoding="utf-8")) if (refusal := _refusal(line))] == []


@of_each_page
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = "\n".join(_CODE.findall(page.read_text(encoding="utf-8")))
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", code, re.MULTILINE)) <= targets


def test_every_page_is_in_an_index() -> None:
    for folder in (DOCS, DOCS / "decisions"):
        index = (folder / "README.md").read_text(encoding="utf-8")
        missing = [page.name for page in folder.glob("*.md") if page.name != "README.md" and page.name not in index]
        assert missing == []


def test_what_is_beside_the_docs_is_in_their_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [name for name in ("deploy", "examples") if f"(../{name}/README.md)" not in index] == []


def test_whoever_subscribes_is_told_which_consumer_groups_are_taken() -> None:
    page = (DOCS / "integration.md").read_text(encoding="utf-8")
    assert [role for role in CONSUMERS if f"`whopays-INSTALLATION-{role}`" not in page] == []


def test_the_table_of_settings_is_the_settings() -> None:
    assert settings_table() in (DOCS / "settings.md").read_text(encoding="utf-8")


def test_whatever_warns_is_explained() -> None:
    night = (DOCS / "operations.md").read_text(encoding="utf-8").partition("## At night\n")[2].partition("\n## ")[0]
    explained = {event for row in re.findall(r"^\| (`.*?) \|", night, flags=re.MULTILINE) for event in _events(row)}
    logged = {
        event
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for event in re.findall(r'logger\.(?:warning|error|exception)\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert logged
    assert explained == logged


def test_all_pages_tell_of_one_soak() -> None:
    soak = json.loads((DOCS / "reliability" / "soak.json").read_text(encoding="utf-8"))
    summary = (DOCS / "reliability" / "soak.md").read_text(encoding="utf-8").splitlines()[0]
    assert f"{soak['records']:,} records" in summary
    assert f" {soak['audits']} audits" in summary
    assert summary in (DOCS / "reliability.md").read_text(encoding="utf-8")


def _shown(page: str) -> Iterator[str]:
    """Yield what follows `whopays` in each command of a page, without what the shell does with it."""
    blocks = "".join(re.findall(r"^```(?:sh|bash)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    commands = [
        *re.findall(r"^(?:\.venv/bin/)?whopays (.*)", blocks, re.MULTILINE),
        *re.findall(r"`(?:\.venv/bin/)?whopays ([^`\n]*)`", page),
    ]
    return (re.split(r"\s+#|\s[|>&]|;", command)[0] for command in commands)


@cache
def _refusal(line: str) -> str:
    """Return what the command line says against the options of a command, if anything."""
    commands, words = dict(_commands()), shlex.split(line)
    if words[0] not in commands or "|" in line:
        return ""  # no command, or several
    place = 2 if words[1:] and words[1] in commands[words[0]] else 1
    asked = CliRunner().invoke(app, [*words[:place], "--help", *words[place:]])
    return asked.output if "No such option" in asked.output else ""  # prose names some without a value


def _events(row: str) -> list[str]:
    return re.findall(r"`([a-z]+(?:_[a-z]+)+)`", row)


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are called in links, as GitHub makes it: lower case, hyphens, no punctuation."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands() -> Iterator[tuple[str, set[str]]]:
    """Yield every command of the command line, with those below it."""
    program = get_command(app)
    assert isinstance(program, TyperGroup)
    for name, command in program.commands.items():
        yield name, set(command.commands) if isinstance(command, TyperGroup) else set()
