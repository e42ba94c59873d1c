"""Pinning Kafka's libraries: each file is named with what is checked of it before every start."""

import hashlib
from pathlib import Path

from jgo.maven import MavenContext, PythonResolver

from embedded.java_libraries import LOCK_FILE
from embedded.pin_java_libraries import _line


def test_a_line_names_the_file_its_size_and_its_hash(tmp_path: Path) -> None:
    folder = tmp_path / "org" / "example" / "first" / "1.0"
    folder.mkdir(parents=True)
    (folder / "first-1.0.jar").write_bytes(b"library")
    context = MavenContext(resolver=PythonResolver(), repo_cache=tmp_path, local_repos=[], remote_repos={})
    line = _line(context.project("org.example", "first").at_version("1.0").artifact())
    assert line == f"org.example first 1.0 7 {hashlib.sha256(b'library').hexdigest()}\n"
    assert [len(one.split(" ")) for one in LOCK_FILE.read_text().splitlines()] == [5] * LOCK_FILE.read_text().count(
        "\n"
    )
