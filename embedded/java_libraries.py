"""The Java libraries of Apache Kafka: pinned by version and SHA-256, downloaded once into a cache."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import EmbeddedError

KAFKA_VERSION = "4.3.0"
LOCK_FILE = Path(__file__).parent / "java_libraries.lock"

_DOWNLOADS_AT_ONCE = 6
_ATTEMPTS = 3
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Library:
    """One pinned library; `size` in bytes."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.artifact}-{self.version}.jar"


def class_path(report: Callable[[str], None]) -> str:
    """Return the class path of Kafka, after downloading libraries that are not in the cache yet.

    Needs the network only the first time. Calls `report` with the progress of downloads. Raises `EmbeddedError` when a
    library cannot be downloaded or is not the pinned one.
    """
    text = LOCK_FILE.read_text(encoding="utf-8")
    libraries = [_library(line) for line in text.splitlines()]
    cache = cache_directory() / "java"
    folder = cache / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    if not folder.is_dir():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with one_process_at_a_time(cache / "download.lock", report, "downloads Apache Kafka"):
                if not folder.is_dir():
                    _download(libraries, cache / "download", folder, report)
        except OSError as error:
            raise EmbeddedError(
                f"The Java libraries of Kafka cannot be kept in {cache}: {error}. "
                "Set WHOPAYS_CACHE_DIR to a folder that can be written to and has 200 MB of space."
            ) from error
    return os.pathsep.join(str(folder / library.file_name) for library in libraries)


def cache_directory() -> Path:
    """Return the folder for downloads: `WHOPAYS_CACHE_DIR`, else the user's cache folder."""
    configured = os.environ.get("WHOPAYS_CACHE_DIR")
    if configured:
        return Path(configured).expanduser().absolute()
    from platformdirs import user_cache_path  # noqa: PLC0415 - belongs to the optional packages

    return user_cache_path("whopays")


def _library(line: str) -> Library:
    group, artifact, version, size, sha256 = line.split()
    return Library(group, artifact, version, int(size), sha256)


def _download(libraries: list[Library], repository: Path, folder: Path, report: Callable[[str], None]) -> None:
    total = sum(library.size for library in libraries)
    report(
        f"Downloading Apache Kafka {KAFKA_VERSION} ({len(libraries)} Java libraries, {total / 1e6:.0f} MB, once) "
        f"into {folder.parent} ..."
    )
    started = reported = time.monotonic()
    done = 0
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        downloads = {pool.submit(_fetch, library, repository): library for library in libraries}
        try:
            for download in as_completed(downloads):
                download.result()
                done += downloads[download].size
                if time.monotonic() - reported > _PROGRESS_SECONDS:
                    reported = time.monotonic()
                    report(f"  {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    unfinished = folder.with_name(folder.name + ".new")
    unfinished.mkdir(exist_ok=True)
    for download, library in downloads.items():
        download.result().replace(unfinished / library.file_name)
    unfinished.replace(folder)
    shutil.rmtree(repository)
    report(f"Downloaded {total / 1e6:.0f} MB in {time.monotonic() - started:.0f} s.")


def _fetch(library: Library, repository: Path) -> Path:
    # Importing these takes a while, and is needed once per cache.
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    context = MavenContext(
        resolver=PythonResolver(),
        repo_cache=repository,
        local_repos=[],
        remote_repos={"central": MAVEN_CENTRAL_URL},
        timeout=20,
    )
    artifact = context.project(library.group, library.artifact).at_version(library.version).artifact()
    path = repository / artifact.component.path_prefix / artifact.filename
    problem = ""
    for _ in range(_ATTEMPTS):
        # An interrupted download leaves a partial file, which jgo would take for a complete one.
        if path.exists() and not _is_pinned(library, path):
            path.unlink()
        try:
            artifact.resolve()
        except (RequestException, RuntimeError) as error:
            problem = f"{type(error).__name__}: {error}"
            continue
        if _is_pinned(library, path):
            return path
        problem = f"{library.file_name} is not the file whose SHA-256 is pinned"
    raise EmbeddedError(
        f"Apache Kafka could not be downloaded: {problem}\n"
        "It is needed once, from Maven Central. Check the network, and HTTPS_PROXY where a proxy is used, and try "
        f"again: what was downloaded is kept. Without a network, copy the folder {repository.parent} from a machine "
        "where this works, or give the addresses of running servers (WHOPAYS_DATABASE_URL, "
        "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS)."
    )


def _is_pinned(library: Library, path: Path) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == library.sha256


@contextmanager
def one_process_at_a_time(path: Path, report: Callable[[str], None], what: str) -> Iterator[None]:
    """Hold a lock; if another process has it, wait, and report that it is doing `what`."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Waiting for another process that {what} ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
