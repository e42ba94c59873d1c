"""Rewrites `java_libraries.lock`: `python -m embedded.pin_java_libraries`, after `KAFKA_VERSION` was changed.

jgo resolves the broker's dependencies from its Maven coordinates. Servers are then started from the lock alone:
nothing is resolved again, so exactly the files that were tested are run.
"""

import hashlib
import tempfile
from pathlib import Path

from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import Artifact, MavenContext, PythonResolver
from jgo.parse import Coordinate

from embedded.java_libraries import KAFKA_VERSION, LOCK_FILE


def main() -> None:
    """Resolve, download, hash and write."""
    with tempfile.TemporaryDirectory() as repository:
        context = MavenContext(
            resolver=PythonResolver(),
            repo_cache=Path(repository),
            local_repos=[],
            remote_repos={"central": MAVEN_CENTRAL_URL},
        )
        broker = context.create_dependency(
            Coordinate(groupId="org.apache.kafka", artifactId="kafka_2.13", version=KAFKA_VERSION, scope="compile")
        )
        _, dependencies = context.resolver.resolve([broker])
        artifacts = [broker.artifact, *(one.artifact for one in dependencies if one.scope in ("compile", "runtime"))]
        artifacts.append(_log_binding(context, artifacts))
        LOCK_FILE.write_text("".join(sorted(_line(artifact) for artifact in artifacts)), encoding="utf-8")


def _log_binding(context: MavenContext, artifacts: list[Artifact]) -> Artifact:
    # Kafka's own distribution adds this; without it, the broker would log nothing.
    (log4j,) = (artifact for artifact in artifacts if artifact.artifactId == "log4j-core")
    return context.project(log4j.groupId, "log4j-slf4j-impl").at_version(log4j.version).artifact()


def _line(artifact: Artifact) -> str:
    content = artifact.resolve().read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return f"{artifact.groupId} {artifact.artifactId} {artifact.version} {len(content)} {sha256}\n"


if __name__ == "__main__":
    main()
