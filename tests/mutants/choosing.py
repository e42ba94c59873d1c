"""Which tests a maintainer would run after a change: by the file or folder that was changed, the fastest first."""

import re
from collections.abc import Iterator
from pathlib import Path

_UNIT = "tests/unit"
_STORY = ("tests/services/process/test_story.py", "tests/acceptance")

STAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "schemas": (("tests/unit/schemas", "tests/unit/regional"), (_UNIT,), ("tests/services/batches",), _STORY),
    "domain": (
        ("tests/unit/domain", "tests/unit/fan_outs"),
        (_UNIT,),
        ("tests/services/batches", "tests/services/timers"),
        _STORY,
    ),
    "db/migrations": (("tests/services/db/test_migrate.py",), ("tests/services/db",), _STORY),
    "db": (
        ("tests/unit/db",),
        ("tests/services/db",),
        ("tests/services/batches", "tests/services/timers", "tests/services/contract"),
        ("tests/services/publishing", "tests/services/audit", "tests/services/cli", "tests/services/topics"),
        _STORY,
    ),
    "workers": (
        ("tests/unit/consuming", "tests/unit/runtime", "tests/unit/test_packages.py", "tests/unit/test_docs.py"),
        ("tests/services/batches", "tests/services/timers"),
        ("tests/services/consuming", "tests/services/topics", "tests/services/publishing"),
        ("tests/services/process", "tests/services/cli/test_serving.py", "tests/services/personal_data"),
    ),
    "workers/exchange.py": (("tests/services/cli/test_send.py",), ("tests/services/cli",)),
    "workers/batches": (("tests/services/batches",), ("tests/services/timers", "tests/services/process"), _STORY),
    "workers/consuming": (
        ("tests/unit/consuming",),
        ("tests/services/consuming", "tests/services/process"),
        ("tests/services/topics", "tests/services/timers"),
        ("tests/faults/test_offsets.py", "tests/faults/test_processes.py"),
    ),
    "workers/publishing": (
        ("tests/services/publishing",),
        ("tests/services/process",),
        ("tests/faults/test_lost_answers.py",),
    ),
    "workers/topics": (("tests/services/topics",), ("tests/services/cli",), ("tests/faults/test_offsets.py",)),
    "audit": (
        ("tests/services/audit",),
        ("tests/services/cli", "tests/faults/test_judge.py"),
        ("tests/services/process",),
    ),
    "cli": (
        ("tests/unit/cli", "tests/unit/test_docs.py"),
        ("tests/services/cli",),
        ("tests/services/audit", "tests/services/personal_data"),
    ),
    "cli/demo": (("tests/unit/cli",), ("tests/services/cli/test_processes.py",)),
    "service": ((_UNIT,), ("tests/services",)),
    "embedded": (("tests/services/embedded",), ("tests/services/cli/test_processes.py",)),
}


def stages_for(root: Path, path: Path) -> tuple[tuple[str, ...], ...]:
    """Return the tests for a changed file, stage by stage: a stage is run when the one before noticed nothing.

    First come the files of tests that import the changed one, those without servers before the others.
    """
    places = [str(place) for place in (path, *path.parents)]
    return (*_importing(root, path), *next(STAGES[place] for place in places if place in STAGES))


def _importing(root: Path, path: Path) -> Iterator[tuple[str, ...]]:
    package, module = ".".join(path.parent.parts), path.stem
    imports = re.compile(rf"^from ({package}\.{module} import|{package} import .*\b{module}\b)", re.MULTILINE)
    for folder in ("tests/unit", "tests/services"):
        files = sorted((root / folder).rglob("test_*.py"))
        if found := [str(one.relative_to(root)) for one in files if imports.search(one.read_text(encoding="utf-8"))]:
            yield tuple(found)


def room_of(path: Path) -> str:
    """Return the part of the product that a file is counted with."""
    parts = path.parts[:-1]
    return "/".join(parts[:2] if parts[0] in ("cli", "workers") else parts[:1])
