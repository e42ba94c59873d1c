"""Which tests a maintainer would run after a change: by the file or folder that was changed, the fastest first."""

import re
from functools import cache
from pathlib import Path

_UNIT = "tests/unit"
_STORY = ("tests/services/process/test_story.py", "tests/acceptance")
_SERVED = ("tests/services/http", "tests/services/questions")
_SERVICE = (("tests/unit/service",), _SERVED, ("tests/services/kubernetes", "tests/services/client"))
_TOKENS = ("tests/unit/runtime", "tests/security")
_WHO_ASKS = ("tests/services/process/test_tokens.py", "tests/services/batches/askers")
_FEW = 4

STAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "schemas": (("tests/unit/schemas", "tests/unit/regional"), (_UNIT,), ("tests/services/batches",), _STORY),
    **dict.fromkeys(
        ("schemas/asking.py", "schemas/tokens.py"),
        (("tests/unit/schemas",), _TOKENS, _WHO_ASKS, ("tests/services/http/test_rights.py",)),
    ),
    "schemas/askers.py": (
        ("tests/unit/schemas", "tests/unit/domain/test_rights.py"),
        _TOKENS,
        _WHO_ASKS,
        ("tests/services/http/test_rights.py",),
    ),
    "schemas/exporting": (("tests/unit/exporting",), ("tests/unit/schemas", "tests/unit/service")),
    "schemas/replays.py": (
        ("tests/unit/schemas", "tests/unit/client", "tests/unit/exporting"),
        ("tests/services/replaying",),
        ("tests/services/client/test_replays.py", "tests/services/http/test_answers.py"),
    ),
    "domain": (
        ("tests/unit/domain", "tests/unit/fan_outs"),
        ("tests/unit/contract",),
        ("tests/services/batches", "tests/services/timers"),
        _STORY,
    ),
    "db/migrations": (("tests/services/db/test_migrate.py",), ("tests/services/db",), _STORY),
    "db/migrations/payers_of_0008.py": (("tests/services/db/test_payers_migrated.py",),),
    "db/migrations/versions/0008_payer_is_a_column.py": (
        ("tests/services/db/test_payers_migrated.py",),
        ("tests/services/db",),
    ),
    "db/migrations/versions/0010_replays.py": (
        ("tests/services/db/test_migrate.py",),
        ("tests/services/db", "tests/services/replaying"),
    ),
    "db/migrations/versions/0011_dead_letter_actions.py": (
        ("tests/services/db/test_dead_letters_migrated.py",),
        ("tests/services/db",),
        ("tests/services/cli/test_redriving.py",),
    ),
    "db/migrations/versions/0012_questions.py": (
        ("tests/services/db/test_questions_migrated.py",),
        ("tests/services/db",),
        ("tests/services/questions",),
    ),
    "db/migrations/versions/0021_forgotten_commands.py": (
        ("tests/services/db/test_migrate.py",),
        ("tests/services/maintenance",),
        ("tests/services/questions", "tests/services/audit"),
    ),
    "db/migrations/versions/0022_archive.py": (("tests/services/db/test_migrate.py",), ("tests/services/archive",)),
    "db": (
        ("tests/unit/db",),
        ("tests/services/db",),
        ("tests/services/batches", "tests/services/timers", "tests/services/contract"),
        ("tests/services/publishing", "tests/services/audit", "tests/services/cli", "tests/services/topics"),
        _STORY,
    ),
    "db/questions": (
        ("tests/unit/db",),
        ("tests/services/questions",),
        ("tests/services/http", "tests/services/kubernetes/test_lists.py"),
        ("tests/services/cli/test_asking.py", "tests/services/cli/test_lists.py"),
    ),
    "db/questions/resources": (
        ("tests/unit/db",),
        ("tests/services/questions",),
        ("tests/services/kubernetes",),
    ),
    **dict.fromkeys(
        ("db/questions/archived_results.py", "db/questions/by_command_id.py"),
        (("tests/services/archive",), ("tests/services/questions", "tests/services/maintenance")),
    ),
    "db/forgetting.py": (("tests/services/db/test_forgetting.py",), ("tests/services/maintenance",)),
    "db/audit.py": (
        ("tests/services/audit/test_planted_damage.py",),
        ("tests/services/audit", "tests/services/db/test_snapshot.py"),
    ),
    "db/replays.py": (
        ("tests/services/replaying",),
        ("tests/services/questions", "tests/services/client/test_replays.py"),
        ("tests/faults/test_replay_killed.py",),
    ),
    "db/exports.py": (("tests/services/cli/test_export_intervals.py",), ("tests/services/http",)),
    "db/dead_letters.py": (
        ("tests/services/db/test_dead_letters.py", "tests/services/db/test_redrives.py"),
        ("tests/services/batches/test_dead_letters.py", "tests/services/personal_data"),
        ("tests/services/cli/test_dead_letters.py", "tests/services/cli/test_redriving.py"),
    ),
    "db/dead_letter_actions.py": (
        ("tests/services/db/test_dead_letters.py", "tests/services/db/test_redrives.py"),
        ("tests/services/cli/test_dead_letters.py", "tests/services/cli/test_redriving.py"),
    ),
    "workers": (
        (
            "tests/unit/consuming",
            "tests/unit/runtime",
            "tests/unit/workers",
            "tests/unit/test_packages.py",
            "tests/unit/test_docs.py",
        ),
        ("tests/services/batches", "tests/services/timers"),
        ("tests/services/consuming", "tests/services/topics", "tests/services/publishing"),
        ("tests/services/process", "tests/services/cli/test_serving.py", "tests/services/personal_data"),
    ),
    **dict.fromkeys(
        ("workers/runtime/tokens", "workers/runtime/issuers.py"),
        (_TOKENS, _WHO_ASKS, ("tests/services/http/test_rights.py", "tests/services/cli/test_serving.py")),
    ),
    **dict.fromkeys(
        ("workers/runtime/kafka.py", "workers/runtime/kafka_settings.py"),
        (("tests/unit/runtime",), ("tests/services/kafka_security",), ("tests/services/process",)),
    ),
    "workers/exchange.py": (("tests/services/cli/test_send.py",), ("tests/services/cli",)),
    "workers/redriving.py": (
        ("tests/services/cli/test_redriving.py",),
        ("tests/services/cli/test_dead_letters.py", "tests/services/db/test_redrives.py"),
    ),
    "workers/timers.py": (("tests/services/timers",), _STORY),
    "workers/reconciling.py": (("tests/faults/test_reconciled.py",),),
    "workers/maintenance.py": (("tests/services/maintenance",),),
    "workers/archiving.py": (("tests/services/archive",),),
    "db/archive": (("tests/services/archive",), ("tests/services/replaying/test_drawn_selections.py",)),
    "workers/batches": (
        ("tests/unit/workers",),
        ("tests/services/batches",),
        ("tests/services/timers", "tests/services/process"),
        _STORY,
    ),
    "workers/consuming": (
        ("tests/unit/consuming",),
        ("tests/services/consuming", "tests/services/process"),
        ("tests/services/topics", "tests/services/timers"),
        ("tests/faults/test_offsets.py", "tests/faults/test_processes.py"),
    ),
    "workers/publishing": (
        ("tests/unit/workers",),
        ("tests/services/db/test_raising.py",),
        ("tests/services/publishing",),
        ("tests/services/process",),
        ("tests/faults/test_lost_answers.py",),
    ),
    "workers/replaying": (
        ("tests/unit/workers",),
        ("tests/services/replaying/test_selections.py", "tests/services/replaying/test_rates.py"),
        ("tests/services/replaying",),
        ("tests/services/client/test_replays.py", "tests/faults/test_replay_killed.py"),
    ),
    "workers/topics": (
        ("tests/unit/runtime", "tests/unit/workers"),
        ("tests/services/topics",),
        ("tests/services/cli",),
        ("tests/faults/test_offsets.py",),
    ),
    "workers/topics/acls.py": (("tests/services/kafka_security",), ("tests/services/cli/test_side_effects.py",)),
    "audit": (
        ("tests/unit/audit",),
        ("tests/services/audit",),
        ("tests/services/archive",),
        ("tests/services/cli", "tests/faults/test_judge.py"),
        ("tests/services/process",),
    ),
    "audit/archived.py": (("tests/unit/audit",), ("tests/services/archive",), ("tests/services/audit",)),
    "audit/consumption.py": (("tests/services/audit",), ("tests/faults/test_offsets.py",)),
    "audit/replays.py": (("tests/services/replaying/test_verify_manifest.py",),),
    "cli": (
        ("tests/unit/cli", "tests/unit/test_docs.py"),
        ("tests/services/cli",),
        ("tests/services/audit", "tests/services/personal_data", "tests/services/replaying"),
    ),
    **dict.fromkeys(
        ("cli/operating/role_table.py", "cli/operating/rights.py", "cli/operating/token_check.py"),
        (("tests/unit/cli",), ("tests/security/test_command_line.py",), ("tests/services/cli",)),
    ),
    "cli/asking": (
        ("tests/unit/cli",),
        ("tests/services/cli/test_asking.py", "tests/services/cli/test_lists.py", "tests/services/cli/test_tail.py"),
        ("tests/services/cli",),
    ),
    "cli/asking/answered_results.py": (
        ("tests/unit/cli",),
        ("tests/services/cli/test_send.py", "tests/services/archive"),
    ),
    "cli/operating/acls.py": (("tests/unit/cli",), ("tests/services/kafka_security",)),
    "cli/operating/running.py": (("tests/services/cli/test_processes.py",), ("tests/services/process",)),
    "cli/operating/serving.py": (
        ("tests/services/http/test_process.py",),
        ("tests/unit/cli", "tests/services/kubernetes"),
    ),
    "cli/demo": (
        ("tests/unit/cli",),
        ("tests/services/cli/test_demo_interrupted.py", "tests/services/cli/test_processes.py"),
    ),
    "cli/development": (
        ("tests/unit/cli",),
        ("tests/services/cli/test_processes.py",),
        ("tests/services/cli", "tests/services/kafka_security"),
    ),
    "service": _SERVICE,
    "service/results.py": (
        *_SERVICE,
        ("tests/services/archive/test_archive.py", "tests/services/archive/test_closed_shards.py"),
    ),
    **dict.fromkeys(
        ("service/serving.py", "service/telling.py"), (*_SERVICE, ("tests/services/process/test_traces.py",))
    ),
    "service/console": (("tests/unit/service",), ("tests/console", "tests/services/http")),
    "service/kubernetes": (
        ("tests/unit/service",),
        ("tests/services/kubernetes",),
        ("tests/services/http/test_fuzzed.py",),
    ),
    "service/lookups": (
        ("tests/unit/service",),
        ("tests/services/http/test_lookups.py",),
        ("tests/services/questions/test_of_many.py", "tests/services/http", "tests/services/client"),
    ),
    "embedded": (("tests/unit/embedded",), ("tests/services/embedded",), ("tests/services/cli/test_processes.py",)),
    "embedded/kafka_security.py": (("tests/services/kafka_security",),),
}


def stages_for(root: Path, path: Path) -> tuple[tuple[str, ...], ...]:
    """Return the tests for a changed file, stage by stage: a stage is run when the one before noticed nothing.

    Files of tests that import the changed one come first; those with servers come last where there are many.
    """
    places = [str(place) for place in (path, *path.parents)]
    named = next(STAGES[place] for place in places if place in STAGES)
    pure, served = (_importing(root, path, folder) for folder in ("tests/unit", "tests/services"))
    stages = (pure, served, *named) if len(served) <= _FEW else (pure, *named, served)
    return tuple(stage for stage in stages if stage)


def _importing(root: Path, path: Path, folder: str) -> tuple[str, ...]:
    package, module = ".".join(path.parent.parts), path.stem
    imports = re.compile(rf"^from ({package}\.{module} import|{package} import .*\b{module}\b)", re.MULTILINE)
    return tuple(name for name, source in _tests_in(root, folder) if module in source and imports.search(source))


@cache
def _tests_in(root: Path, folder: str) -> tuple[tuple[str, str], ...]:
    """Return the name and the source of each file of tests."""
    files = sorted((root / folder).rglob("test_*.py"))
    return tuple((str(one.relative_to(root)), one.read_text(encoding="utf-8")) for one in files)


def room_of(path: Path) -> str:
    """Return the part of the product that a file is counted with."""
    parts = path.parts[:-1]
    return "/".join(parts[:2] if parts[0] in ("cli", "workers") else parts[:1])
