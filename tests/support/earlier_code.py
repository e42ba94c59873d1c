"""The newest code that the present one must be able to run beside, out of the repository's own history."""

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from db.migration_plan import migrations, oldest_code
from db.revisions import migration_files
from tests.support.packages import ROOT

_VERSIONS = "db/migrations/versions"


class NoHistory(Exception):
    """There is no commit to take: none works beside the present one, or this is a shallow clone, or none at all."""


@dataclass(frozen=True, slots=True)
class EarlierCode:
    """A commit, why it was taken, and the last revision that its code knows."""

    commit: str
    reason: str
    revision: str

    def unpack(self, folder: Path) -> None:
        """Write its files to a folder."""
        with tarfile.open(fileobj=BytesIO(_git("archive", self.commit))) as archive:
            archive.extractall(folder, filter="data")


def earlier_code() -> EarlierCode:
    """Return the last release, if it works on the present tables; else the code before the last migration.

    Raises NoHistory where no earlier code works, or none can be had.
    """
    release = _commit_of_release()
    if release is not None and (known := _revision(release)) >= oldest_code():
        return EarlierCode(release, "the last release", known)
    last = migrations()[-1].revision
    file = migration_files()[last].name
    added = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", f"{_VERSIONS}/{file}").decode().strip()
    # What is not committed yet comes after all that is.
    commit = _git("rev-parse", "--verify", f"{added}^" if added else "HEAD").decode().strip()
    if (known := _revision(commit)) < oldest_code():
        raise NoHistory(f"code of {known} works on no tables after migration {last}")
    return EarlierCode(commit, f"the code before migration {last}", known)


def _commit_of_release() -> str | None:
    """Return the tag of the last release, or the commit that gave it its heading in the change log."""
    if tags := _git("tag", "--list", "v[0-9]*", "--sort=-v:refname").decode().split():
        return tags[0]
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [")]
    released = [line for line in headings if "Unreleased" not in line]
    if not released:
        return None
    name = released[0].partition("]")[0]
    commits = _git("log", "--reverse", "--format=%H", f"-S{name}]", "--", "CHANGELOG.md").decode().split()
    return commits[0] if commits else None


def _revision(commit: str) -> str:
    names = _git("ls-tree", "--name-only", commit, f"{_VERSIONS}/").decode().split()
    return max(name.removeprefix(f"{_VERSIONS}/")[:4] for name in names if "/0" in name)


def _git(*words: str) -> bytes:
    try:
        done = subprocess.run(("git", "-C", ROOT, *words), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoHistory(getattr(error, "stderr", b"").decode() or str(error)) from error
    return done.stdout
