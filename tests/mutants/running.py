"""Tests run on a changed copy of the committed tree; the working tree is never touched."""

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.mutants.changing import Change
from tests.mutants.choosing import stages_for
from tests.mutants.warm import WarmPytest
from tests.support.folders import temporary_folder
from tests.support.packages import PACKAGES, ROOT
from tests.support.servers import servers
from tests.support.sharing import RUN_VARIABLE

_STAGE_SECONDS = 900
_TEST_SECONDS = 150
_WITHOUT_SERVERS = ("tests/unit/", "tests/security/")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+(?:\[.*?\])?)(?: - |$)", re.MULTILINE)


class NotTrustworthy(Exception):
    """A test fails without any change, so that nothing follows from its failing with one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: by what it was noticed, or None."""

    change: Change
    before: str
    after: str
    noticed_by: str | None


class Copy:
    """The committed tree, of which one file at a time is changed."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._pytest = WarmPytest(folder, environment)
        self._sound: set[str] = set()

    def close(self) -> None:
        """End what runs the tests."""
        self._pytest.close()

    def tried(self, change: Change) -> Outcome:
        """Run the tests on a change, stage by stage, until one notices; none twice. Raises NotTrustworthy.

        What notices passes without the change, and fails twice with it where it depends on servers, and so on the load.
        """
        before, after = change.shown((self.folder / change.path).read_bytes())
        left_out: list[str] = []
        for stage in stages_for(self.folder, change.path):
            while (failed := self._failed_with(change, [*stage, *left_out])) is not None:
                # What a test with parameters is called may come of the change: then the whole test is asked.
                named = (failed, failed.partition("[")[0]) if failed else (f"--collect-only {' '.join(stage)}",)
                if not any(map(self._is_sound, named)):
                    raise NotTrustworthy(f"{failed or stage} fails without any change")
                if not failed:
                    return Outcome(change, before, after, f"{' '.join(stage)}, which did not come to an end")
                if failed.startswith(_WITHOUT_SERVERS) or self._failed_with(change, [failed]) is not None:
                    return Outcome(change, before, after, failed)
                # It failed for another reason, such as the load of the machine.
                left_out.append(f"--deselect={failed}")
            left_out += [f"--ignore={one}" for one in stage]
        return Outcome(change, before, after, None)

    def _is_sound(self, test: str) -> bool:
        """Tell whether a test passes without any change; it is run for that once."""
        if test not in self._sound and self._failed([test] if "::" in test else test.split()) is None:
            self._sound.add(test)
        return test in self._sound

    def _failed_with(self, change: Change, tests: Sequence[str]) -> str | None:
        """Do as `_failed`, with a change."""
        path = self.folder / change.path
        source, times = path.read_bytes(), path.stat()
        path.write_bytes(change.applied(source))
        try:
            return self._failed(tests)
        finally:
            path.write_bytes(source)
            # What was compiled of it is good again.
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _failed(self, tests: Sequence[str]) -> str | None:
        """Return the first test that fails, an empty text when none could be run to its end, None when all pass."""
        options = ["-q", "-x", "-p", "no:cacheprovider", f"--timeout={_TEST_SECONDS}", "--no-header", "--tb=no"]
        # Plain, since nobody reads why: to rewrite asserts takes longer than many a test.
        status, said = self._pytest.run([*options, "--assert=plain", *tests], _STAGE_SECONDS)
        if status is None:
            return ""
        if status in (0, 5):  # 5: the stage has no tests
            return None
        found = _FAILED.search(said)
        return found.group(1) if found else ""


@contextmanager
def copied(copies: int) -> Iterator[list[Copy]]:
    """Yield copies of the commit that is checked out, with servers for all their tests."""
    run = uuid4().hex
    with temporary_folder() as folder, temporary_folder(run) as shared, servers(shared):
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        yield [_copy(archive, folder / str(number), run) for number in range(copies)]


def _copy(archive: bytes, folder: Path, run: str) -> Copy:
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    # Compiled once: nothing is written when a changed file is compiled.
    compiled = [str(folder / package) for package in (*PACKAGES, "tests/support")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *compiled], check=True)
    environment = {
        **os.environ,
        # Before the place where the package is installed from: also processes that tests start run what is changed.
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        # What properties try does not change from run to run.
        "PROPERTIES_SEED": "1",
        # As workers of one run they share the servers.
        RUN_VARIABLE: run,
    }
    return Copy(folder, environment)
